//go:build linux

package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/control"
	"sallyport/internal/event"
	"sallyport/internal/gate"
	"sallyport/internal/moat"
)

// reload reads the configuration again and carries it everywhere, or nowhere.
// Grants of doors that still exist go on, and so do sequences in progress.
func (d *Daemon) reload(ctx context.Context, q control.ReloadRequest) (control.ReloadAnswer, error) {
	d.notify(reloading()...)
	defer d.notify("READY=1")
	d.reloading.Lock()
	defer d.reloading.Unlock()
	ev := event.Event{Time: time.Now(), Kind: event.KindReload}
	cfg, a, err := d.change(ctx, q)
	switch {
	case err != nil:
		ev.Kind, ev.Detail = event.KindFailure, "the old configuration goes on: "+err.Error()
	default:
		ev.Detail = fmt.Sprintf("%d doors, %d clients", len(cfg.Doors), len(cfg.Clients))
		if !a.Until.IsZero() {
			ev.Detail += ", on trial until " + a.Until.Format(time.TimeOnly)
		}
	}
	d.events.put(ev)
	return a, err
}

// change does what reload is about.
func (d *Daemon) change(ctx context.Context, q control.ReloadRequest) (*config.Config, control.ReloadAnswer, error) {
	confirm := time.Duration(q.Confirm)
	if err := d.mayTry(confirm); err != nil {
		return nil, control.ReloadAnswer{}, err
	}
	cfg, files, err := d.load()
	if err != nil {
		return nil, control.ReloadAnswer{}, err
	}
	r := d.trial.Load()
	if r != nil && !r.Ended.IsZero() && q.Implied {
		return nil, control.ReloadAnswer{}, &control.Error{Text: "the configuration on disk is not the one in force: it was rolled back at " + r.Ended.Format(time.DateTime),
			Remedy: "mend it, or bring it into force, with sallyport reload --confirm 60s; then try again"}
	}
	if r != nil && !r.Ended.IsZero() && r.Tried == files.digest() && confirm == 0 && !q.Force {
		return nil, control.ReloadAnswer{}, &control.Error{Text: "this very configuration was rolled back, and has not changed since",
			Remedy: "mend it, or try it again: sallyport reload --confirm 60s"}
	}
	a := d.foresee(cfg, q)
	if a.Lockout != "" && !q.Force {
		return nil, a, &control.Error{Text: a.Lockout, Remedy: "give yourself a way in, put your address into trusted, or use --force; reload --confirm 60s makes it safe to try"}
	}
	if confirm != 0 {
		err = d.try(ctx, cfg, files, confirm)
	} else if err = d.apply(ctx, cfg, d.firewall.Apply, event.ByReload); err == nil {
		d.settle(cfg, files)
	}
	if err != nil {
		return nil, a, err
	}
	a.Applied = true
	if r := d.trial.Load(); r.pending() {
		a.Until = r.Until
	}
	return cfg, a, nil
}

// load reads the configuration and refuses what cannot change under way.
func (d *Daemon) load() (*config.Config, snapshot, error) {
	cfg, files, err := loadConfig(d.opts.ConfigPath)
	if err != nil {
		return nil, nil, err
	}
	if err := d.fixed(cfg); err != nil {
		return nil, nil, err
	}
	return cfg, files, nil
}

// fixed refuses changes of what cannot change under way.
func (d *Daemon) fixed(cfg *config.Config) error {
	if cfg.Daemon != d.config.Load().Daemon {
		return errors.New("[daemon] has changed: state_dir and socket need a restart (systemctl restart sallyport; no grant is lost)")
	}
	if old := d.config.Load().Journal.Path; cfg.Journal.Path != old {
		return fmt.Errorf("[journal] path has changed from %q: it needs a restart (systemctl restart sallyport; no grant is lost)", old)
	}
	if old := d.config.Load(); cfg.Metrics != old.Metrics || cfg.API != old.API {
		return errors.New("[metrics] or [api] has changed: that needs a restart (systemctl restart sallyport; no grant is lost)")
	}
	if old := d.config.Load().Ban; cfg.Ban.Enabled != old.Enabled || !slices.Equal(cfg.Ban.Decoys, old.Decoys) {
		return errors.New("[ban] enabled or decoys has changed: that needs a restart (systemctl restart sallyport; no grant is lost)")
	}
	if old := d.config.Load().Detect.SSHLog; cfg.Detect.SSHLog != old {
		return fmt.Errorf("[detect] ssh_log has changed from %q: it needs a restart (systemctl restart sallyport; no grant is lost)", old)
	}
	return nil
}

// apply takes a new configuration into use. The firewall comes first: what is
// new is closed before anything can open it.
func (d *Daemon) apply(ctx context.Context, cfg *config.Config, install func(*config.Config) error, reason event.Reason) error {
	s, err := d.spaOf(cfg)
	if err != nil {
		return err
	}
	if err := d.remember(cfg); err != nil {
		return err
	}
	old, oldKeys := d.config.Load(), d.keys
	if err := install(cfg); err != nil {
		return fmt.Errorf("change the firewall: %w", err)
	}
	if err := d.reconfigure(ctx, cfg, s); err != nil {
		s.Keys = oldKeys
		return errors.Join(err, d.firewall.Apply(old), d.reconfigure(ctx, old, s))
	}
	d.config.Store(cfg)
	d.tellKeys(oldKeys)
	d.journal.Configure(journalOptions(cfg))
	if err := d.uses.reconfigure(cfg); err != nil {
		d.log.Warn("connections to new doors are not told", "error", err)
	}
	d.sessions.configure(cfg)
	d.watchman.configure(cfg)
	d.bans.configure(cfg)
	d.endOrphans(cfg, old, reason)
	return nil
}

// reconfigure changes gate and capture filter between two packets.
func (d *Daemon) reconfigure(ctx context.Context, cfg *config.Config, s gate.SPA) error {
	d.keys = s.Keys
	var err error
	var host moat.Host
	live := d.book.Live(time.Now()) // what is given from here on the gate knows by itself
	told := d.pump.do(ctx, func() {
		if m := d.memory.Load(); m != nil {
			d.pump.gate.Remember(m.guard, time.Now())
		}
		d.pump.gate.Reconfigure(cfg, s, time.Now())
		d.pump.gate.Began(live)
		host, err = d.look(cfg)
	})
	if told == nil {
		d.moat.configure(cfg, s.Keys)
		d.moat.tell(host)
	}
	return errors.Join(told, err)
}

// endOrphans ends the grants that the configuration no longer allows, or shortens
// them to what it does. Those whose door is gone, or no longer as wide, have left
// the kernel already. Old is the configuration before, nil after a start.
func (d *Daemon) endOrphans(cfg, old *config.Config, reason event.Reason) {
	now := time.Now()
	gone := d.book.Forget(func(g event.Grant) bool { return !gate.Possible(cfg, g) }, now)
	d.actor.early(now, reason, gone)
	longest := gate.Longest(cfg, old)
	if err := d.actor.trim(now, reason, func(g event.Grant) time.Time { return longest(g, now) }); err != nil {
		d.events.put(event.Event{Time: now, Kind: event.KindFailure, Reason: reason, Detail: err.Error()})
	}
}
