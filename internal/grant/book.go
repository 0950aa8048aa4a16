// Package grant keeps the book of the grants that are in force. The kernel
// enforces them and closes the doors; the book knows which there are and whose,
// so that a grant can be extended, ended early, told about when it ends, and put
// back if another program removes the firewall table.
//
// One door may be open for one source for several owners at once. Each has a
// part with an end of its own; the kernel's element has the latest of them. What
// lasts and what one connection uses up are separate elements. Owners are written
// to the Register before the kernel is told.
package grant

import (
	"cmp"
	"container/heap"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"sallyport/internal/event"
)

// maxOwners is how many owners an element of the kernel can have. Of more, those
// whose parts end first become one that is everybody's: nobody is kept out, and
// ending any owner's grant ends it.
const maxOwners = 16

// Firewall puts grants into force. The firewall package has the real one.
type Firewall interface {
	// Grant puts a grant into force, in place of what its source has of that
	// kind for that door.
	Grant(g event.Grant, now time.Time) error
	// Renew gives a grant another end, and reports whether it was still in force:
	// one that is over, or has been used up, stays so.
	Renew(g event.Grant, now time.Time) (bool, error)
	// Revoke ends what the source has of that kind for that door.
	Revoke(g event.Grant) error
}

// Book is safe for concurrent use. Make one with New.
type Book struct {
	firewall Firewall
	register *Register // nil: owners are not kept

	mu      sync.Mutex
	live    map[key][]part
	parts   int
	count   map[string]int // of the parts, by door
	room    room
	ends    ends
	spent   []event.Grant    // single ones that were found used up; Expire returns them
	recent  []event.Grant    // the latest that ended, in a ring
	owing   map[key]struct{} // elements of which parts are owed; perhaps some that have ended since
	waiting *missed          // not nil until grants of an earlier time are restored
}

// missed is what the register says of grants that the book does not hold yet, and
// what has been asked of them.
type missed struct {
	known              map[key][]part
	revoked, forgotten []func(event.Grant) bool
}

// key names an element of the kernel.
type key struct {
	from   netip.Prefix
	door   string
	single bool
}

func keyOf(g event.Grant) key { return key{g.From(), g.Door, g.Single} }

// part is what one owner has of an element.
type part struct {
	event.Grant
	slot int   // in the register
	owed *owed // nil: it may last
}

// New returns an empty book. Without a register, what an earlier process has
// given is everybody's.
func New(firewall Firewall, register *Register) *Book {
	return &Book{firewall: firewall, register: register, live: make(map[key][]part), count: make(map[string]int), owing: make(map[key]struct{}), room: newRoom()}
}

// Open puts a grant into force and returns what its owner has then. An owner who
// has the door open already keeps the later of the two ends. If the firewall does
// not take the grant, the book stays as it was.
func (b *Book) Open(g event.Grant, now time.Time) (event.Grant, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	k := keyOf(g)
	old := b.live[k]
	at := slices.IndexFunc(old, owned(g))
	if at < 0 && (b.parts >= b.room.limit(g) || len(old) == 0 && !b.room.has(g)) {
		return event.Grant{}, fmt.Errorf("open door %q for %s: %d grants are in force for %d ports in all, the limit: revoke some with sallyport revoke",
			g.Door, g.Source, b.parts, b.room.taken)
	}
	p := part{g, noSlot, nil}
	if at >= 0 {
		p.slot = old[at].slot
		p.Grant = later(old[at].due(), g, now)
	} else {
		p.slot = b.register.take()
	}
	b.register.put(p, now)
	used, err := b.force(append(b.earlier(k, now), old...), p.Grant, now)
	if err != nil {
		b.unwrite(old, at, p.slot, now)
		return event.Grant{}, fmt.Errorf("open door %q for %s: %w", g.Door, g.Source, err)
	}
	if used { // what the element had is gone, and does not prolong this
		b.removeUsed(k, p, now)
		if b.waiting != nil {
			b.waiting.over(k, b.register)
		}
		p.Grant = g
		b.register.put(p, now)
	}
	b.enter(k, p, now)
	return p.Grant, nil
}

// owned returns a test for the part of a grant's owner.
func owned(g event.Grant) func(part) bool {
	return func(p part) bool { return p.Owner().Same(g.Owner()) }
}

// later is what an owner has who is given a second grant while the first runs.
func later(old, g event.Grant, now time.Time) event.Grant {
	if old.Until.After(now) && old.Until.After(g.Until) {
		return old
	}
	return g
}

// force has the kernel let in the owners of an element and g. Used says that the
// element is gone: a connection has used it up, or it has ended since an earlier
// process gave it. Then g alone is in force.
func (b *Book) force(parts []part, g event.Grant, now time.Time) (used bool, err error) {
	all := latest(parts, g)
	if !g.Single && b.waiting == nil || !slices.ContainsFunc(parts, func(p part) bool { return p.due().Until.After(now) }) {
		return false, b.firewall.Grant(all, now)
	}
	there, err := b.firewall.Renew(all, now)
	switch {
	case err != nil:
		return false, err
	case !there:
		return true, b.firewall.Grant(g, now)
	case g.Single:
		return false, nil
	}
	return false, b.firewall.Grant(all, now) // at all ports
}

// latest is the grant that is to end last of some parts and one more.
func latest(parts []part, g event.Grant) event.Grant {
	for _, p := range parts {
		if d := p.due(); d.Until.After(g.Until) {
			g = d
		}
	}
	return g
}

// unwrite has the register say again what it said before.
func (b *Book) unwrite(old []part, at, slot int, now time.Time) {
	if at < 0 {
		b.register.drop(slot, false)
		return
	}
	b.register.put(old[at], now)
}

// enter takes a part into the book.
func (b *Book) enter(k key, p part, now time.Time) {
	parts := b.live[k]
	if at := slices.IndexFunc(parts, owned(p.Grant)); at >= 0 {
		parts[at] = p
	} else {
		if len(parts) >= maxOwners {
			parts = b.fold(parts, now)
		}
		if len(parts) == 0 {
			b.room.take(k.door, 1)
		}
		b.live[k] = append(parts, p)
		b.counted(k.door, 1)
	}
	heap.Push(&b.ends, end{p.Until, k, p.Owner()})
}

// fold makes room in an element: of its parts, the one that nobody owns and those
// that end first become one.
func (b *Book) fold(parts []part, now time.Time) []part {
	slices.SortFunc(parts, func(x, y part) int {
		return cmp.Or(inOrder(y.Holder == event.Anyone, x.Holder == event.Anyone), x.Until.Compare(y.Until))
	})
	into := parts[1]
	into.Grant, into.owed = latest(parts[:1], into.due()), nil
	into.Client, into.Holder, into.Message, into.Proof = "", event.Anyone, event.Message{}, event.Proof{}
	b.register.put(into, now)
	b.register.drop(parts[0].slot, false)
	b.counted(into.Door, -1)
	heap.Push(&b.ends, end{into.Until, keyOf(into.Grant), into.Owner()})
	return append(parts[:0], slices.Insert(parts[2:], 0, into)...)
}

func (b *Book) counted(door string, n int) {
	b.parts += n
	if b.count[door] += n; b.count[door] == 0 {
		delete(b.count, door)
	}
}

// remove takes parts out of the book. The register need not say so of those
// whose time has come.
func (b *Book) remove(k key, gone func(part) bool, now time.Time) {
	parts := b.live[k]
	kept := parts[:0]
	for _, p := range parts {
		if !gone(p) {
			kept = append(kept, p)
			continue
		}
		over := !p.Until.After(now)
		b.register.drop(p.slot, over && p.owed == nil)
		b.counted(k.door, -1)
		if !over {
			p.Until = now
		}
		if b.recent = append(b.recent, p.Grant); len(b.recent) > maxRecent {
			b.recent = b.recent[len(b.recent)-maxRecent/2:]
		}
	}
	clear(parts[len(kept):])
	if b.live[k] = kept; len(kept) == 0 {
		delete(b.live, k)
		if len(parts) > 0 {
			b.room.take(k.door, -1)
		}
	}
}

// removeUsed takes all parts of an element out of the book: a connection has used
// them up. A new part of one of their owners takes the place in the register.
func (b *Book) removeUsed(k key, heir part, now time.Time) {
	for i := range b.live[k] {
		if p := &b.live[k][i]; p.slot == heir.slot {
			p.slot = noSlot
		}
		b.spent = append(b.spent, b.live[k][i].Grant)
	}
	b.remove(k, func(part) bool { return true }, now)
}

// Forget removes grants that are not in force any more and returns them.
func (b *Book) Forget(match func(event.Grant) bool, now time.Time) []event.Grant {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.waiting != nil {
		b.waiting.forgotten = append(b.waiting.forgotten, match)
	}
	var gone []event.Grant
	for _, k := range b.matching(match) {
		b.remove(k, func(p part) bool {
			if match(p.Grant) {
				gone = append(gone, p.Grant)
				return true
			}
			return false
		}, now)
	}
	sortGrants(gone)
	return gone
}

// Expire removes the grants whose time is over, which the kernel has ended by
// then or keeps for another owner, and returns them, and those that turned out to
// be used up, with the time when the next one ends (zero if none is left).
func (b *Book) Expire(now time.Time) (over []event.Grant, next time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	over, b.spent = b.spent, nil
	for len(b.ends) > 0 {
		first := b.ends[0]
		ends := func(p part) bool { return p.Owner() == first.owner && p.Until.Equal(first.at) }
		at := slices.IndexFunc(b.live[first.key], ends)
		if at >= 0 && first.at.After(now) {
			return over, first.at
		}
		heap.Pop(&b.ends)
		if at >= 0 {
			over = append(over, b.live[first.key][at].Grant)
			b.remove(first.key, ends, now)
		}
	}
	return over, time.Time{}
}

// Live returns the grants in force, one for each owner, sorted by door and
// source.
func (b *Book) Live(now time.Time) []event.Grant {
	list := b.unsorted(now, func(parts []part, add func(event.Grant)) {
		for _, p := range parts {
			add(p.Grant)
		}
	})
	sortGrants(list) // takes longer than a door may wait
	return list
}

// Elements returns what the kernel should hold: of the grants of several owners
// the one that ends last.
func (b *Book) Elements(now time.Time) []event.Grant {
	return b.unsorted(now, func(parts []part, add func(event.Grant)) { add(latest(parts[1:], parts[0].due())) })
}

func (b *Book) unsorted(now time.Time, of func([]part, func(event.Grant))) []event.Grant {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := make([]event.Grant, 0, len(b.live))
	for _, parts := range b.live {
		of(parts, func(g event.Grant) {
			if g.Until.After(now) {
				list = append(list, g)
			}
		})
	}
	return list
}

// Count returns how many grants are in force, by door: those that have ended
// since Expire was last called among them.
func (b *Book) Count() map[string]int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.count)
}

func sortGrants(list []event.Grant) {
	slices.SortFunc(list, func(a, b event.Grant) int {
		return cmp.Or(cmp.Compare(a.Door, b.Door), a.Source.Compare(b.Source), cmp.Compare(a.Prefix, b.Prefix), inOrder(a.Single, b.Single),
			cmp.Compare(a.Holder, b.Holder), cmp.Compare(a.Client, b.Client))
	})
}

// inOrder puts false first.
func inOrder(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// ends is a heap of the ends of grants, the earliest first. An entry that does
// not agree with the part in the book is out of date: it was extended, ended or
// given again.
type ends []end

type end struct {
	at    time.Time
	key   key
	owner event.Owner
}

func (e ends) Len() int           { return len(e) }
func (e ends) Less(i, j int) bool { return e[i].at.Before(e[j].at) }
func (e ends) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }
func (e *ends) Push(x any)        { *e = append(*e, x.(end)) }
func (e *ends) Pop() any {
	last := len(*e) - 1
	x := (*e)[last]
	*e = (*e)[:last]
	return x
}
