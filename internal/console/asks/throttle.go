//go:build linux

package asks

import (
	"net/netip"
	"sync"
	"time"

	"sallyport/internal/event"
)

// Requests in a minute. Someone who waits loads the page every five seconds.
const (
	minute = time.Minute

	ofNetwork      = 60
	postsOfNetwork = 6
	ofArea         = 600
	postsOfArea    = 24
	ofAll          = 6000
	postsOfAll     = 120
)

// throttle counts requests in the present minute: by network, of IPv6 the /64, and by
// area, which is what one customer of a provider has at most.
type throttle struct {
	mu              sync.Mutex
	since           time.Time
	all             count
	networks, areas map[netip.Prefix]count
}

type count struct{ requests, posts int }

// allow reports whether one more request is served, and counts those that are: what is
// refused uses up nothing of what others have, and there are never more networks than
// requests in all.
func (t *throttle) allow(now time.Time, source netip.Addr, post bool) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.networks == nil || now.Sub(t.since).Abs() >= minute {
		t.since, t.all = now, count{}
		t.networks, t.areas = make(map[netip.Prefix]count), make(map[netip.Prefix]count)
	}
	network, area := event.BannedAs(source), areaOf(source)
	own, near, all := t.networks[network].and(post), t.areas[area].and(post), t.all.and(post)
	if own.over(ofNetwork, postsOfNetwork) || near.over(ofArea, postsOfArea) || all.over(ofAll, postsOfAll) {
		return false
	}
	t.networks[network], t.areas[area], t.all = own, near, all
	return true
}

// areaOf is the /48 or IPv4 /24 of an address.
func areaOf(a netip.Addr) netip.Prefix {
	bits := 48
	if a = a.Unmap(); a.Is4() {
		bits = 24
	}
	p, _ := a.Prefix(bits) // fails for what is no address
	return p
}

// and is a count with one request more.
func (c count) and(post bool) count {
	c.requests++
	if post {
		c.posts++
	}
	return c
}

func (c count) over(requests, posts int) bool { return c.requests > requests || c.posts > posts }
