//go:build linux

package daemon

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"sallyport/internal/capture"
	"sallyport/internal/config"
	"sallyport/internal/control"
	"sallyport/internal/daemon/foresee"
	"sallyport/internal/daemon/manager"
	"sallyport/internal/daemon/messages"
	"sallyport/internal/daemon/problems"
	"sallyport/internal/daemon/pump"
	"sallyport/internal/event"
	"sallyport/internal/gate"
	"sallyport/internal/inforce"
	"sallyport/internal/key"
	"sallyport/internal/phrase"
)

// reload reads the configuration again and carries it everywhere, or nowhere.
// Grants of doors that still exist go on, and so do sequences in progress.
func (d *Daemon) reload(ctx context.Context, q control.ReloadRequest) (control.ReloadAnswer, error) {
	d.manager.Notify(manager.Reloading()...)
	defer func() { d.manager.Notify("READY=1", d.statusLine()) }()
	d.trial.Changing.Lock()
	defer d.trial.Changing.Unlock()
	ev := event.Event{Time: time.Now(), Kind: event.KindReload}
	cfg, a, err := d.change(ctx, q)
	switch {
	case err != nil:
		ev.Kind, ev.Detail = event.KindFailure, "the old configuration goes on: "+err.Error()
	default:
		ev.Detail = phrase.Count(len(cfg.Doors), "door") + ", " + phrase.Count(len(cfg.Clients), "client")
		if !a.Until.IsZero() {
			ev.Detail += ", on trial until " + a.Until.Format(time.TimeOnly)
		}
		if len(a.Waiting) > 0 {
			ev.Detail += "; " + waitingFor(a.Waiting)
		}
	}
	d.events.Put(ev)
	return a, err
}

// change does what reload is about.
func (d *Daemon) change(ctx context.Context, q control.ReloadRequest) (*config.Config, control.ReloadAnswer, error) {
	confirm := time.Duration(q.Confirm)
	if err := d.trial.MayTry(confirm); err != nil {
		return nil, control.ReloadAnswer{}, err
	}
	cfg, files, waiting, err := d.load()
	if err != nil {
		d.noteAmiss("the configuration on disk cannot be used (" + problems.InLine(err) + "): the one before is in force")
		return nil, control.ReloadAnswer{}, err
	}
	if err := d.trial.MayBring(q, files); err != nil {
		return nil, control.ReloadAnswer{}, err
	}
	a := d.foresee(cfg, q)
	a.Waiting = waiting
	if a.Lockout != "" && !q.Force {
		return nil, a, &control.Error{Text: a.Lockout, Remedy: "give yourself a way in, put your address into trusted, or use --force; reload --confirm 60s makes it safe to try"}
	}
	if confirm != 0 {
		err = d.trial.Try(ctx, cfg, files, confirm)
	} else if err = d.apply(ctx, cfg, event.ByReload, true, d.firewall.Apply); err == nil {
		d.trial.Settle(cfg, files)
	}
	if err != nil {
		d.noteAmiss("the configuration on disk cannot be used (" + problems.InLine(err) + "): the one before is in force")
		return nil, a, err
	}
	d.noteAmiss("")
	d.noteWaiting(waiting)
	a.Applied = true
	if r := d.trial.Record(); r.Pending() {
		a.Until = r.Until
	}
	return cfg, a, nil
}

// load reads the configuration as it can be in force now, and names what of it
// waits for a restart.
func (d *Daemon) load() (*config.Config, inforce.Files, []string, error) {
	cfg, files, err := d.kept.Load(d.opts.ConfigPath)
	if err != nil {
		return nil, files, nil, err
	}
	held, waiting := d.hold(cfg)
	return held, files, waiting, nil
}

// waitingFor says what a restart brings into force.
func waitingFor(waiting []string) string {
	verb := "waits"
	if len(waiting) > 1 {
		verb = "wait"
	}
	return fmt.Sprintf("%s %s for a restart (systemctl restart sallyport; no grant is lost)", strings.Join(waiting, " and "), verb)
}

func (d *Daemon) noteWaiting(waiting []string) {
	if len(waiting) == 0 {
		d.problems.Clear("restart")
		return
	}
	d.problems.Note("restart", "the rest of the configuration is in force; "+waitingFor(waiting))
}

// apply takes a new configuration into use.
func (d *Daemon) apply(ctx context.Context, cfg *config.Config, reason event.Reason, strict bool, install func(*config.Config) error) error {
	return d.bring(ctx, &change{from: d.config.Load(), to: cfg, reason: reason, strict: strict}, install)
}

// goBack brings the configuration before a trial into force again, as far as it can be
// in force now, and returns that.
func (d *Daemon) goBack(ctx context.Context, before *config.Config) (*config.Config, error) {
	held, waiting := d.hold(before)
	if err := d.apply(ctx, held, event.ByRollback, false, d.firewall.Apply); err != nil {
		return nil, err
	}
	d.noteWaiting(waiting)
	return held, nil
}

// prepareGate makes the gate at the start, with a capture that takes nothing
// yet; later it makes what the capture lacks.
func (d *Daemon) prepareGate(ctx context.Context, c *change) (step, error) {
	if c.from == nil {
		return d.prepareFirstGate(c)
	}
	if err := d.pump.Prepare(ctx, messages.Filter(c.to, key.Keyring{})); err != nil {
		return step{}, err
	}
	return step{commit: func() { d.reconfigure(ctx, c) }}, nil
}

func (d *Daemon) prepareFirstGate(c *change) (step, error) {
	facts, err := d.system.host()
	if err != nil {
		return step{}, err
	}
	d.host.Set(facts)
	g := gate.New(c.to, c.spa, d.host.Gate(), time.Now())
	if c.memory != nil {
		g.Remember(c.memory.Guard(), time.Now())
	}
	g.Invites(c.to, d.enrolled.List(), time.Now())
	source, err := d.system.capture(capture.Options{})
	if err != nil {
		return step{}, err
	}
	if err := source.Prepare(messages.Filter(c.to, key.Keyring{})); err != nil {
		return step{}, errors.Join(err, source.Close())
	}
	return step{
		commit: func() {
			d.source, d.pump = source, pump.New(source, g, d.actor.Decided, d.events.PutUnauthenticated)
			c.moat = d.saw(c.to, d.pump.Look(time.Now(), d.view(c.to)))
		},
		abort: func() { _ = source.Close() }, // nobody has used it
	}, nil
}

// reconfigure changes gate and capture filter between two packets.
func (d *Daemon) reconfigure(ctx context.Context, c *change) {
	change := pump.Change{Config: c.to, SPA: c.spa, View: d.view(c.to),
		Live: d.book.Live(time.Now())} // what is given from here on the gate knows by itself
	if c.memory != nil {
		change.Memory = c.memory.Guard()
	}
	if seen, err := d.pump.Configure(ctx, change); err == nil { // fails only when the daemon stops
		c.moat = d.saw(c.to, seen)
	}
}

// prepareMoat hands the moat the keys and what the gate watches. Whatever goes
// wrong with it stops nothing.
func (d *Daemon) prepareMoat(_ context.Context, c *change) (step, error) {
	return step{commit: func() {
		d.moat.Configure(c.to, c.spa.Keys)
		d.moat.Know(c.moat)
	}}, nil
}

// prepareGrants has the book know how much of the kernel each door takes, and ends
// what a new configuration does not allow any more. At the start, restore does.
func (d *Daemon) prepareGrants(_ context.Context, c *change) (step, error) {
	ports := make(map[string]int, len(c.to.Doors))
	for i := range c.to.Doors {
		ports[c.to.Doors[i].Name] = len(c.to.Doors[i].Ports)
	}
	return step{commit: func() {
		d.book.Weigh(ports)
		if c.from != nil {
			d.ledger.EndOrphans(d.actor, c.to, c.from, c.reason)
		}
	}}, nil
}

// dryRun says what a reload would change.
func (d *Daemon) dryRun(q control.ReloadRequest) (control.ReloadAnswer, error) {
	d.trial.Changing.Lock()
	defer d.trial.Changing.Unlock()
	cfg, _, waiting, err := d.load()
	if err != nil {
		return control.ReloadAnswer{}, err
	}
	a := d.foresee(cfg, q)
	a.Waiting = waiting
	return a, nil
}

// foresee says what a configuration would change, for the one who asks.
func (d *Daemon) foresee(cfg *config.Config, q control.ReloadRequest) control.ReloadAnswer {
	now := time.Now()
	is := foresee.Now{Config: d.config.Load(), Grants: d.book.Live(now), Listeners: d.host.Gate().Listeners, Time: now, Log: d.log}
	return is.Change(cfg, q)
}
