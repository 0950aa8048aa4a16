package detect

import (
	"math"
	"math/bits"
	"slices"

	"sallyport/internal/config"
	"sallyport/internal/event"
	"sallyport/internal/packet"
)

// Anyone who gets in has touched closed ports on the way: a sequence is nothing else.
// What opens once, or is signed, excuses all that its source has touched: nobody
// can have it happen at will. A static sequence can be overheard, and sent again
// and again between the steps of a scan: it excuses its own knocks, and no more.
const everything = math.MaxUint64

const (
	// mostKnocks is the length of the longest sequence: contacts beside a grant
	// are its knocks if there are no more of them.
	mostKnocks = 16

	// excusedFor is how many seconds after a grant its knocks may still be
	// reported.
	excusedFor = 2
)

// knocksOf returns which ports the static sequences of each door touch.
func knocksOf(cfg *config.Config) map[string]uint64 {
	all := make(map[string]uint64)
	for i := range cfg.Doors {
		door := &cfg.Doors[i]
		all[door.Name] |= bitsOf(slices.Concat(door.Sequence, door.Previous))
	}
	for _, g := range cfg.Groups {
		for _, door := range g.Doors {
			all[door] |= bitsOf(g.Sequence)
		}
	}
	return all
}

func bitsOf(ports []packet.Port) (all uint64) {
	for _, p := range ports {
		all |= event.PortBit(p)
	}
	return all
}

// excusedBy returns what a grant excuses.
func (d *Detector) excusedBy(e event.Event) uint64 {
	if e.Reason == event.BySequence {
		return d.knocks[e.Door]
	}
	return everything
}

// excuse takes back what a source has touched on the way to a grant.
func (s *source) excuse(ports uint64) {
	s.excused = ports
	if ports == everything {
		s.fast, s.slow = window{}, window{}
		return
	}
	s.fast.forget(ports)
	s.slow.forget(ports)
}

// withoutKnocks leaves out what the grant that a source has just got excuses.
func (s *source) withoutKnocks(c event.Contacts, now uint32) event.Contacts {
	if s.granted == 0 || now-s.granted > excusedFor {
		return c
	}
	if s.excused == everything {
		if c.Ports <= mostKnocks {
			c.Ports = 0
		}
		return c
	}
	n := bits.OnesCount64(s.excused)
	if c.Seen != 0 {
		n = bits.OnesCount64(s.excused & c.Seen)
		c.Seen &^= s.excused
	}
	c.Ports -= min(c.Ports, uint32(n))
	return c
}

// forget takes ports out again.
func (w *window) forget(ports uint64) {
	n := bits.OnesCount64(w.bits & ports)
	w.bits &^= ports
	w.sum -= min(w.sum, uint32(n))
	if w.sum == 0 || w.bits == 0 {
		*w = window{}
	}
}
