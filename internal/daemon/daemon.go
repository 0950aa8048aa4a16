//go:build linux

// Package daemon is the wiring of the server side: it joins capture, gate,
// grants, firewall and control socket into tasks that live as long as the
// process, and carries a new configuration to all of them without losing a
// grant, a packet or a sequence in progress.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"sallyport/internal/capture"
	"sallyport/internal/config"
	"sallyport/internal/control"
	"sallyport/internal/event"
	"sallyport/internal/firewall"
	"sallyport/internal/gate"
	"sallyport/internal/grant"
	"sallyport/internal/hook"
	"sallyport/internal/journal"
	"sallyport/internal/key"
	"sallyport/internal/metrics"
	"sallyport/internal/siem"
	"sallyport/internal/webhook"
)

// Options say how a daemon is run.
type Options struct {
	ConfigPath string // absolute
	Version    string
	Log        *slog.Logger
	Getenv     func(string) string
	Confirm    time.Duration // a changed configuration is rolled back unless confirmed in this time; 0: never
	Unowned    bool          // leave the firewall table open to changes by others, as before Linux 6.9
}

// Daemon is a running server.
type Daemon struct {
	opts     Options
	log      *slog.Logger
	notifier notifier
	started  time.Time

	config   atomic.Pointer[config.Config]
	events   *events
	journal  *journal.Journal
	uses     *uses
	watchman *watchman
	bans     *bans
	hooks    *hook.Runner
	metrics  *metrics.Metrics
	webhooks *webhook.Sender
	firewall *firewall.Firewall
	book     *grant.Book
	register *grant.Register
	sessions *sessions
	source   *capture.Live
	pump     *pump
	moat     *keeper
	sampling sampling
	actor    *actor
	control  *control.Server
	host     host
	exposure exposure
	problems problems
	secrets  atomic.Pointer[secrets] // nil until SPA is on
	memory   atomic.Pointer[memory]  // nil if nothing needs it and it could not be opened
	keys     key.Keyring             // the server keys in use

	trial     atomic.Pointer[record] // nil: there has never been one
	tried     chan struct{}          // a trial has begun
	reloading sync.Mutex             // held while the configuration changes; guards old and files
	old       *config.Config         // what a trial goes back to
	files     snapshot               // what the configuration in force was made of
	restored  chan struct{}          // closed when the grants of an earlier time are in the book
	down      chan struct{}          // closed by sallyport down
	hangups   chan os.Signal         // SIGHUP: reload
}

// task is something that runs as long as the daemon does.
type task struct {
	name string
	run  func(context.Context) error
}

// Run guards the doors until the context ends or sallyport down is asked for.
// When it returns, the doors are closed (but after down) and no goroutine of
// its own is left. An error means that it could not start, or that a task
// failed.
func Run(ctx context.Context, opts Options) error {
	d := &Daemon{
		opts:     opts,
		log:      opts.Log,
		notifier: newNotifier(opts.Getenv),
		started:  time.Now(),
		events:   newEvents(opts.Log),
		restored: make(chan struct{}),
		down:     make(chan struct{}),
		tried:    make(chan struct{}, 1),
		hangups:  make(chan os.Signal, 1),
	}
	defer d.close()
	// Before anybody may be told that we are ready: until then, and without a
	// handler, SIGHUP would end us.
	signal.Notify(d.hangups, syscall.SIGHUP)
	defer signal.Stop(d.hangups)
	if err := d.start(); err != nil {
		return err
	}
	return d.run(ctx)
}

// start does everything that can fail for a reason the administrator can
// remove. The doors are closed before anything listens to knocks.
func (d *Daemon) start() error {
	chosen, err := d.choose()
	if err != nil {
		return err
	}
	cfg := chosen.config
	d.config.Store(cfg)
	d.journal = journal.New(cfg.Journal.Path, journalOptions(cfg), d.log)
	d.uses = newUses(d.events.put)
	d.hooks = hook.New(d.events.put)
	d.hooks.Set(cfg.Hooks)
	d.metrics = metrics.New(d.opts.Version, d.state, d.log)
	host, _ := os.Hostname() // without a name if the kernel does not tell
	d.webhooks = webhook.New(filepath.Join(cfg.Daemon.StateDir, "webhooks"), siem.Product{Version: d.opts.Version, Host: host}, d.events.put, d.log)
	d.webhooks.Set(cfg.Webhooks)
	d.watchman = newWatchman(d.found, d.events.put, cfg)
	d.watchman.exposed = d.exposure.found
	d.bans = newBans(d.events.put)
	d.bans.configure(cfg)
	d.events.sinks = append(d.events.sinks, d.watchman.heard, d.bans.heard, d.journal.Put, d.uses.heard, d.hooks.Put, d.metrics.Put, d.webhooks.Put)
	if d.control, err = control.Listen(cfg.Daemon.Socket, d, d.log); err != nil {
		return err
	}
	if d.firewall, err = firewall.New(d.log, firewall.Options{Unowned: d.opts.Unowned}); err != nil {
		return err
	}
	switch {
	case chosen.settle:
		d.settle(cfg, d.files)
	case chosen.begin:
		if err := d.startTrial(cfg); err != nil {
			return err
		}
	}
	if err := d.install(cfg); err != nil {
		return fmt.Errorf("close the doors: %w", err)
	}
	banned, err := d.firewall.Bans(time.Now())
	if err != nil {
		return err
	}
	d.bans.kernel, d.bans.own = d.firewall, func() []netip.Addr { return d.host.own().Addresses }
	d.bans.recall(banned)
	return d.startGate(cfg)
}

func (d *Daemon) startGate(cfg *config.Config) error {
	if err := d.remember(cfg); err != nil { // before anything else is put into state_dir
		return err
	}
	d.keepOwners(cfg)
	d.book.Expect()
	d.actor = newActor(d.book, d.events)
	d.actor.secrets = d.secrets.Load
	d.actor.memory = d.memory.Load
	d.actor.opened = d.metrics.Opened
	d.actor.ended, d.actor.cut = d.ended, d.sessions.order
	d.actor.misused, d.actor.banned, d.actor.pardon = d.misused, d.bans.has, d.bans.pardon
	d.actor.answers = func() bool { return d.config.Load().SPA.Ack }

	if err := d.host.read(); err != nil {
		return err
	}
	s, err := d.spaOf(cfg)
	if err != nil {
		return err
	}
	d.keys = s.Keys
	d.moat = newKeeper(d.log)
	d.moat.configure(cfg, s.Keys)
	g := gate.New(cfg, s, d.host.gate(), time.Now())
	if m := d.memory.Load(); m != nil {
		g.Remember(m.guard, time.Now())
	}
	if d.source, err = capture.Open(capture.Options{Filter: d.filter(g, cfg)}); err != nil {
		return err
	}
	d.pump = newPump(d.source, g, d.actor.decided)
	d.countContacts(cfg)
	d.moat.tell(d.moatHost(g, cfg))
	d.events.put(event.Event{Time: d.started, Kind: event.KindStart, Detail: fmt.Sprintf("%d doors closed", len(cfg.Doors))})
	return nil
}

// run runs all tasks until one fails or the daemon is to stop.
func (d *Daemon) run(ctx context.Context) error {
	defer d.keepJournal()()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	group, ctx := errgroup.WithContext(ctx)
	for _, t := range d.tasks() {
		group.Go(func() error {
			if err := t.run(ctx); err != nil {
				return fmt.Errorf("%s: %w", t.name, err)
			}
			return nil
		})
	}
	group.Go(func() error {
		select {
		case <-d.down:
			stop()
		case <-ctx.Done():
		}
		return nil
	})
	d.notify("READY=1")
	err := group.Wait()
	d.notify("STOPPING=1")
	d.events.put(event.Event{Time: time.Now(), Kind: event.KindStop, Detail: d.stopDetail(err)})
	d.events.flush()
	d.webhooks.Close()
	return err
}

func (d *Daemon) tasks() []task {
	return []task{
		{"gate", d.runPump},
		{"trial", d.watchTrial},
		{"grants of an earlier time", d.restore},
		{"grants", d.actor.Run},
		{"events", d.events.Run},
		{"hooks", d.hooks.Run},
		{"metrics", d.serveMetrics},
		{"API", d.serveAPI},
		{"webhooks", d.webhooks.Run},
		{"control socket", d.control.Run},
		{"host addresses", d.watchAddresses},
		{"listening ports", d.watchListeners},
		{"firewall", d.watchFirewall},
		{"signals", d.watchSignals},
		{"capture drops", d.watchDrops},
		{"connections", d.watchUses},
		{"connections to be cut", d.sessions.Run},
		{"findings", d.watchman.Run},
		{"contacts", d.settleContacts},
		{"logins", d.watchLogins},
		{"decoys", d.watchDecoys},
		{"rotating sequences", d.watchSteps},
		{"moat", d.watchMoat},
		{"exposure", d.watchExposure},
		{"sampling", d.watchRate},
		{"watchdog", d.watchdog},
	}
}

func (d *Daemon) stopDetail(err error) string {
	switch {
	case err != nil:
		return "doors stay closed; " + err.Error()
	case d.isDown():
		return "the table has been removed, doors are open"
	}
	return "doors stay closed"
}

func (d *Daemon) isDown() bool {
	select {
	case <-d.down:
		return true
	default:
		return false
	}
}

// close releases what start got hold of. The table stays.
func (d *Daemon) close() {
	var errs []error
	if d.source != nil {
		errs = append(errs, d.source.Close())
	}
	if d.firewall != nil {
		errs = append(errs, d.firewall.Close())
	}
	if d.control != nil {
		errs = append(errs, d.control.Close())
	}
	errs = append(errs, d.moat.close(), d.secrets.Load().close(), d.memory.Load().close(), d.register.Close(), d.sessions.close())
	if err := errors.Join(errs...); err != nil {
		d.log.Warn("stop", "error", err)
	}
}

func (d *Daemon) notify(state ...string) {
	if err := d.notifier.send(state...); err != nil {
		d.log.Warn("the service manager does not listen", "error", err)
	}
}

// watchSignals reloads at SIGHUP.
func (d *Daemon) watchSignals(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-d.hangups:
			// A failure is an event already; the old configuration goes on.
			_, _ = d.reload(ctx, control.ReloadRequest{})
		}
	}
}

// watchdog tells the service manager that the gate still takes packets.
func (d *Daemon) watchdog(ctx context.Context) error {
	if d.notifier.watchdog == 0 {
		return nil
	}
	every := time.NewTicker(d.notifier.watchdog / 3)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-every.C:
			if d.pump.do(ctx, func() {}) == nil {
				d.notify("WATCHDOG=1")
			}
		}
	}
}

// filter returns the capture filter that lets through what the gate watches,
// and all that touches closed ports where that is counted here.
func (d *Daemon) filter(g *gate.Gate, cfg *config.Config) capture.Filter {
	f := capture.Filter{SPAPort: cfg.SPA.Port, SPALengths: spaLengths(d.keys)}
	f.TCP, f.UDP = filterOf(g.Watches)
	none := capture.Ports{}
	d.sampling.allow(f.TCP == none && f.UDP == none)
	if d.countsContacts(cfg) {
		f.TCP, f.UDP = filterOf(g.Closed)
		f.Sample = d.sampling.factor()
	}
	return f
}
