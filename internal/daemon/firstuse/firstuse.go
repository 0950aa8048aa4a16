//go:build linux

// Package firstuse finds out which connection was the first to use each grant, and
// what came of it. It is asked about nothing: it hears of grants, and of what the
// kernel says about connections, in whatever order they come. A connection counts
// once it has been answered: anybody can send a first packet in another's name.
package firstuse

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/conntrack"
	"sallyport/internal/event"
	"sallyport/internal/packet"
	"sallyport/internal/phrase"
)

const (
	maxWaiting = 65_536 // grants whose first connection is still to come
	maxBegun   = 16_384 // connections that have not been answered
	maxUnder   = 16_384 // connections under way
	maxEarly   = 256    // connections that were reported before their grant
	maxOwners  = 16     // owners of the grants that a connection is the first to use

	// EarlyFor is how long a connection waits for the grant that let it in: the
	// kernel reports the one while the other is still queued here.
	EarlyFor = 2 * time.Second
)

// visit names who may use which door: a source, or the first address of a
// prefix where grants are for prefixes.
type visit struct {
	source netip.Addr
	door   string
}

// connection is one that a grant has let in.
type connection struct {
	visit
	id     uint32
	grants []expected // that it was the first to use
	peer   netip.Addr // where it comes from
	port   packet.Port
	began  time.Time
}

// expected is a grant that has not been used.
type expected struct {
	client string     // whose
	source netip.Addr // who was given it
}

// Uses hears of grants as a sink, and of connections from the kernel.
type Uses struct {
	put func(event.Event)

	mu      sync.Mutex
	doors   map[packet.Port]string
	widens  map[string]*config.Door // of those with grants for prefixes
	waiting map[visit][]expected    // by who may come; of each owner one
	begun   begun                   // connections that have not been answered
	under   map[uint32]connection
	early   []connection
	watcher *conntrack.Watcher // nil: the kernel does not report
}

// New returns uses that know no doors yet. Put must not block.
func New(put func(event.Event)) *Uses {
	return &Uses{put: put, waiting: make(map[visit][]expected), begun: newBegun(), under: make(map[uint32]connection)}
}

// Configure says whose ports are watched, and returns them.
func (u *Uses) Configure(cfg *config.Config) []packet.Port {
	doors := make(map[packet.Port]string)
	var ports []packet.Port
	widens := make(map[string]*config.Door)
	for i := range cfg.Doors {
		d := &cfg.Doors[i]
		if d.Widen4 != 0 || d.Widen6 != 0 {
			widens[d.Name] = d
		}
		for _, p := range d.Ports {
			doors[p] = d.Name
			ports = append(ports, p)
		}
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.doors, u.widens = doors, widens
	return ports
}

// Heard is the sink.
func (u *Uses) Heard(e event.Event) {
	u.mu.Lock()
	defer u.mu.Unlock()
	v := u.visit(e.Source, e.Door)
	switch e.Kind {
	case event.KindGrant:
		for i, c := range u.early {
			if c.visit == v && e.Time.Sub(c.began) < EarlyFor {
				u.early = append(u.early[:i], u.early[i+1:]...)
				c.grants = []expected{{e.Client, e.Source}}
				u.begin(c)
				return
			}
		}
		u.expect(v, expected{e.Client, e.Source})
	case event.KindExpiry, event.KindRevocation:
		u.forget(v, e.Client)
	}
}

// expect waits for the first connection of a grant. An owner has one for each
// visit, and one visit at most so many owners as a door has for a source.
func (u *Uses) expect(v visit, e expected) {
	u.forget(v, e.client)
	if len(u.waiting) < maxWaiting && len(u.waiting[v]) < maxOwners {
		u.waiting[v] = append(u.waiting[v], e)
	}
}

func (u *Uses) forget(v visit, client string) {
	list := slices.DeleteFunc(u.waiting[v], func(e expected) bool { return e.client == client })
	if u.waiting[v] = list; len(list) == 0 {
		delete(u.waiting, v)
	}
}

// Flow takes what the kernel reports.
func (u *Uses) Flow(now time.Time, f conntrack.Flow) {
	u.mu.Lock()
	defer u.mu.Unlock()
	door, ours := u.doors[f.Port]
	switch {
	case f.Ended:
		u.begun.take(f.Name())
		if c, used := u.under[f.ID]; used {
			delete(u.under, f.ID)
			u.end(now, c, f.Bytes)
		}
		return
	case !ours:
		return
	case !f.Answered:
		u.begun.add(f.Name())
		return
	case !u.begun.take(f.Name()):
		return // answered before, or it was there before its door was watched
	}
	c := connection{visit: u.visit(f.Source.Unmap(), door), peer: f.Source.Unmap(), id: f.ID, port: f.Port, began: now}
	if c.grants = u.waiting[c.visit]; len(c.grants) == 0 {
		u.remember(now, c)
		return
	}
	delete(u.waiting, c.visit)
	u.begin(c)
}

// visit names who a source is to a door.
func (u *Uses) visit(source netip.Addr, door string) visit {
	if d := u.widens[door]; d != nil {
		source = event.Grant{Source: source, Prefix: d.Widen(source.BitLen())}.From().Addr()
	}
	return visit{source, door}
}

// remember keeps a connection whose grant has not been heard of. Most have
// none: trusted sources, and the second connection of a grant.
func (u *Uses) remember(now time.Time, c connection) {
	for len(u.early) > 0 && (len(u.early) >= maxEarly || now.Sub(u.early[0].began) >= EarlyFor) {
		u.early = u.early[1:]
	}
	u.early = append(u.early, c)
}

func (u *Uses) begin(c connection) {
	if len(u.under) < maxUnder {
		u.under[c.id] = c
	}
	for _, g := range c.grants {
		detail := fmt.Sprintf("first connection, to %s", c.port)
		if c.peer != g.source {
			detail += fmt.Sprintf(", from %s", c.peer)
		}
		u.put(event.Event{Time: c.began, Kind: event.KindUse, Door: c.door, Client: g.client, Source: g.source, Detail: detail})
	}
}

func (u *Uses) end(now time.Time, c connection, bytes uint64) {
	amount := "an unknown number of bytes"
	if bytes > 0 {
		amount = fmt.Sprintf("%d bytes", bytes)
	}
	for _, g := range c.grants {
		u.put(event.Event{Time: now, Kind: event.KindUse, Door: c.door, Client: g.client, Source: g.source, Ended: true, Count: event.Contacts{First: c.began, Last: now},
			Detail: fmt.Sprintf("connection to %s ended after %s and %s", c.port, phrase.Duration(now.Sub(c.began).Round(time.Second)), amount)})
	}
}

// Reconfigure carries new doors to the kernel's filter.
func (u *Uses) Reconfigure(cfg *config.Config) error {
	ports := u.Configure(cfg)
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.watcher == nil {
		return nil
	}
	return u.watcher.SetPorts(ports)
}

// SetWatcher hands over what watches the kernel, nil when it no longer does.
func (u *Uses) SetWatcher(w *conntrack.Watcher) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.watcher = w
}
