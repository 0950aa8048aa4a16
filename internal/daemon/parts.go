//go:build linux

package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"sallyport/internal/config"
	"sallyport/internal/daemon/hub"
	"sallyport/internal/daemon/memory"
	"sallyport/internal/daemon/services"
	"sallyport/internal/event"
	"sallyport/internal/gate"
	"sallyport/internal/moat"
)

// part is one thing that the daemon does. All that a start, a reload and the
// end are made of comes from the one list of parts, so that nothing can be
// forgotten in one of them: a new section of the configuration is claimed by a
// part, or a test fails. Every field but the name is optional.
type part struct {
	name string

	// claims are the fields of the configuration that the part lives by, such as
	// "Hooks" or "Detect.SSHLog"; a name without a dot stands for all of it.
	claims []string
	// fixed puts back into a new configuration what cannot change before the
	// next start, and names what differs.
	fixed func(old, cfg *config.Config) []string
	// live says that the part reads the configuration in force whenever it needs it.
	live bool
	// prepare does everything that can fail, and changes nothing that others see.
	prepare func(context.Context, *change) (step, error)

	hear  hub.Sink                    // takes every event
	run   func(context.Context) error // lives as long as the daemon
	close func() error                // releases what was got hold of, in the end
}

// step is what a part has prepared. The firewall commits first; no commit can
// fail. After an abort all is as before. Both are optional.
type step struct{ commit, abort func() }

// change is a configuration on its way into force.
type change struct {
	from, to *config.Config // from is nil at the start
	strict   bool           // a person waits for an answer: what cannot be had is refused
	reason   event.Reason   // why grants end with it

	// What parts prepare for those after them in the list.
	spa    gate.SPA
	memory *memory.Memory // nil: there is none
	moat   moat.Host
}

// parts lists everything, in the order in which it is prepared and committed
// and in which it hears of events.
func (d *Daemon) parts() []part {
	return slices.Concat(d.guarding(), d.watching(), d.offering(), d.keeping())
}

// guarding are the parts that decide and close.
func (d *Daemon) guarding() []part {
	return []part{
		{name: "control socket", claims: []string{"Daemon"}, fixed: fixedDaemon, prepare: d.prepareControl, run: d.runControl, close: d.closeControl},
		{name: "firewall", claims: []string{"Gate", "Doors"}, live: true, run: d.watchFirewall, close: d.closeFirewall}, // committed first, by bring
		{name: "used sequences", claims: []string{"Rotating", "Doors"}, prepare: d.prepareMemory, close: func() error { return d.memory.Load().Close() }},
		{name: "owners", claims: []string{"Doors"}, prepare: d.prepareOwners, run: func(ctx context.Context) error { return d.sessions.Run(ctx) }, close: func() error { return d.ledger.Close() }},
		{name: "owners on the disk", run: func(ctx context.Context) error { return d.ledger.KeepOwners(ctx) }},
		{name: "messages", claims: []string{"SPA"}, prepare: d.prepareSPA, close: func() error { return d.messages.Load().Close() }},
		{name: "gate", claims: []string{"Gate", "SPA", "Rotating", "Doors", "Groups", "Clients"}, prepare: d.prepareGate, run: d.runPump, close: d.closeCapture},
		{name: "moat", claims: []string{"Moat", "SPA", "Doors.To"}, prepare: d.prepareMoat, run: func(ctx context.Context) error { return d.moat.Run(ctx, d.events.PutUnauthenticated, d.updateHost) }, close: func() error { return d.moat.Shut() }},
		{name: "invites", claims: []string{"Clients", "Daemon.StateDir"}, prepare: committing(d.enrolled.Note), run: func(ctx context.Context) error { return d.enrolled.Run(ctx) }},
		{name: "fleet", claims: []string{"Fleet", "Doors.WithoutFleet"}, fixed: d.fixedFleet, prepare: d.prepareFleet, run: d.runFleet},
		{name: "grants of an earlier time", run: d.restore},
		{name: "trial", run: func(ctx context.Context) error { return d.trial.Run(ctx) }},
		{name: "host addresses", run: func(ctx context.Context) error { return d.host.WatchAddresses(ctx, d.updateHost) }},
		{name: "exposure", claims: []string{"Gate.Interfaces"}, live: true, run: func(ctx context.Context) error { return d.exposure.Watch(ctx, d.lookAround, d.events.Put, d.log) }},
		{name: "listening ports", run: func(ctx context.Context) error { return d.host.WatchListeners(ctx, d.log, d.updateHost) }},
		{name: "rotating sequences", claims: []string{"Rotating"}, live: true, run: d.keepPlan},
		{name: "sampling", run: d.watchRate},
	}
}

// watching are the parts that look at what happens.
func (d *Daemon) watching() []part {
	return []part{
		{name: "log", hear: hub.NewLogbook(d.log).Write},
		{name: "events", run: func(ctx context.Context) error { return d.events.Run(ctx, d.sinks) }},
		{name: "findings", claims: []string{"Detect", "Gate.RotationDue"}, prepare: committing(d.watchman.Configure), hear: d.watchman.Heard, run: d.watchman.Run},
		{name: "bans", claims: []string{"Ban", "Gate.Trusted"}, prepare: committing(d.bans.Configure), hear: d.bans.Heard, run: d.bans.Run},
		{name: "consent to a drill", hear: d.consent.Heard},
		{name: "decoys", claims: []string{"Ban.Enabled", "Ban.Decoys"}, prepare: serves(d.decoys, d.decoyServices), run: d.decoys.Run, close: d.decoys.Close},
		{name: "logins", claims: []string{"Detect.SSHLog"}, prepare: serves(d.logins, d.loginServices), run: d.logins.Run, close: d.logins.Close},
		{name: "connections", claims: []string{"Doors"}, prepare: committing(d.reconfigureUses), hear: d.uses.Heard, run: d.watchUses},
		{name: "grants", claims: []string{"Doors", "Clients"}, prepare: d.prepareGrants, run: func(ctx context.Context) error { return d.actor.Run(ctx) }},
		{name: "asks", run: func(ctx context.Context) error { return d.Desk.Run(ctx) }},
		{name: "fwknop's clients", claims: []string{"Clients"}, prepare: committing(d.foreign.Configure), hear: d.foreign.Heard},
		{name: "contacts", run: d.settleContacts},
		{name: "capture drops", run: d.watchDrops},
	}
}

// offering are the parts that report what happens.
func (d *Daemon) offering() []part {
	return []part{
		{name: "journal", claims: []string{"Journal"}, fixed: fixedJournal, prepare: committing(func(cfg *config.Config) { d.journal.Configure(journalOptions(cfg)) }), hear: d.journal.Put},
		{name: "hooks", claims: []string{"Hooks"}, prepare: committing(func(cfg *config.Config) { d.hooks.Set(cfg.Hooks) }), hear: d.hooks.Put, run: d.hooks.Run},
		{name: "metrics", claims: []string{"Metrics"}, prepare: serves(d.scrapes, d.metricsServices), hear: d.metrics.Put, run: d.scrapes.Run, close: d.scrapes.Close},
		{name: "feed", hear: d.feed.Put},
		{name: "users", claims: []string{"API.View", "API.Act", "API.Admin", "API.Ask"}, live: true, prepare: d.prepareUsers},
		{name: "API", claims: []string{"API"}, prepare: serves(d.apis, d.apiServices), run: d.apis.Run, close: d.apis.Close},
		{name: "webhooks", claims: []string{"Webhooks"}, prepare: committing(func(cfg *config.Config) { d.webhooks.Set(cfg.Webhooks) }), hear: d.webhooks.Put, run: d.webhooks.Run},
	}
}

// keeping are the parts that keep the daemon itself.
func (d *Daemon) keeping() []part {
	return []part{
		{name: "signals", run: d.watchSignals},
		{name: "watchdog", run: func(ctx context.Context) error { return d.manager.Watchdog(ctx, d.pump.Alive) }},
	}
}

// committing makes a part that cannot fail of what takes a configuration.
func committing(configure func(*config.Config)) func(context.Context, *change) (step, error) {
	return func(_ context.Context, c *change) (step, error) {
		return step{commit: func() { configure(c.to) }}, nil
	}
}

// serves makes a part of services. A person who waits for an answer is refused what
// cannot be had and is new.
func serves(s *services.Set, list func(*change) []services.Service) func(context.Context, *change) (step, error) {
	return func(_ context.Context, c *change) (step, error) {
		var before []services.Service
		if c.strict {
			before = list(&change{to: c.from})
		}
		commit, abort, err := s.Prepare(c.strict, before, list(c))
		return step{commit, abort}, err
	}
}

// bring carries a configuration everywhere, or nowhere. Everything that can fail
// comes first; then install changes the firewall, so that what is new is closed
// before anything can open it; the rest cannot fail.
func (d *Daemon) bring(ctx context.Context, c *change, install func(*config.Config) error) error {
	var steps []step
	abort := func() {
		for _, s := range slices.Backward(steps) {
			if s.abort != nil {
				s.abort()
			}
		}
	}
	for _, p := range d.list {
		if p.prepare == nil {
			continue
		}
		s, err := p.prepare(ctx, c)
		if err != nil {
			abort()
			return err
		}
		steps = append(steps, s)
	}
	if err := install(c.to); err != nil {
		abort()
		return fmt.Errorf("change the firewall: %w", err)
	}
	d.config.Store(c.to)
	for _, s := range steps {
		if s.commit != nil {
			s.commit()
		}
	}
	return nil
}

// hold returns a configuration as it can be in force now, and names what of it
// waits for a restart.
func (d *Daemon) hold(cfg *config.Config) (*config.Config, []string) {
	held := *cfg
	waiting := []string{}
	for _, p := range d.list {
		if p.fixed != nil {
			waiting = append(waiting, p.fixed(d.config.Load(), &held)...)
		}
	}
	return d.over(&held), waiting
}

// fixedDaemon keeps the folder and the socket. What lies in the folder unless
// the configuration says otherwise stays there, too.
func fixedDaemon(old, cfg *config.Config) (waiting []string) {
	if was, is := old.Daemon.StateDir, cfg.Daemon.StateDir; was != is {
		waiting = append(waiting, "state_dir")
		if cfg.SPA.ServerKey == is+"/server.key" {
			cfg.SPA.ServerKey = old.SPA.ServerKey
		}
	}
	if cfg.Daemon.Socket != old.Daemon.Socket {
		waiting = append(waiting, "socket")
	}
	cfg.Daemon = old.Daemon
	return waiting
}

// fixedJournal keeps the file of the journal.
func fixedJournal(old, cfg *config.Config) (waiting []string) {
	if cfg.Journal.Path != old.Journal.Path {
		waiting = append(waiting, "the journal's path")
	}
	cfg.Journal.Path = old.Journal.Path
	return waiting
}

// closeAll releases everything, in the reverse order.
func (d *Daemon) closeAll() error {
	var errs []error
	for _, p := range slices.Backward(d.list) {
		if p.close != nil {
			errs = append(errs, p.close())
		}
	}
	return errors.Join(errs...)
}
