//go:build linux

package firstuse

import "sallyport/internal/conntrack"

// begun are the latest connections that have begun and have not been answered. A
// flood of them pushes out the oldest: an answer comes within a round trip.
type begun struct {
	there map[conntrack.Flow]int // where each stands in the ring
	ring  []conntrack.Flow
	next  int
}

func newBegun() begun { return begun{there: make(map[conntrack.Flow]int)} }

func (b *begun) add(f conntrack.Flow) {
	if len(b.ring) < maxBegun {
		b.ring = append(b.ring, conntrack.Flow{})
	}
	if old := b.ring[b.next]; b.there[old] == b.next {
		delete(b.there, old)
	}
	b.ring[b.next], b.there[f] = f, b.next
	b.next = (b.next + 1) % maxBegun
}

// take reports whether a connection is among them, and removes it.
func (b *begun) take(f conntrack.Flow) bool {
	_, ok := b.there[f]
	delete(b.there, f)
	return ok
}
