// Package grant keeps the book of the grants that are in force. The kernel
// enforces them and closes the doors; the book knows which there are, so that
// a grant can be extended, ended early, told about when it ends, and put back
// if another program removes the firewall table.
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

// Limit is how many grants can be in force at once. Whoever knows a static
// sequence can send it under any number of false addresses; this bounds what
// that costs.
const Limit = 1 << 20

// Firewall puts grants into force. The firewall package has the real one.
type Firewall interface {
	Grant(g event.Grant, now time.Time) error
	Revoke(g event.Grant) error
}

// Book is safe for concurrent use. Make one with New.
type Book struct {
	firewall Firewall

	mu      sync.Mutex
	live    map[key]event.Grant
	count   map[string]int // of live, by door
	ends    ends
	limit   int
	waiting *missed // not nil until grants of an earlier time are restored
}

// missed is what has been asked of grants that the book does not hold yet.
type missed struct{ revoked, forgotten []func(event.Grant) bool }

type key struct {
	from netip.Prefix
	door string
}

func keyOf(g event.Grant) key { return key{g.From(), g.Door} }

// New returns an empty book.
func New(firewall Firewall) *Book {
	return &Book{firewall: firewall, live: make(map[key]event.Grant), count: make(map[string]int), limit: Limit}
}

// Open puts a grant into force and returns it as it is then. A source that has
// the door open already keeps the later of the two ends. If the firewall does
// not take the grant, the book stays as it was.
func (b *Book) Open(g event.Grant, now time.Time) (event.Grant, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	old, known := b.live[keyOf(g)]
	if known && old.Until.After(now) {
		g = merge(old, g)
	}
	if !known && len(b.live) >= b.limit {
		return event.Grant{}, fmt.Errorf("open door %q for %s: %d grants are in force, the limit: revoke some with sallyport revoke", g.Door, g.Source, len(b.live))
	}
	if err := b.firewall.Grant(g, now); err != nil {
		return event.Grant{}, fmt.Errorf("open door %q for %s: %w", g.Door, g.Source, err)
	}
	b.enter(g)
	return g, nil
}

// merge returns what holds when a second grant is given while the first runs:
// the later end, and of a single and a lasting grant the lasting one, unless
// the single one outlives it.
func merge(old, g event.Grant) event.Grant {
	if old.Single && !g.Single || old.Until.Before(g.Until) {
		return g
	}
	old.Client = g.Client
	return old
}

func (b *Book) enter(g event.Grant) {
	k := keyOf(g)
	if _, known := b.live[k]; !known {
		b.count[g.Door]++
	}
	b.live[k] = g
	heap.Push(&b.ends, end{g.Until, k})
}

func (b *Book) remove(k key) {
	delete(b.live, k)
	if b.count[k.door]--; b.count[k.door] == 0 {
		delete(b.count, k.door)
	}
}

// Expect says that grants of an earlier time are in force in the kernel, and
// that Restore will enter them. Reading a hundred thousand of them takes
// seconds, in which doors must open and close already.
func (b *Book) Expect() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting = new(missed)
}

// Restore enters grants that are in force in the kernel already. Those that
// were to end since Expect end now, and are returned. If the firewall fails for
// one of them, it stays in the book and the first such error is returned.
func (b *Book) Restore(grants []event.Grant, now time.Time) (ended []event.Grant, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	since := b.waiting
	if since == nil {
		since = new(missed)
	}
	b.waiting = nil
	for _, g := range grants {
		newer, known := b.live[keyOf(g)]
		revoked := anyOf(since.revoked, g)
		var failed error
		switch {
		case anyOf(since.forgotten, g), known && revoked:
		case known:
			failed = b.prolong(g, newer, now)
		case revoked:
			if failed = b.firewall.Revoke(g); failed == nil {
				ended = append(ended, g)
				continue
			}
			failed = fmt.Errorf("close door %q for %s: %w", g.Door, g.Source, failed)
			b.enter(g)
		default:
			b.enter(g)
		}
		if err == nil {
			err = failed
		}
	}
	return ended, err
}

// prolong gives a grant that was given while an older one was not yet in the
// book what Open would have given it.
func (b *Book) prolong(old, newer event.Grant, now time.Time) error {
	g := merge(old, newer)
	if g == newer || !g.Until.After(now) {
		return nil
	}
	if err := b.firewall.Grant(g, now); err != nil {
		return fmt.Errorf("open door %q for %s: %w", g.Door, g.Source, err)
	}
	b.enter(g)
	return nil
}

func anyOf(matches []func(event.Grant) bool, g event.Grant) bool {
	return slices.ContainsFunc(matches, func(match func(event.Grant) bool) bool { return match(g) })
}

// Revoke ends the grants that match and returns them. If the firewall fails,
// it returns those ended so far with the error.
func (b *Book) Revoke(match func(event.Grant) bool) ([]event.Grant, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.waiting != nil {
		b.waiting.revoked = append(b.waiting.revoked, match)
	}
	var ended []event.Grant
	for k, g := range b.live {
		if !match(g) {
			continue
		}
		if err := b.firewall.Revoke(g); err != nil {
			return ended, fmt.Errorf("close door %q for %s: %w", g.Door, g.Source, err)
		}
		b.remove(k)
		ended = append(ended, g)
	}
	sortGrants(ended)
	return ended, nil
}

// Forget removes grants that are not in force any more and returns them.
func (b *Book) Forget(match func(event.Grant) bool) []event.Grant {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.waiting != nil {
		b.waiting.forgotten = append(b.waiting.forgotten, match)
	}
	var gone []event.Grant
	for k, g := range b.live {
		if match(g) {
			b.remove(k)
			gone = append(gone, g)
		}
	}
	sortGrants(gone)
	return gone
}

// Expire removes the grants whose time is over, which the kernel has ended by
// then, and returns them with the time when the next one ends (zero if none is
// left).
func (b *Book) Expire(now time.Time) (over []event.Grant, next time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.ends) > 0 {
		first := b.ends[0]
		g, ok := b.live[first.key]
		if ok && g.Until.Equal(first.at) && first.at.After(now) {
			return over, first.at
		}
		heap.Pop(&b.ends)
		if ok && g.Until.Equal(first.at) {
			b.remove(first.key)
			over = append(over, g)
		}
	}
	return over, time.Time{}
}

// Live returns the grants in force, sorted by door and source.
func (b *Book) Live(now time.Time) []event.Grant {
	list := b.unsorted(now)
	sortGrants(list) // takes longer than a door may wait
	return list
}

func (b *Book) unsorted(now time.Time) []event.Grant {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := make([]event.Grant, 0, len(b.live))
	for _, g := range b.live {
		if g.Until.After(now) {
			list = append(list, g)
		}
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
		return cmp.Or(cmp.Compare(a.Door, b.Door), a.Source.Compare(b.Source), cmp.Compare(a.Prefix, b.Prefix))
	})
}

// ends is a heap of the ends of grants, the earliest first. An entry that does
// not agree with the live grant is out of date: the grant was extended, ended
// or given again.
type ends []end

type end struct {
	at  time.Time
	key key
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
