package sequence

import (
	"encoding/binary"
	"net/netip"
)

// source is an address as a map key: cheaper to hash and smaller than a
// netip.Addr, and without a pointer for the garbage collector to follow.
type source struct{ hi, lo uint64 }

func sourceOf(a netip.Addr) source {
	b := a.As16()
	return source{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

// sender is a source with its hash, under the tracker's seed.
type sender struct {
	source
	hash uint64
}

// sources holds a state for each of at most limit sources. When it is full,
// the state that was put there longest ago makes room: a flood of new sources
// pushes out anyone who dawdles, and anyone who completes a sequence quickly does not
// notice it. Memory grows with use up to the limit and is then reused.
type sources[S any] struct {
	limit int
	index map[source]int32
	slots []slot[S]
	next  int // where the oldest state is, once len(slots) == limit
}

type slot[S any] struct {
	source source
	used   bool
	state  S
}

func newSources[S any](limit int) *sources[S] {
	return &sources[S]{limit: limit, index: make(map[source]int32)}
}

// get returns the state of a source, or nil. It is valid until the next put.
func (t *sources[S]) get(s source) *S {
	i, ok := t.index[s]
	if !ok {
		return nil
	}
	return &t.slots[i].state
}

// put gives a source that has no state a zero one and returns it.
func (t *sources[S]) put(s source) *S {
	if len(t.slots) < t.limit {
		t.slots = append(t.slots, slot[S]{})
		t.next = len(t.slots) - 1
	}
	at := &t.slots[t.next]
	if at.used {
		delete(t.index, at.source)
	}
	*at = slot[S]{source: s, used: true}
	t.index[s] = int32(t.next)
	t.next = (t.next + 1) % t.limit
	return &at.state
}

// drop forgets a source.
func (t *sources[S]) drop(s source) {
	if i, ok := t.index[s]; ok {
		t.slots[i].used = false
		delete(t.index, s)
	}
}

// each calls f for every state, in no order. f may drop the source it is given.
func (t *sources[S]) each(f func(source, *S)) {
	for s, i := range t.index {
		f(s, &t.slots[i].state)
	}
}

func (t *sources[S]) len() int { return len(t.index) }
