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
	ofAll          = 6000
	postsOfAll     = 120
	maxNetworks    = 4096
)

// throttle counts requests in the present minute, by network: of IPv6 the /64.
type throttle struct {
	mu       sync.Mutex
	since    time.Time
	all      count
	networks map[netip.Prefix]count
}

type count struct{ requests, posts int }

// allow reports whether one more request is served. A network that has been counted is
// so even where there is no room for others.
func (t *throttle) allow(now time.Time, source netip.Addr, post bool) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.networks == nil || now.Sub(t.since).Abs() >= minute {
		t.since, t.all, t.networks = now, count{}, make(map[netip.Prefix]count)
	}
	network := event.BannedAs(source)
	own, known := t.networks[network]
	if !known && len(t.networks) >= maxNetworks {
		return false
	}
	t.all.add(post)
	own.add(post)
	t.networks[network] = own
	return own.requests <= ofNetwork && own.posts <= postsOfNetwork && t.all.requests <= ofAll && t.all.posts <= postsOfAll
}

func (c *count) add(post bool) {
	c.requests++
	if post {
		c.posts++
	}
}
