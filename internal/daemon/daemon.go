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
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"sallyport/internal/caep"
	"sallyport/internal/config"
	"sallyport/internal/consent"
	"sallyport/internal/control"
	"sallyport/internal/daemon/actor"
	"sallyport/internal/daemon/asks"
	"sallyport/internal/daemon/ban"
	"sallyport/internal/daemon/enrol"
	"sallyport/internal/daemon/feed"
	"sallyport/internal/daemon/firstuse"
	"sallyport/internal/daemon/fleet"
	"sallyport/internal/daemon/foreign"
	"sallyport/internal/daemon/host"
	"sallyport/internal/daemon/hub"
	"sallyport/internal/daemon/inquiry"
	"sallyport/internal/daemon/keeper"
	"sallyport/internal/daemon/ledger"
	"sallyport/internal/daemon/manager"
	"sallyport/internal/daemon/memory"
	"sallyport/internal/daemon/messages"
	"sallyport/internal/daemon/operator"
	"sallyport/internal/daemon/problems"
	"sallyport/internal/daemon/pump"
	"sallyport/internal/daemon/services"
	"sallyport/internal/daemon/sessions"
	"sallyport/internal/daemon/trial"
	"sallyport/internal/daemon/watchman"
	"sallyport/internal/event"
	"sallyport/internal/firewall"
	"sallyport/internal/grant"
	"sallyport/internal/hook"
	"sallyport/internal/inforce"
	"sallyport/internal/journal"
	"sallyport/internal/key"
	"sallyport/internal/metrics"
	"sallyport/internal/phrase"
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
	*operator.Operator // Open, Revoke, Ban, Unban and Bans of the control socket
	*asks.Desk         // who asks an operator to be let in
	*inquiry.Inquiry   // what is asked there and changes nothing, but for the status

	opts    Options
	system  system
	log     *slog.Logger
	manager *manager.Manager
	started time.Time
	kept    inforce.Store
	list    []part     // all of it; see parts
	sinks   []hub.Sink // of those in the list that hear events

	config   atomic.Pointer[config.Config]
	events   *hub.Hub
	notes    notes
	feed     *feed.Feed
	journal  *journal.Journal
	uses     *firstuse.Uses
	watchman *watchman.Watchman
	bans     *ban.Bans
	hooks    *hook.Runner
	metrics  *metrics.Metrics
	webhooks *webhook.Sender
	firewall table
	book     *grant.Book
	ledger   *ledger.Ledger
	sessions *sessions.Sessions
	source   pump.Source
	pump     *pump.Pump
	moat     *keeper.Keeper
	actor    *actor.Actor
	enrolled *enrol.Book
	fleet    *fleet.Fleet // nil: the gate stands alone
	control  *control.Server
	host     host.Host
	foreign  foreign.Uses
	exposure host.Exposure
	problems *problems.List
	messages atomic.Pointer[messages.Messages] // nil until SPA is on
	memory   atomic.Pointer[memory.Memory]     // nil if nothing needs it and it could not be opened
	tokens   caep.Seen                         // of security events
	consent  consent.Book                      // to a drill from elsewhere
	keys     key.Keyring                       // the server keys in use

	scrapes, apis, decoys, logins *services.Set
	api                           atomic.Pointer[control.Server] // the one that runs; nil: none has

	trial     *trial.Trial
	down      chan struct{}  // closed by sallyport down
	exercised atomic.Int64   // when the last exercise was, in seconds since 1970
	hangups   chan os.Signal // SIGHUP: reload
}

// Run guards the doors until the context ends or sallyport down is asked for.
// When it returns, the doors are closed (but after down) and no goroutine of
// its own is left. An error means that it could not start, or that a task
// failed.
func Run(ctx context.Context, opts Options) error { return run(ctx, opts, linux()) }

func run(ctx context.Context, opts Options, s system) error {
	d := newDaemon(opts, s)
	// Before anybody may be told that we are ready: until then, and without a
	// handler, SIGHUP would end us.
	signal.Notify(d.hangups, syscall.SIGHUP)
	defer signal.Stop(d.hangups)
	if err := d.start(ctx); err != nil {
		return err
	}
	defer d.close()
	return d.run(ctx)
}

func newDaemon(opts Options, s system) *Daemon {
	events, now := hub.New(), time.Now()
	followed := feed.New(now)
	return &Daemon{
		opts:     opts,
		system:   s,
		log:      opts.Log,
		manager:  manager.New(opts.Getenv, opts.Log),
		started:  now,
		kept:     inforce.Open(opts.Getenv),
		events:   events,
		feed:     followed,
		problems: problems.New(events.Put, func() { followed.Changed("problems") }),
		down:     make(chan struct{}),
		hangups:  make(chan os.Signal, 1),
	}
}

// start closes the doors, before anything listens to knocks and after
// everything has succeeded that can fail: a start that fails changes nothing.
// But where doors were closed before, it closes those, as a restart of the
// machine must not open them.
func (d *Daemon) start(ctx context.Context) error {
	files := trial.Files{Path: d.opts.ConfigPath, Kept: d.kept, Confirm: d.opts.Confirm, Problems: d.problems, Log: d.log}
	chosen, err := files.Choose()
	if err != nil {
		return err
	}
	if d.firewall, err = d.system.firewall(d.log, firewall.Options{Unowned: d.opts.Unowned}); err != nil {
		return err
	}
	d.trial = trial.New(trial.Around{Files: files, Firewall: d.firewall, Put: d.events.Put, InForce: d.config.Load, Apply: d.apply, GoBack: d.goBack, Down: d.isDown}, chosen)
	d.openEnrolled(chosen.Config.Daemon.StateDir)
	d.openFleet(chosen.Config)
	d.make(chosen.Config)
	c := &change{to: d.over(chosen.Config), reason: event.ByReload}
	if err := d.bring(ctx, c, d.trial.First); err != nil {
		return errors.Join(err, d.closeAgain(), d.firewall.Close())
	}
	d.trial.Started()
	if banned, err := d.firewall.Bans(time.Now()); err != nil {
		d.problems.Fail("bans", "read back who is banned: "+err.Error())
	} else {
		d.bans.Recall(banned)
	}
	d.events.Put(event.Event{Time: d.started, Kind: event.KindStart, Detail: phrase.Count(len(chosen.Config.Doors), "door") + " closed"})
	d.noteForeign(chosen.Config)
	d.tellAmiss(chosen.Amiss)
	return nil
}

// make puts the daemon together for its first configuration. It touches
// nothing that is there already.
func (d *Daemon) make(cfg *config.Config) {
	d.journal = journal.New(cfg.Journal.Path, journalOptions(cfg), d.log)
	d.uses = firstuse.New(d.events.Put)
	d.hooks = hook.New(d.events.Put)
	d.metrics = metrics.New(d.opts.Version, d.state, d.log)
	name, _ := os.Hostname() // without a name if the kernel does not say
	d.webhooks = webhook.New(filepath.Join(cfg.Daemon.StateDir, "webhooks"), siem.Product{Version: d.opts.Version, Host: name}, d.whatIsOpen, d.events.Put, d.log)
	d.watchman = watchman.New(d.found, d.events.Put, d.exposure.Found, cfg)
	d.bans = ban.New(func(e event.Event) { d.events.Put(d.consent.Event(e)) }, d.firewall, func() []netip.Addr { return d.host.Own().Addresses })
	d.moat = keeper.New(d.log, d.system.moat)
	for _, s := range []**services.Set{&d.scrapes, &d.apis, &d.decoys, &d.logins} {
		*s = services.New(d.problems)
	}
	d.list = d.parts()
	for _, p := range d.list {
		if p.hear != nil {
			d.sinks = append(d.sinks, p.hear)
		}
	}
}

// closeAgain closes what was closed before a start that has failed. Where the
// table is there it needs nothing.
func (d *Daemon) closeAgain() error {
	if there, err := d.firewall.Present(); err != nil || there {
		return err
	}
	cfg, err := d.kept.Closed(d.opts.ConfigPath)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // nothing was
	}
	if err == nil {
		err = d.firewall.Apply(cfg)
	}
	if err != nil {
		return fmt.Errorf("close what was closed before: %w", err)
	}
	d.log.Warn("the daemon cannot start: what was closed before is closed, and nobody but trusted sources gets in")
	return nil
}

// run runs all parts until one fails or the daemon is to stop.
func (d *Daemon) run(ctx context.Context) error {
	defer d.keepJournal()()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	group, ctx := errgroup.WithContext(ctx)
	for _, p := range d.list {
		if p.run == nil {
			continue
		}
		group.Go(func() error {
			if err := p.run(ctx); err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
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
	d.manager.Notify("READY=1", d.statusLine())
	err := group.Wait()
	d.manager.Notify("STOPPING=1")
	d.events.Put(event.Event{Time: time.Now(), Kind: event.KindStop, Detail: d.stopDetail(err)})
	d.events.Flush(d.sinks)
	d.webhooks.Close()
	return err
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
	if err := d.closeAll(); err != nil {
		d.log.Warn("stop", "error", err)
	}
}

func (d *Daemon) closeFirewall() error { return d.firewall.Close() }

func (d *Daemon) closeCapture() error { return d.source.Close() }

// prepareControl makes the control socket, at the start only.
func (d *Daemon) prepareControl(_ context.Context, c *change) (step, error) {
	if c.from != nil {
		return step{}, nil
	}
	s, err := control.Listen(c.to.Daemon.Socket, d, d.rightsOf, d.log)
	if err != nil {
		return step{}, err
	}
	return step{
		commit: func() { d.control = s },
		abort:  func() { _ = s.Close() }, // nobody has used it
	}, nil
}

// Notices returns what happens, for those who follow it.
func (d *Daemon) Notices(ctx context.Context, q control.NoticesRequest) ([]control.Notice, error) {
	return d.feed.Notices(ctx, q)
}

func (d *Daemon) runControl(ctx context.Context) error { return d.control.Run(ctx) }

func (d *Daemon) closeControl() error { return d.control.Close() }

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
