package sequence

import (
	"time"

	"sallyport/internal/packet"
)

// What is no knock although it looks like one: browsers end a connection, and the
// system goes on sending its SYN for minutes; and they send a SYN twice.
const (
	retransmits = 900 * time.Millisecond // the earliest that a SYN is sent again (RFC 6298, section 2)
	copiesFor   = 2 * time.Minute
	repeatsFor  = 2 * time.Second
)

// past is what a source that has once been two knocks in has knocked lately. Who has
// not been so far in could not lose much by a copy.
type past struct {
	n      int // knocks in all
	latest [32]knock
}

func (p *past) add(k knock) {
	p.latest[p.n%len(p.latest)] = k
	p.n++
}

// isOld reports whether a SYN is a copy of an earlier one, whatever the progress since.
// It opens nothing that the stream without it would not: that stream could have been
// sent as well.
func (t *Tracker) isOld(s sender, k knock) bool {
	if k.port.Proto != packet.TCP || t.past.len() == 0 {
		return false
	}
	p := t.past.get(s.source)
	if p == nil {
		return false
	}
	for i := range min(p.n, len(p.latest)) {
		if age := time.Duration(k.at - p.latest[i].at); age >= retransmits && age <= copiesFor && p.latest[i].copies(k) {
			return true
		}
	}
	return false
}

// remember keeps a knock of a source that is, or has been, at least two knocks in.
func (t *Tracker) remember(s sender, f *further, k knock) {
	if f.n < 2 && t.past.len() == 0 {
		return
	}
	p := t.past.get(s.source)
	switch {
	case p != nil:
	case f.n < 2:
		return
	default:
		p = t.past.put(s.source)
		for _, earlier := range f.knocks[:f.n-1] {
			if earlier.port.Proto == packet.TCP {
				p.add(earlier)
			}
		}
	}
	if k.port.Proto == packet.TCP {
		p.add(k)
	}
}

// repeats reports whether a SYN repeats a knock of the present progress from another
// source port, and is of no other use: it neither goes on with a sequence nor begins
// one. It never does in a sequence that names a port twice. It is counted against the source as a wrong
// knock, since it lets a guesser leave out a little.
func (t *Tracker) repeats(f *further, k knock) bool {
	if k.port.Proto != packet.TCP || t.table.nodes[f.node].twice || t.table.next(f.node, k.port) != root {
		return false
	}
	for _, earlier := range f.knocks[:f.n] {
		if earlier.port == k.port && earlier.from != k.from && time.Duration(k.at-earlier.at) <= repeatsFor {
			return true
		}
	}
	return false
}
