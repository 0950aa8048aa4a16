//go:build linux

package daemon

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/conntrack"
	"sallyport/internal/event"
	"sallyport/internal/packet"
)

const (
	maxWaiting = 65_536 // grants whose first connection is still to come
	maxUnder   = 16_384 // connections under way
	maxEarly   = 256    // connections that were told before their grant
	maxOwners  = 16     // owners of the grants that a connection is the first to use

	// earlyFor is how long a connection waits for the grant that let it in: the
	// kernel tells of the one while the other is still queued here.
	earlyFor = 2 * time.Second
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

// uses finds out which connection was the first to use each grant, and what
// came of it. It hears of grants as a sink, and of connections from the kernel.
type uses struct {
	put func(event.Event)

	mu      sync.Mutex
	doors   map[packet.Port]string
	widens  map[string]*config.Door // of those with grants for prefixes
	waiting map[visit][]expected    // by who may come; of each owner one
	under   map[uint32]connection
	early   []connection
	watcher *conntrack.Watcher // nil: the kernel does not tell
}

func newUses(put func(event.Event)) *uses {
	return &uses{put: put, waiting: make(map[visit][]expected), under: make(map[uint32]connection)}
}

// configure says whose ports are watched, and returns them.
func (u *uses) configure(cfg *config.Config) []packet.Port {
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

// heard is the sink.
func (u *uses) heard(e event.Event) {
	u.mu.Lock()
	defer u.mu.Unlock()
	v := u.visit(e.Source, e.Door)
	switch e.Kind {
	case event.KindGrant:
		for i, c := range u.early {
			if c.visit == v && e.Time.Sub(c.began) < earlyFor {
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
func (u *uses) expect(v visit, e expected) {
	u.forget(v, e.client)
	if len(u.waiting) < maxWaiting && len(u.waiting[v]) < maxOwners {
		u.waiting[v] = append(u.waiting[v], e)
	}
}

func (u *uses) forget(v visit, client string) {
	list := slices.DeleteFunc(u.waiting[v], func(e expected) bool { return e.client == client })
	if u.waiting[v] = list; len(list) == 0 {
		delete(u.waiting, v)
	}
}

// flow takes what the kernel tells.
func (u *uses) flow(now time.Time, f conntrack.Flow) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if f.Ended {
		if c, ours := u.under[f.ID]; ours {
			delete(u.under, f.ID)
			u.end(now, c, f.Bytes)
		}
		return
	}
	door, ours := u.doors[f.Port]
	if !ours {
		return
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
func (u *uses) visit(source netip.Addr, door string) visit {
	if d := u.widens[door]; d != nil {
		source = event.Grant{Source: source, Prefix: d.Widen(source.BitLen())}.From().Addr()
	}
	return visit{source, door}
}

// remember keeps a connection whose grant has not been heard of. Most have
// none: trusted sources, and the second connection of a grant.
func (u *uses) remember(now time.Time, c connection) {
	for len(u.early) > 0 && (len(u.early) >= maxEarly || now.Sub(u.early[0].began) >= earlyFor) {
		u.early = u.early[1:]
	}
	u.early = append(u.early, c)
}

func (u *uses) begin(c connection) {
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

func (u *uses) end(now time.Time, c connection, bytes uint64) {
	amount := "an unknown number of bytes"
	if bytes > 0 {
		amount = fmt.Sprintf("%d bytes", bytes)
	}
	for _, g := range c.grants {
		u.put(event.Event{Time: now, Kind: event.KindUse, Door: c.door, Client: g.client, Source: g.source, Ended: true, Count: event.Contacts{First: c.began, Last: now},
			Detail: fmt.Sprintf("connection to %s ended after %s and %s", c.port, now.Sub(c.began).Round(time.Second), amount)})
	}
}

// reconfigure carries new doors to the kernel's filter.
func (u *uses) reconfigure(cfg *config.Config) error {
	ports := u.configure(cfg)
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.watcher == nil {
		return nil
	}
	return u.watcher.SetPorts(ports)
}

func (u *uses) setWatcher(w *conntrack.Watcher) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.watcher = w
}

// watchUses listens to the kernel. Where it cannot, grants are given all the
// same; only their use is not known.
func (d *Daemon) watchUses(ctx context.Context) error {
	w, err := conntrack.NewWatcher(d.uses.configure(d.config.Load()))
	if err != nil {
		d.log.Warn("the journal will not tell which connections use a grant", "error", err)
		return nil
	}
	defer w.Close()
	d.uses.setWatcher(w)
	d.watchman.uses.Store(true)
	d.watchman.configure(d.config.Load())
	defer d.uses.setWatcher(nil)
	defer d.watchman.uses.Store(false)
	close(d.sessions.watching)
	if err := w.Run(ctx, d.flow, func() { d.sessions.reread(time.Now()) }); err != nil {
		d.sessions.table.Lost()
		d.log.Warn("the journal no longer tells which connections use a grant", "error", err)
	}
	return nil
}

// flow takes what the kernel tells of a connection.
func (d *Daemon) flow(f conntrack.Flow) {
	now := time.Now()
	d.sessions.flow(now, f)
	d.uses.flow(now, f)
}
