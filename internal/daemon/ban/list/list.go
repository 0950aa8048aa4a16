// Package list is who is banned until when, in bounded memory. What has to be found
// is found without looking at all: strangers decide how many bans there are.
package list

import (
	"container/heap"
	"iter"
	"maps"
	"net/netip"
	"time"

	"sallyport/internal/event"
)

// List is who is banned. It is no use to several goroutines at once.
type List struct {
	most   int
	until  map[netip.Prefix]time.Time
	around map[netip.Prefix]map[netip.Prefix]struct{} // what is banned directly within a wider network
	ends   ends                                       // the ban that ends first; some are out of date
}

// New returns an empty list with room for so many bans.
func New(most int) List {
	return List{most: most, until: make(map[netip.Prefix]time.Time), around: make(map[netip.Prefix]map[netip.Prefix]struct{})}
}

// wider returns the network around a prefix that can be banned as a whole.
func wider(as netip.Prefix) (netip.Prefix, bool) {
	for _, p := range event.BanLevels(as.Addr()) {
		if p.Bits() < as.Bits() {
			return p, true
		}
	}
	return netip.Prefix{}, false
}

// Covers returns the ban by which a source is kept out.
func (l *List) Covers(source netip.Addr, now time.Time) (netip.Prefix, bool) {
	for _, as := range event.BanLevels(source) {
		if now.Before(l.until[as]) {
			return as, true
		}
	}
	return netip.Prefix{}, false
}

// Until returns when the ban of exactly that prefix ends.
func (l *List) Until(as netip.Prefix) (until time.Time, banned bool) {
	until, banned = l.until[as]
	return until, banned
}

// Within returns how many networks directly within a wider one are banned.
func (l *List) Within(wide netip.Prefix) int { return len(l.around[wide]) }

// Inside returns what is banned within a prefix, on every level. It looks at all
// bans, which is done once for each network that is banned as a whole.
func (l *List) Inside(as netip.Prefix) (list []netip.Prefix) {
	for p := range l.until {
		if p.Bits() > as.Bits() && as.Contains(p.Addr()) {
			list = append(list, p)
		}
	}
	return list
}

// Full reports whether something has to go before a prefix can be added.
func (l *List) Full(as netip.Prefix) bool {
	_, again := l.until[as]
	return !again && len(l.until) >= l.most
}

// Add bans a prefix.
func (l *List) Add(as netip.Prefix, until time.Time) {
	l.until[as] = until
	if wide, ok := wider(as); ok {
		if l.around[wide] == nil {
			l.around[wide] = make(map[netip.Prefix]struct{})
		}
		l.around[wide][as] = struct{}{}
	}
	heap.Push(&l.ends, event.Ban{Source: as, Until: until})
	if len(l.ends) > 2*len(l.until)+64 { // most of it is out of date
		l.ends = l.ends[:0]
		for as, until := range l.until {
			l.ends = append(l.ends, event.Ban{Source: as, Until: until})
		}
		heap.Init(&l.ends)
	}
}

// Remove ends a ban.
func (l *List) Remove(as netip.Prefix) {
	delete(l.until, as)
	if wide, ok := wider(as); ok {
		if delete(l.around[wide], as); len(l.around[wide]) == 0 {
			delete(l.around, wide)
		}
	}
}

// first returns the ban that ends first.
func (l *List) first() (event.Ban, bool) {
	for len(l.ends) > 0 {
		b := l.ends[0]
		if until, ok := l.until[b.Source]; ok && until.Equal(b.Until) {
			return b, true
		}
		heap.Pop(&l.ends)
	}
	return event.Ban{}, false
}

// DropFirst removes the ban that ends first from a list that is not empty.
func (l *List) DropFirst() netip.Prefix {
	b, _ := l.first()
	l.Remove(b.Source)
	return b.Source
}

// Expire removes the bans that are over and returns them.
func (l *List) Expire(now time.Time) (over []netip.Prefix) {
	for {
		b, ok := l.first()
		if !ok || now.Before(b.Until) {
			return over
		}
		l.Remove(b.Source)
		over = append(over, b.Source)
	}
}

// Count returns how many bans are in force.
func (l *List) Count(now time.Time) (n int) {
	for _, until := range l.until {
		if now.Before(until) {
			n++
		}
	}
	return n
}

// All yields the bans, and when each ends.
func (l *List) All() iter.Seq2[netip.Prefix, time.Time] { return maps.All(l.until) }

// Size returns how much the list holds: bans, networks around banned ones, and ends
// of bans, some of them out of date.
func (l *List) Size() (bans, around, ends int) { return len(l.until), len(l.around), len(l.ends) }

// ends is a heap, the ban that ends first on top.
type ends []event.Ban

func (e ends) Len() int           { return len(e) }
func (e ends) Less(i, j int) bool { return e[i].Until.Before(e[j].Until) }
func (e ends) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }
func (e *ends) Push(x any)        { *e = append(*e, x.(event.Ban)) }
func (e *ends) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}
