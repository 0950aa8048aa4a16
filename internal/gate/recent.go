package gate

import (
	"bytes"
	"net/netip"
	"time"

	"sallyport/internal/packet"
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
	copied
}

// keep takes a message that p has brought, by itself or in more.
func (r *recent) keep(now time.Time, p *packet.Packet, message []byte, c copied) {
	kept := &r[slotOf(message)]
	c.at, c.from = now, netip.AddrPortFrom(p.Src, p.SrcPort)
	kept.payload, kept.copied = append(kept.payload[:0], message...), c
}

// find returns what a copy is a copy of, with the source it came from.
func (r *recent) find(payload []byte, source netip.Addr) (found copied, ok bool) {
	c := &r[slotOf(payload)]
	if !bytes.Equal(c.payload, payload) {
		return copied{}, false
	}
	found = c.copied
	found.id.Source = source
	return found, true
}

// copied is a message that has come before, or may have.
type copied struct {
	client string
	id     replay.Message
	bound  bool
	at     time.Time      // when it came first; zero: not known any more
	from   netip.AddrPort // and from where
}

// doubled is how soon after a message a copy from the same address and port is no
// sign of anybody else: networks duplicate packets, and a client that connects
// at once sends the first message twice.
const doubled = 250 * time.Millisecond

// isDouble reports whether a copy that p brings, which the guard calls repeated, is
// one that nobody need hear of.
func (c copied) isDouble(now time.Time, p *packet.Packet, v replay.Verdict) bool {
	return v == replay.Repeated && c.from == netip.AddrPortFrom(p.Src, p.SrcPort) && now.Sub(c.at).Abs() <= doubled
}

// slotOf takes bytes that are random in every message. In a packet of fwknop's,
// which is text, each has six random bits, but for the first with two.
func slotOf(payload []byte) int { return (int(payload[1]) + int(payload[2])<<2) % recentMessages }
