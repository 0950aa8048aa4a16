// Package grant keeps the book of the grants that are in force. The kernel
// enforces them and closes the doors; the book knows which there are, so that
// a grant can be extended, ended early, told about when it ends, and put back
// if another program removes the firewall table.
package grant

import (
	"cmp"
	"container/heap"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"sallyport/internal/gate"
)

// Limit is how many grants can be in force at once. Whoever knows a static
// sequence can send it under any number of false addresses; this bounds what
// that costs.
const Limit = 1 << 20

// Firewall puts grants into force. The firewall package has the real one.
type Firewall interface {
	Grant(g gate.Grant, now time.Time) error
	Revoke(source netip.Addr, door string) error
}

// Book is safe for concurrent use. Make one with New.
type Book struct {
	firewall Firewall

	mu    sync.Mutex
	live  map[key]gate.Grant
	ends  ends
	limit int
}

type key struct {
	source netip.Addr
	door   string
}

func keyOf(g gate.Grant) key { return key{g.Source, g.Door} }

// New returns an empty book.
func New(firewall Firewall) *Book {
	return &Book{firewall: firewall, live: make(map[key]gate.Grant), limit: Limit}
}

// Open puts a grant into force and returns it as it is then. A source that has
// the door open already keeps the later of the two ends. If the firewall does
// not take the grant, the book stays as it was.
func (b *Book) Open(g gate.Grant, now time.Time) (gate.Grant, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	old, known := b.live[keyOf(g)]
	if known && old.Until.After(now) {
		g = merge(old, g)
	}
	if !known && len(b.live) >= b.limit {
		return gate.Grant{}, fmt.Errorf("open door %q for %s: %d grants are in force, the limit: revoke some with sallyport revoke", g.Door, g.Source, len(b.live))
	}
	if err := b.firewall.Grant(g, now); err != nil {
		return gate.Grant{}, fmt.Errorf("open door %q for %s: %w", g.Door, g.Source, err)
	}
	b.enter(g)
	return g, nil
}

// merge returns what holds when a second grant is given while the first runs:
// the later end, and of a single and a lasting grant the lasting one, unless
// the single one outlives it.
func merge(old, g gate.Grant) gate.Grant {
	if old.Single && !g.Single || old.Until.Before(g.Until) {
		return g
	}
	old.Client = g.Client
	return old
}

func (b *Book) enter(g gate.Grant) {
	b.live[keyOf(g)] = g
	heap.Push(&b.ends, end{g.Until, keyOf(g)})
}

// Restore enters grants that are in force in the kernel already.
func (b *Book) Restore(grants []gate.Grant) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, g := range grants {
		b.enter(g)
	}
}

// Revoke ends the grants that match and returns them. If the firewall fails,
// it returns those ended so far with the error.
func (b *Book) Revoke(match func(gate.Grant) bool) ([]gate.Grant, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var ended []gate.Grant
	for k, g := range b.live {
		if !match(g) {
			continue
		}
		if err := b.firewall.Revoke(g.Source, g.Door); err != nil {
			return ended, fmt.Errorf("close door %q for %s: %w", g.Door, g.Source, err)
		}
		delete(b.live, k)
		ended = append(ended, g)
	}
	sortGrants(ended)
	return ended, nil
}

// Forget removes grants that are not in force any more and returns them.
func (b *Book) Forget(match func(gate.Grant) bool) []gate.Grant {
	b.mu.Lock()
	defer b.mu.Unlock()
	var gone []gate.Grant
	for k, g := range b.live {
		if match(g) {
			delete(b.live, k)
			gone = append(gone, g)
		}
	}
	sortGrants(gone)
	return gone
}

// Expire removes the grants whose time is over, which the kernel has ended by
// then, and returns them with the time when the next one ends (zero if none is
// left).
func (b *Book) Expire(now time.Time) (over []gate.Grant, next time.Time) {
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
			delete(b.live, first.key)
			over = append(over, g)
		}
	}
	return over, time.Time{}
}

// Live returns the grants in force, sorted by door and source.
func (b *Book) Live(now time.Time) []gate.Grant {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := make([]gate.Grant, 0, len(b.live))
	for _, g := range b.live {
		if g.Until.After(now) {
			list = append(list, g)
		}
	}
	sortGrants(list)
	return list
}

func sortGrants(list []gate.Grant) {
	slices.SortFunc(list, func(a, b gate.Grant) int {
		return cmp.Or(cmp.Compare(a.Door, b.Door), a.Source.Compare(b.Source))
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
