package spa

import (
	"time"

	"sallyport/internal/key"
)

// farthest is how far off a clock may be for Diagnose to notice.
const farthest = 24 * time.Hour

// Diagnose opens a datagram that failed at its tag because the clock of its
// sender is up to a day off; how far is for the caller to compare. Such a
// message is never to be obeyed or answered: its replays are not guarded
// against. Each call costs up to 700 SipHashes, some 15 µs, and for a match that
// of Tagged.Open; the very first derives their keys, which takes half a
// millisecond. Call it a few times a second at most.
func (o *Opener) Diagnose(now time.Time, payload []byte) (*Message, bool) {
	for i := range o.servers {
		s := &o.servers[i]
		if !within(s.lengths, len(payload)) || !s.accepted(now) {
			continue
		}
		s.day.cover(s.public, now, farthest)
		if epoch, ok := s.day.find(payload[:frontSize]); ok {
			m, reason := Tagged{s.recipient, epoch, payload}.Open()
			return m, reason == ""
		}
	}
	return nil, false
}

// MoatKey is one of the keys with which a filter can check tags by itself.
type MoatKey struct {
	Suite key.Suite // of the server key: says which lengths to check with it
	Epoch int64
	Key   [16]byte
}

// MoatKeys returns the keys of all tags that are accepted at any time from one
// time to another.
func (o *Opener) MoatKeys(from, to time.Time) []MoatKey {
	first, _ := epochs(from, o.skew)
	_, last := epochs(to, o.skew)
	var out []MoatKey
	for i := range o.servers {
		s := &o.servers[i]
		if !s.accepted(from) {
			continue
		}
		for epoch := first; epoch <= last; epoch++ {
			out = append(out, MoatKey{s.suite, epoch, s.public.Moat(epoch)})
		}
	}
	return out
}
