package grant

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"sallyport/internal/event"
)

// maxRecent is how many grants are remembered that have ended.
const maxRecent = 512

// Owners returns who has a door open for a source, as the source alone or with a
// prefix of the given length (0: there is none). If nobody has, it returns who had
// within the time of grace: the kernel tells of a connection after it has let it in.
func (b *Book) Owners(source netip.Addr, door string, bits int, grace time.Duration, now time.Time) (list []event.Owner) {
	b.mu.Lock()
	defer b.mu.Unlock()
	add := func(g event.Grant, after time.Time) {
		if g.Until.After(after) && !slices.Contains(list, g.Owner()) {
			list = append(list, g.Owner())
		}
	}
	var from []netip.Prefix
	for _, n := range []int{0, bits} {
		from = append(from, event.Grant{Source: source, Prefix: n}.From())
	}
	for _, f := range slices.Compact(from) {
		for _, single := range []bool{false, true} {
			for _, p := range b.live[key{f, door, single}] {
				add(p.Grant, now)
			}
		}
	}
	if len(list) > 0 {
		return list
	}
	for _, g := range b.recent {
		if g.Door == door && g.Covers(source) {
			add(g, now.Add(-grace))
		}
	}
	return list
}

// Has reports whether the owner of a grant has one like it.
func (b *Book) Has(g event.Grant, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	parts := b.live[keyOf(g)]
	at := slices.IndexFunc(parts, owned(g))
	return at >= 0 && parts[at].Until.After(now)
}

// Mend tries once more to write down what could not be, and returns why the owners
// of grants may be unknown after a restart; nil: they will not be.
func (b *Book) Mend() error {
	if b.register != nil {
		for mendOnce(&b.mu, b.register.slots) {
		}
	}
	return b.Problem()
}

// mendOnce takes the lock for a bounded time.
func mendOnce(mu *sync.Mutex, s *slots) (more bool) {
	mu.Lock()
	defer mu.Unlock()
	return s.problem != nil && s.mend()
}

// Problem returns why the owners of grants may be unknown after a restart.
func (b *Book) Problem() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.register == nil || b.register.slots.problem == nil {
		return nil
	}
	return fmt.Errorf("who owns the grants is not kept: %w", b.register.slots.problem)
}
