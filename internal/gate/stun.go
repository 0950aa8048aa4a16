package gate

import (
	"hash/maphash"
	"net/netip"
	"sync/atomic"
	"time"

	"sallyport/internal/event"
	"sallyport/internal/key"
	"sallyport/internal/packet"
	"sallyport/internal/replay"
	"sallyport/internal/spa"
	"sallyport/internal/stun"
)

// Browsers repeat a request until it is answered: Firefox seven times in 6 s, Chromium
// each 50 ms. Of all that is the same message from the same port, one is looked at.
const (
	answerAgain = 5 * time.Second  // so long a copy of an answered request is answered
	copiesFor   = 30 * time.Second // so long a message is known for one
	roaming     = 20 * time.Second // telephones change networks between two repetitions
)

// InSTUN says how to answer a message that came in STUN.
type InSTUN struct {
	ID       stun.ID
	Password string
	Answered *atomic.Int64 // Unix nanoseconds of the first answer; 0: there is none
}

// copies are messages in STUN that have been looked at, by (source, port, message).
// Each has one place, chosen by a secret hash, so that nobody can choose to displace
// another's.
type copies struct {
	seed    maphash.Seed
	cells   [1024]seenSTUN
	scratch [stun.MaxMessage + 1]byte
	count   atomic.Uint64
}

type seenSTUN struct {
	at      time.Time
	from    netip.AddrPort
	message []byte
	reply   *Reply // nil: it is never answered
}

func (c *copies) cell(from netip.AddrPort, message []byte) *seenSTUN {
	var h maphash.Hash
	h.SetSeed(c.seed)
	address := from.Addr().As16()
	_, _ = h.Write(address[:])
	_ = h.WriteByte(byte(from.Port()))
	_ = h.WriteByte(byte(from.Port() >> 8))
	_, _ = h.Write(message)
	return &c.cells[h.Sum64()%uint64(len(c.cells))]
}

func (s *seenSTUN) is(now time.Time, from netip.AddrPort, message []byte) bool {
	return s.from == from && string(s.message) == string(message) && now.Sub(s.at).Abs() < copiesFor
}

// observeSTUN judges a request, the cheapest check first: its first characters alone
// show whether its sender has the server's public key.
func (m *messages) observeSTUN(now time.Time, p *packet.Packet, d Decision) (Decision, []Decision) {
	d.Reason = event.BadSTUN
	front, ok := stun.Front(p.Payload)
	if !ok {
		return d, nil
	}
	fronted, ok := m.opener.CheckFront(now, key.X25519, front)
	if !ok {
		d.Reason = event.BadTag
		return d, nil
	}
	request, ok := stun.Parse(p.Payload)
	if !ok {
		return d, nil
	}
	message, ok := request.Message(&m.copies.scratch)
	if !ok {
		return d, nil
	}
	tagged, reason := fronted.With(message)
	if reason != "" {
		return d, nil
	}
	from := netip.AddrPortFrom(p.Src, p.SrcPort)
	seen := m.copies.cell(from, message)
	if seen.is(now, from, message) {
		m.copies.count.Add(1)
		return seen.again(now, request, d), nil
	}
	seen.at, seen.from, seen.message, seen.reply = now, from, append(seen.message[:0], message...), nil
	d, partly := m.look(now, p, arrival{message: message, tagged: tagged, request: request, stun: true}, d)
	seen.reply = d.Reply
	return d, partly
}

// again answers a copy of an answered request. A copy of another is nothing.
func (s *seenSTUN) again(now time.Time, r stun.Request, d Decision) Decision {
	d.Kind, d.Reason = KindNothing, ""
	if s.reply == nil {
		return d
	}
	first := s.reply.STUN.Answered.Load()
	if first == 0 || now.Sub(time.Unix(0, first)) > answerAgain || !r.Verify(s.reply.STUN.Password) {
		return d
	}
	reply, in := *s.reply, *s.reply.STUN
	in.ID = r.ID()
	reply.STUN = &in
	d.Kind, d.Reply = KindAgain, &reply
	return d
}

// The kinds of decisions that are no events.
const (
	KindNothing event.Kind = ""      // nothing is to be done
	KindAgain   event.Kind = "again" // the reply is to be sent once more
)

// arrival is a message and what it came in.
type arrival struct {
	message []byte
	tagged  spa.Tagged
	request stun.Request
	stun    bool // it came in the request; else by itself
}

// again refuses a copy. One in STUN that comes from another source soon after the
// first may be the same telephone in another network, so it is told as a note.
func (a arrival) again(now time.Time, d Decision, c copied, v replay.Verdict) Decision {
	d = again(d, c, v)
	if a.stun && d.Reason == event.Intercepted && now.Sub(c.at).Abs() <= roaming {
		d.Reason, d.Detail = event.Roamed, "the same message has come from another source just before: the device has changed networks, or someone on the way has a copy"
	}
	return d
}

// password returns that of a request which was made together with the message in
// it; empty: it came by itself.
func (a arrival) password(message *spa.Message) (string, event.Reason) {
	if !a.stun {
		return "", ""
	}
	password, err := message.ICEPassword()
	if err != nil || !a.request.Verify(password) {
		return "", event.BadIntegrity
	}
	return password, ""
}

// reply returns where to answer.
func (a arrival) reply(p *packet.Packet, message *spa.Message, password string) *Reply {
	r := &Reply{Message: message, From: netip.AddrPortFrom(p.Dst, p.DstPort), To: netip.AddrPortFrom(p.Src, p.SrcPort), In: p.In}
	if a.stun {
		r.STUN = &InSTUN{ID: a.request.ID(), Password: password, Answered: new(atomic.Int64)}
	}
	return r
}

// Copies returns how many copies of messages have come that are nothing to report:
// repetitions in STUN, and doubles. Any goroutine may call it.
func (g *Gate) Copies() uint64 { return g.copies.count.Load() }
