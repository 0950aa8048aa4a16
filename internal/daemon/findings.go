//go:build linux

package daemon

import (
	"context"
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/daemon/services"
	"sallyport/internal/detect"
	"sallyport/internal/event"
	"sallyport/internal/geo"
	"sallyport/internal/journald"
	"sallyport/internal/sshlog"
)

// watchman looks in the stream of events for what is worth a look, on a
// goroutine of its own.
type watchman struct {
	found    func(f event.Finding, news bool)
	put      func(event.Event)
	queue    chan event.Event
	settings chan *config.Config
	config   *config.Config
	geoip    string                  // the database that country asks
	country  func(netip.Addr) string // nil: countries are not known
	exposed  func() []detect.Exposure
	uses     atomic.Bool   // KindUse events tell which grants are used
	lost     atomic.Uint64 // events for which the queue had no room
}

func newWatchman(found func(event.Finding, bool), put func(event.Event), exposed func() []detect.Exposure, cfg *config.Config) *watchman {
	return &watchman{found: found, put: put, exposed: exposed, queue: make(chan event.Event, 8192), settings: make(chan *config.Config, 1), config: cfg}
}

// heard is the sink.
func (w *watchman) heard(e event.Event) {
	if e.Hostile() && len(w.queue) >= cap(w.queue)/4*3 { // the rest is for who may get in
		w.lost.Add(1)
		return
	}
	select {
	case w.queue <- e:
	default:
		w.lost.Add(1)
	}
}

// configure hands over a new configuration. Only the latest counts.
func (w *watchman) configure(cfg *config.Config) {
	for {
		select {
		case w.settings <- cfg:
			return
		case <-w.settings:
		}
	}
}

// options opens the database of countries where there is one. That it cannot
// be read keeps nothing else from being found.
func (w *watchman) options() detect.Options {
	if path := w.config.Detect.GeoIP; path != w.geoip {
		w.geoip, w.country = path, w.countries(path)
	}
	return detect.Options{Config: w.config, Country: w.country, UsesWatched: w.uses.Load(), Exposed: w.exposed}
}

func (w *watchman) countries(path string) func(netip.Addr) string {
	if path == "" {
		return nil
	}
	db, err := geo.Open(path)
	if err != nil {
		w.put(event.Event{Time: time.Now(), Kind: event.KindFailure, Detail: "countries are not known: " + err.Error()})
		return nil
	}
	return db.Country
}

// Run judges events until the context ends.
func (w *watchman) Run(ctx context.Context) error {
	d := detect.New(w.options(), time.Now())
	every := time.NewTicker(time.Second)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case w.config = <-w.settings:
			d.Reconfigure(w.options())
		case e := <-w.queue:
			if w.config.Detect.Enabled {
				w.tell(d.Observe(e), true)
			}
		case now := <-every.C:
			if w.config.Detect.Enabled {
				w.tell(d.Tick(now), true)
				w.tell(d.Counted(), false)
			}
			if n := w.lost.Swap(0); n > 0 {
				w.put(event.Event{Time: now, Kind: event.KindOverload, Detail: fmt.Sprintf("%d events were not judged: they came faster than findings are made", n)})
			}
		}
	}
}

func (w *watchman) tell(list []event.Finding, news bool) {
	for _, f := range list {
		w.found(f, news)
	}
}

// found passes a finding on. What has only been counted further is no event.
func (d *Daemon) found(f event.Finding, news bool) {
	d.journal.PutFinding(f)
	if news {
		d.events.Put(event.Event{Time: f.Last, Kind: event.KindFinding, Door: f.Door, Client: f.Client, Source: f.Source, Finding: &f,
			Detail: fmt.Sprintf("%s (%s): %s", f.Rule, f.Severity, f.Explanation)})
	}
}

// loginServices tell who logs in behind the doors, where the configuration says
// what has it.
func (d *Daemon) loginServices(c *change) []services.Service {
	path := c.to.Detect.SSHLog
	if path == "" {
		return nil
	}
	troubled := func(err error) {
		d.events.Put(event.Event{Time: time.Now(), Kind: event.KindFailure, Detail: err.Error()})
	}
	follow := func(ctx context.Context) error {
		if path == config.SSHJournal {
			journald.Follow(ctx, d.logged, troubled)
		} else {
			sshlog.Follow(ctx, path, d.events.PutUnauthenticated, troubled)
		}
		return nil
	}
	return []services.Service{{Subject: "ssh_log", Key: "logins in " + path, Open: func() (services.Opened, error) {
		return services.Opened{Run: follow, Close: func() error { return nil }}, nil
	}}}
}

// logged takes an entry of the journal of systemd. Everybody may write to it,
// under any name; sshd runs as root.
func (d *Daemon) logged(e journald.Entry) {
	if ev, ok := sshlog.Said(time.Now(), e.Identifier, e.Message); ok && e.UID == "0" {
		d.events.PutUnauthenticated(ev)
	}
}

// countsContacts reports whether packets to closed ports are counted by the
// daemon, and not in the kernel.
func (d *Daemon) countsContacts(cfg *config.Config) bool {
	return cfg.Detect.Enabled && !d.moat.Counts()
}

// settleContacts passes on what was counted when no further packet does it.
func (d *Daemon) settleContacts(ctx context.Context) error {
	every := time.NewTicker(time.Second)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-every.C:
			if d.pump.Settle(ctx, now) != nil {
				return nil // the daemon stops
			}
		}
	}
}
