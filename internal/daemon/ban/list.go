//go:build linux

package ban

import (
	"container/heap"
	"net/netip"
	"time"

	"sallyport/internal/event"
)

// banList is who is banned until when, in bounded memory. What has to be found
// is found without looking at all: strangers decide how many bans there are.
type banList struct {
	most   int
	until  map[netip.Prefix]time.Time
	around map[netip.Prefix]map[netip.Prefix]struct{} // what is banned directly within a wider network
	ends   banEnds                                    // the ban that ends first; some are out of date
}

func newBanList(most int) banList {
	return banList{most: most, until: make(map[netip.Prefix]time.Time), around: make(map[netip.Prefix]map[netip.Prefix]struct{})}
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

// covers returns the ban by which a source is kept out.
func (l *banList) covers(source netip.Addr, now time.Time) (netip.Prefix, bool) {
	for _, as := range event.BanLevels(source) {
		if now.Before(l.until[as]) {
			return as, true
		}
	}
	return netip.Prefix{}, false
}

// within returns how many networks directly within a wider one are banned.
func (l *banList) within(wide netip.Prefix) int { return len(l.around[wide]) }

// inside returns what is banned within a prefix, on every level. It looks at all
// bans, which is done once for each network that is banned as a whole.
func (l *banList) inside(as netip.Prefix) (list []netip.Prefix) {
	for p := range l.until {
		if p.Bits() > as.Bits() && as.Contains(p.Addr()) {
			list = append(list, p)
		}
	}
	return list
}

// full reports whether something has to go before a prefix can be added.
func (l *banList) full(as netip.Prefix) bool {
	_, again := l.until[as]
	return !again && len(l.until) >= l.most
}

func (l *banList) add(as netip.Prefix, until time.Time) {
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

func (l *banList) remove(as netip.Prefix) {
	delete(l.until, as)
	if wide, ok := wider(as); ok {
		if delete(l.around[wide], as); len(l.around[wide]) == 0 {
			delete(l.around, wide)
		}
	}
}

// first returns the ban that ends first.
func (l *banList) first() (event.Ban, bool) {
	for len(l.ends) > 0 {
		b := l.ends[0]
		if until, ok := l.until[b.Source]; ok && until.Equal(b.Until) {
			return b, true
		}
		heap.Pop(&l.ends)
	}
	return event.Ban{}, false
}

// dropFirst removes the ban that ends first from a list that is not empty.
func (l *banList) dropFirst() netip.Prefix {
	b, _ := l.first()
	l.remove(b.Source)
	return b.Source
}

// expire removes the bans that are over and returns them.
func (l *banList) expire(now time.Time) (over []netip.Prefix) {
	for {
		b, ok := l.first()
		if !ok || now.Before(b.Until) {
			return over
		}
		l.remove(b.Source)
		over = append(over, b.Source)
	}
}

func (l *banList) count(now time.Time) (n int) {
	for _, until := range l.until {
		if now.Before(until) {
			n++
		}
	}
	return n
}

// banEnds is a heap, the ban that ends first on top.
type banEnds []event.Ban

func (e banEnds) Len() int           { return len(e) }
func (e banEnds) Less(i, j int) bool { return e[i].Until.Before(e[j].Until) }
func (e banEnds) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }
func (e *banEnds) Push(x any)        { *e = append(*e, x.(event.Ban)) }
func (e *banEnds) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}
