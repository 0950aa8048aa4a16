//go:build linux

// Package watchman looks in the stream of events for what is worth a look, on a
// goroutine of its own: it runs the detector with the configuration in force, the
// database of countries, and what the daemon knows of the host.
package watchman

import (
	"context"
	"net/netip"
	"sync/atomic"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/detect"
	"sallyport/internal/event"
	"sallyport/internal/geo"
	"sallyport/internal/phrase"
)

// Watchman hears events as a sink, and judges them in Run.
type Watchman struct {
	found    func(f event.Finding, news bool)
	put      func(event.Event)
	queue    chan event.Event
	settings chan *config.Config
	config   *config.Config
	geoip    string                  // the database that country asks
	country  func(netip.Addr) string // nil: countries are not known
	exposed  func() []detect.Exposure
	uses     atomic.Bool   // KindUse events show which grants are used
	lost     atomic.Uint64 // events for which the queue had no room
}

// New returns a watchman for a configuration. Found takes findings, and whether they
// are news; put takes what keeps it from judging; exposed is by what doors are open.
func New(found func(event.Finding, bool), put func(event.Event), exposed func() []detect.Exposure, cfg *config.Config) *Watchman {
	return &Watchman{found: found, put: put, exposed: exposed, queue: make(chan event.Event, 8192), settings: make(chan *config.Config, 1), config: cfg}
}

// Heard is the sink.
func (w *Watchman) Heard(e event.Event) {
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

// Configure hands over a new configuration. Only the latest counts.
func (w *Watchman) Configure(cfg *config.Config) {
	for {
		select {
		case w.settings <- cfg:
			return
		case <-w.settings:
		}
	}
}

// UsesWatched says whether events show which grants are used. It counts from the
// next Configure on.
func (w *Watchman) UsesWatched(yes bool) { w.uses.Store(yes) }

// options opens the database of countries where there is one. That it cannot
// be read keeps nothing else from being found.
func (w *Watchman) options() detect.Options {
	if path := w.config.Detect.GeoIP; path != w.geoip {
		w.geoip, w.country = path, w.countries(path)
	}
	return detect.Options{Config: w.config, Country: w.country, UsesWatched: w.uses.Load(), Exposed: w.exposed}
}

func (w *Watchman) countries(path string) func(netip.Addr) string {
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
func (w *Watchman) Run(ctx context.Context) error {
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
				w.report(d.Observe(e), true)
			}
		case now := <-every.C:
			if w.config.Detect.Enabled {
				w.report(d.Tick(now), true)
				w.report(d.Counted(), false)
			}
			if n := w.lost.Swap(0); n > 0 {
				w.put(event.Event{Time: now, Kind: event.KindOverload, Detail: phrase.Count(int(n), "event") + " not judged: more came than findings are made of"})
			}
		}
	}
}

func (w *Watchman) report(list []event.Finding, news bool) {
	for _, f := range list {
		w.found(f, news)
	}
}
