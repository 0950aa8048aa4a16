package gate

import (
	"bytes"
	"net/netip"
	"time"

	"sallyport/internal/replay"
)

// recentMessages is how many are kept whole. A power of two.
const recentMessages = 256

// recent keeps the latest messages that were admitted, so that a copy is known
// for one before it is opened: someone who sends one again and again, from any
// addresses, would otherwise use up the budget for opening messages. It is only
// a shortcut; the replay guard decides.
type recent [recentMessages]struct {
	payload []byte
	client  string
	id      replay.Message
	bound   bool
	at      time.Time
}

func (r *recent) keep(now time.Time, payload []byte, client string, id replay.Message, bound bool) {
	c := &r[slotOf(payload)]
	c.payload, c.client, c.id, c.bound, c.at = append(c.payload[:0], payload...), client, id, bound, now
}

// find returns what a copy is a copy of, with the source it came from.
func (r *recent) find(payload []byte, source netip.Addr) (found copied, ok bool) {
	c := &r[slotOf(payload)]
	if !bytes.Equal(c.payload, payload) {
		return copied{}, false
	}
	found = copied{client: c.client, id: c.id, bound: c.bound, at: c.at}
	found.id.Source = source
	return found, true
}

// copied is a message that has come before, or may have.
type copied struct {
	client string
	id     replay.Message
	bound  bool
	at     time.Time // when it came first; zero: not known any more
}

// slotOf takes bytes that are random in every message. In a packet of fwknop's,
// which is text, each has six random bits, but for the first with two.
func slotOf(payload []byte) int { return (int(payload[1]) + int(payload[2])<<2) % recentMessages }
