//go:build linux

package daemon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/control"
	"sallyport/internal/event"
)

// A configuration on trial is in force until its deadline unless it has been
// confirmed. Before it is brought into force, what is needed to go back is on
// disk; and the kernel goes back by itself, whatever becomes of this process.
// The files of the administrator are never touched: after a rollback the daemon
// runs the kept copy of the configuration before, also when it is started
// again, until the files have changed and are read again.

// Trials can last this long.
const (
	minTrial = time.Second
	maxTrial = time.Hour
)

// rollbackAgain is when a rollback that failed is tried again. The kernel has
// gone back by then in any case.
const rollbackAgain = time.Second

// choice is what a daemon runs from its start on.
type choice struct {
	config *config.Config
	begin  bool // with a trial
	settle bool // it is in force for good
}

// choose decides at the start which configuration to run: that of the files,
// unless it was on trial and has not been confirmed.
func (d *Daemon) choose() (choice, error) {
	disk, files, err := loadConfig(d.opts.ConfigPath)
	if err != nil {
		return choice{}, fmt.Errorf("load configuration: %w", err)
	}
	d.files = files
	r, err := readRecord(disk.Daemon.StateDir)
	if err != nil {
		d.failed("trial", err.Error()+": the configuration on disk is in force")
	}
	if r == nil || r.Path != disk.Path {
		return choice{disk, d.opts.Confirm != 0, d.opts.Confirm == 0}, nil
	}
	now := files.digest()
	if r.pending() && (r.left() == 0 || r.Tried != now) {
		r = d.giveUp(disk.Daemon.StateDir, r, now)
	}
	d.trial.Store(r)
	switch {
	case r.pending(): // goes on
		d.tellTrial(r)
		d.old, err = d.before(r, disk)
		return choice{config: disk}, err
	case r.Tried == now:
		d.tellRolledBack(r)
		d.files = r.Good
		cfg, err := d.before(r, disk)
		return choice{config: cfg}, err
	}
	begin := d.opts.Confirm != 0 && (r.Good == nil || r.Good.digest() != now)
	return choice{disk, begin, !begin}, nil
}

// startTrial begins the trial of what a daemon runs from its start on.
func (d *Daemon) startTrial(cfg *config.Config) error {
	r := d.trial.Load()
	if r == nil {
		r = &record{Path: cfg.Path}
		if there, err := d.firewall.Present(); err != nil || there {
			return errors.Join(err, errors.New("the doors are closed already, by a daemon that was started without --confirm: start it without, and use sallyport reload --confirm"))
		}
	}
	old, err := d.before(r, cfg)
	if err != nil {
		return err
	}
	d.old = old
	return d.begin(cfg, r.Good, d.files.digest(), d.opts.Confirm)
}

// before returns the configuration that was in force before a trial. If there
// was none, it is one that closes nothing.
func (d *Daemon) before(r *record, disk *config.Config) (*config.Config, error) {
	if r.Good != nil {
		return r.Good.remake(r.Path)
	}
	empty := *disk
	empty.Gate = config.Gate{Policy: config.PolicyDoors, Closed: config.ClosedDrop}
	empty.SPA.Port, empty.Doors, empty.Groups, empty.Clients = 0, nil, nil, nil
	return &empty, nil
}

// begin writes down that a trial begins.
func (d *Daemon) begin(cfg *config.Config, good snapshot, tried string, within time.Duration) error {
	r := &record{Path: cfg.Path, Good: good, Tried: tried, Boot: bootID(), Deadline: boottime() + within, Until: time.Now().Add(within)}
	if err := r.write(cfg.Daemon.StateDir); err != nil {
		return err
	}
	d.trial.Store(r)
	d.tellTrial(r)
	return nil
}

// tellTrial says that a trial is under way, and has its end watched.
func (d *Daemon) tellTrial(r *record) {
	d.problems.note("trial", fmt.Sprintf("the configuration is on trial until %s: sallyport confirm keeps it, else it is rolled back", r.Until.Format(time.TimeOnly)))
	select {
	case d.tried <- struct{}{}:
	default:
	}
}

// install closes what a configuration says: for good, or on trial.
func (d *Daemon) install(cfg *config.Config) error {
	r := d.trial.Load()
	if !r.pending() || d.old == nil {
		return d.firewall.Apply(cfg)
	}
	// Without time left the rollback is under way.
	return d.firewall.Try(d.old, cfg, max(r.left(), time.Millisecond))
}

// settle writes down that a configuration is in force for good, if there has
// ever been a trial.
func (d *Daemon) settle(cfg *config.Config, files snapshot) {
	d.files, d.old = files, nil
	d.problems.clear("trial")
	if d.trial.Load() == nil && d.opts.Confirm == 0 {
		return
	}
	r := &record{Path: cfg.Path, Good: files}
	if err := r.write(cfg.Daemon.StateDir); err != nil {
		d.failed("trial", err.Error())
	}
	d.trial.Store(r)
}

// giveUp writes down that a trial is over, and that what is on disk now is not
// to be used. If that fails, the next start finds it out again.
func (d *Daemon) giveUp(stateDir string, r *record, tried string) *record {
	ended := *r
	ended.Tried, ended.Ended = tried, time.Now()
	if err := ended.write(stateDir); err != nil {
		d.log.Error("the rollback", "error", err)
	}
	d.trial.Store(&ended)
	return &ended
}

// tellRolledBack says loudly that the files are not what is in force.
func (d *Daemon) tellRolledBack(r *record) {
	what := "the configuration before it is in force"
	if r.Good == nil {
		what = "there was none before it, so nothing is closed"
	}
	text := fmt.Sprintf("the configuration in %s was not confirmed and was rolled back at %s: %s, until the file is mended and read again (sallyport reload --confirm 60s)",
		r.Path, r.Ended.Format(time.DateTime), what)
	d.problems.note("trial", text)
	d.log.Error("rolled back", "detail", text)
}

// watchTrial rolls back what has not been confirmed in time.
func (d *Daemon) watchTrial(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-d.tried:
		case <-timer.C:
		}
		r := d.trial.Load()
		if !r.pending() {
			continue
		}
		if left := r.left(); left > 0 {
			timer.Reset(left)
			continue
		}
		if err := d.rollback(ctx); err != nil {
			d.failed("rollback", "roll back: "+err.Error())
			timer.Reset(rollbackAgain)
		}
	}
}

// rollback brings the configuration before the trial into force again.
func (d *Daemon) rollback(ctx context.Context) error {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	r := d.trial.Load()
	if !r.pending() || r.left() > 0 || d.isDown() {
		return nil // confirmed meanwhile, or begun anew
	}
	old := d.old
	if err := d.apply(ctx, old, d.firewall.Apply, event.ByRollback); err != nil {
		return err
	}
	d.old, d.files = nil, r.Good
	d.tellRolledBack(d.giveUp(old.Daemon.StateDir, r, r.Tried))
	d.problems.clear("rollback")
	d.events.put(event.Event{Time: time.Now(), Kind: event.KindReload, Reason: event.ByRollback,
		Detail: fmt.Sprintf("not confirmed in time: back to %d doors, %d clients", len(old.Doors), len(old.Clients))})
	return nil
}

// Confirm keeps the configuration that is on trial.
func (d *Daemon) Confirm(context.Context) error {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	r := d.trial.Load()
	switch {
	case r != nil && !r.Ended.IsZero():
		return &control.Error{Text: fmt.Sprintf("the trial has ended: the configuration was rolled back at %s", r.Ended.Format(time.DateTime)),
			Remedy: "try again: sallyport reload --confirm 60s"}
	case !r.pending():
		return &control.Error{Text: "no configuration is on trial", Remedy: "sallyport reload --confirm 60s begins a trial"}
	case r.left() == 0:
		return &control.Error{Text: "it is too late: the configuration is being rolled back"}
	}
	cfg := d.config.Load()
	if err := d.firewall.Apply(cfg); err != nil {
		return &control.Error{Text: fmt.Sprintf("keep the configuration: %v", err), Remedy: "the trial goes on: try again"}
	}
	d.settle(cfg, d.files)
	d.events.put(event.Event{Time: time.Now(), Kind: event.KindReload, Detail: "the configuration on trial was confirmed"})
	return nil
}

// mayTry tells why a trial cannot begin, or a reload not be carried out now.
func (d *Daemon) mayTry(confirm time.Duration) error {
	switch {
	case confirm != 0 && (confirm < minTrial || confirm > maxTrial):
		return wrong(fmt.Sprintf("want %s to %s", minTrial, maxTrial), "cannot try a configuration for %s", confirm)
	case confirm == 0 && d.trial.Load().pending():
		return errors.New("a configuration is on trial: keep it with sallyport confirm, wait until it is rolled back, or begin anew with sallyport reload --confirm 60s")
	}
	return nil
}

// try brings a configuration into force on trial.
func (d *Daemon) try(ctx context.Context, cfg *config.Config, files snapshot, within time.Duration) error {
	was, old, good := d.trial.Load(), d.old, d.files
	if was.pending() {
		good = was.Good // a trial that is begun anew goes back as far
	} else {
		d.old = d.config.Load()
	}
	err := d.begin(cfg, good, files.digest(), within)
	if err == nil {
		err = d.apply(ctx, cfg, d.install, event.ByReload)
	}
	if err == nil {
		d.files = files
		return nil
	}
	d.old = old
	d.trial.Store(was)
	d.problems.clear("trial")
	if was == nil {
		was = &record{Path: cfg.Path, Good: d.files}
	}
	return errors.Join(err, was.write(cfg.Daemon.StateDir), d.install(d.config.Load()))
}

// clear removes what has been noted of a subject.
func (p *problems) clear(subject string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.all, subject)
}
