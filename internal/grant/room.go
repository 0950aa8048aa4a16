package grant

import "sallyport/internal/event"

const (
	// Limit is how many elements the kernel may hold for grants, one for each
	// source and port of the door, and how many grants there can be. Anyone who knows
	// a static sequence can send it under any number of false addresses; this bounds
	// what that costs. It is what one set of the kernel has room for.
	Limit = 1 << 20

	// The last quarter of it is for those who have shown a key or secret, or are
	// operators: no overheard sequence keeps them out.
	reserved = 4
)

// room is how much of the kernel the grants take up.
type room struct {
	most     int
	taken    int
	ports    map[string]int // of each door
	elements map[string]int // of the book, by door
}

func newRoom() room {
	return room{most: Limit, ports: make(map[string]int), elements: make(map[string]int)}
}

// Weigh says how many ports each door has. Doors that are not named have one.
func (b *Book) Weigh(ports map[string]int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.room.ports, b.room.taken = ports, 0
	for door, n := range b.room.elements {
		b.room.taken += n * b.room.of(door)
	}
}

func (r *room) of(door string) int { return max(1, r.ports[door]) }

// take counts elements that have come, or gone.
func (r *room) take(door string, n int) {
	r.taken += n * r.of(door)
	if r.elements[door] += n; r.elements[door] == 0 {
		delete(r.elements, door)
	}
}

// limit is what a grant finds room in.
func (r *room) limit(g event.Grant) int {
	if g.Holder == event.Named && g.Client == "" {
		return r.most - r.most/reserved
	}
	return r.most
}

// has reports whether one more element has room.
func (r *room) has(g event.Grant) bool { return r.taken+r.of(g.Door) <= r.limit(g) }
