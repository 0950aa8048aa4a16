package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/gate"
	"sallyport/internal/moat"
)

// reload reads the configuration again and carries it everywhere, or nowhere.
// Grants of doors that still exist go on, and so do sequences in progress.
func (d *Daemon) reload(ctx context.Context) error {
	d.notify(reloading()...)
	defer d.notify("READY=1")
	d.reloading.Lock()
	defer d.reloading.Unlock()
	event := gate.Event{Time: time.Now(), Kind: gate.KindReload}
	cfg, err := d.load()
	if err == nil {
		err = d.apply(ctx, cfg)
	}
	if err != nil {
		event.Kind, event.Detail = gate.KindFailure, "the old configuration goes on: "+err.Error()
	} else {
		event.Detail = fmt.Sprintf("%d doors, %d clients", len(cfg.Doors), len(cfg.Clients))
	}
	d.events.put(event)
	return err
}

// load reads the configuration and refuses what cannot change under way.
func (d *Daemon) load() (*config.Config, error) {
	cfg, err := config.Load(os.DirFS("/"), d.opts.ConfigPath)
	if err != nil {
		return nil, err
	}
	if cfg.Daemon != d.config.Load().Daemon {
		return nil, errors.New("[daemon] has changed: state_dir and socket need a restart (systemctl restart sallyport; no grant is lost)")
	}
	if old := d.config.Load().Journal.Path; cfg.Journal.Path != old {
		return nil, fmt.Errorf("[journal] path has changed from %q: it needs a restart (systemctl restart sallyport; no grant is lost)", old)
	}
	if old := d.config.Load(); cfg.Metrics != old.Metrics || cfg.API != old.API {
		return nil, errors.New("[metrics] or [api] has changed: that needs a restart (systemctl restart sallyport; no grant is lost)")
	}
	if old := d.config.Load().Ban; cfg.Ban.Enabled != old.Enabled || !slices.Equal(cfg.Ban.Decoys, old.Decoys) {
		return nil, errors.New("[ban] enabled or decoys has changed: that needs a restart (systemctl restart sallyport; no grant is lost)")
	}
	if old := d.config.Load().Detect.SSHLog; cfg.Detect.SSHLog != old {
		return nil, fmt.Errorf("[detect] ssh_log has changed from %q: it needs a restart (systemctl restart sallyport; no grant is lost)", old)
	}
	return cfg, nil
}

// apply takes a new configuration into use. The firewall comes first: what is
// new is closed before anything can open it.
func (d *Daemon) apply(ctx context.Context, cfg *config.Config) error {
	s, err := d.spaOf(cfg)
	if err != nil {
		return err
	}
	if err := d.remember(cfg); err != nil {
		return err
	}
	old, oldKeys := d.config.Load(), d.keys
	if err := d.firewall.Apply(cfg); err != nil {
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
	d.watchman.configure(cfg)
	d.bans.configure(cfg)
	d.endOrphans(cfg)
	return nil
}

// reconfigure changes gate and capture filter between two packets.
func (d *Daemon) reconfigure(ctx context.Context, cfg *config.Config, s gate.SPA) error {
	d.keys = s.Keys
	var err error
	var host moat.Host
	told := d.pump.do(ctx, func() {
		if m := d.memory.Load(); m != nil {
			d.pump.gate.Remember(m.guard, time.Now())
		}
		d.pump.gate.Reconfigure(cfg, s, time.Now())
		d.pump.gate.Began(d.book.Live(time.Now()))
		host, err = d.look(cfg)
	})
	if told == nil {
		d.moat.configure(cfg, s.Keys)
		d.moat.tell(host)
	}
	return errors.Join(told, err)
}

// endOrphans ends the grants that the configuration no longer allows. Those
// whose door is gone, or no longer as wide, have left the kernel already.
func (d *Daemon) endOrphans(cfg *config.Config) {
	now := time.Now()
	may := permissions(cfg)
	gone := d.book.Forget(func(g gate.Grant) bool { return !possible(cfg, g) })
	d.ended(gone)
	for _, g := range gone {
		d.events.put(gate.Event{Time: now, Kind: gate.KindRevocation, Door: g.Door, Client: g.Client, Source: g.Source, Reason: gate.ByReload})
	}
	if _, err := d.actor.revoke(now, gate.ByReload, func(g gate.Grant) bool { return g.Client != "" && !may[[2]string{g.Client, g.Door}] }); err != nil {
		d.events.put(gate.Event{Time: now, Kind: gate.KindFailure, Reason: gate.ByReload, Detail: err.Error()})
	}
}

// possible tells whether the firewall keeps a grant with a configuration.
func possible(cfg *config.Config, g gate.Grant) bool {
	door := cfg.Door(g.Door)
	return door != nil && (g.Prefix == 0 || g.Prefix == door.Widen(g.Source.BitLen()))
}

// permissions returns which client may use which door.
func permissions(cfg *config.Config) map[[2]string]bool {
	may := make(map[[2]string]bool)
	for _, c := range cfg.Clients {
		for _, door := range c.Doors {
			may[[2]string{c.Name, door}] = true
		}
	}
	return may
}
