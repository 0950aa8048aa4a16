//go:build linux

package daemon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/control"
	"sallyport/internal/daemon/boot"
	"sallyport/internal/event"
	"sallyport/internal/inforce"
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
	begin  bool   // with a trial
	settle bool   // it is in force for good
	amiss  string // why it is not that of the files
}

// choose decides at the start which configuration to run: that of the files,
// unless it was on trial and has not been confirmed, or cannot be read.
func (d *Daemon) choose() (choice, error) {
	r, broken := d.kept.Read()
	disk, files, err := d.kept.Load(d.opts.ConfigPath)
	if err != nil {
		return d.fallBack(err, r, broken)
	}
	d.files = files
	if broken != nil {
		d.problems.Fail("trial", broken.Error()+": the configuration on disk is in force")
	}
	if r == nil || r.Path != disk.Path {
		return choice{config: disk, begin: d.opts.Confirm != 0, settle: d.opts.Confirm == 0}, nil
	}
	now := files.Digest()
	if r.Pending() && (left(r) == 0 || r.Tried != now) {
		r = d.giveUp(r, now)
	}
	d.trial.Store(r)
	switch {
	case r.Pending(): // goes on
		if d.old, err = d.before(r, disk); err != nil {
			return d.fallBack(err, r, nil)
		}
		d.tellTrial(r)
		return choice{config: disk}, nil
	case r.Tried == now:
		cfg, err := d.before(r, disk)
		if err != nil {
			return d.fallBack(err, r, nil)
		}
		d.tellRolledBack(r)
		d.files = inforce.Files{Snapshot: r.Good}
		return choice{config: cfg}, nil
	}
	begin := d.opts.Confirm != 0 && (r.Good == nil || r.Good.Digest() != now)
	return choice{config: disk, begin: begin, settle: !begin}, nil
}

// left is how much time is left to confirm a trial.
func left(r *inforce.Record) time.Duration { return r.Left(boot.ID(), boot.Time()) }

// startTrial begins the trial of what a daemon runs from its start on.
func (d *Daemon) startTrial(cfg *config.Config) error {
	r := d.trial.Load()
	if r == nil {
		r = &inforce.Record{Path: cfg.Path}
		if there, err := d.firewall.Present(); err != nil || there {
			return errors.Join(err, errors.New("the doors are closed already, by a daemon that was started without --confirm: start it without, and use sallyport reload --confirm"))
		}
	}
	old, err := d.before(r, cfg)
	if err != nil {
		return err
	}
	d.old = old
	return d.begin(cfg, r.Good, r.Since, d.files.Digest(), d.opts.Confirm)
}

// before returns the configuration that was in force before a trial, without
// clients that have been removed since. If there was none, it is one that closes
// nothing.
func (d *Daemon) before(r *inforce.Record, disk *config.Config) (*config.Config, error) {
	if r.Good != nil {
		cfg, err := r.Good.Remake(r.Path)
		if err != nil {
			return nil, err
		}
		return d.kept.Without(cfg)
	}
	empty := *disk
	empty.Gate = config.Gate{Policy: config.PolicyDoors, Closed: config.ClosedDrop}
	empty.SPA.Port, empty.Doors, empty.Groups, empty.Clients = 0, nil, nil, nil
	return &empty, nil
}

// begin writes down that a trial begins.
func (d *Daemon) begin(cfg *config.Config, good inforce.Snapshot, since time.Time, tried string, within time.Duration) error {
	r := &inforce.Record{Path: cfg.Path, Good: good, Since: since, Tried: tried, Boot: boot.ID(), Deadline: boot.Time() + within, Until: time.Now().Add(within)}
	if err := d.kept.Write(r); err != nil {
		return err
	}
	d.trial.Store(r)
	d.tellTrial(r)
	return nil
}

// tellTrial says that a trial is under way, and has its end watched.
func (d *Daemon) tellTrial(r *inforce.Record) {
	d.problems.Note("trial", fmt.Sprintf("the configuration is on trial until %s: sallyport confirm keeps it, else it is rolled back", r.Until.Format(time.TimeOnly)))
	select {
	case d.tried <- struct{}{}:
	default:
	}
}

// install closes what a configuration says: for good, or on trial.
func (d *Daemon) install(cfg *config.Config) error {
	r := d.trial.Load()
	if !r.Pending() || d.old == nil {
		return d.firewall.Apply(cfg)
	}
	// Without time left the rollback is under way.
	return d.firewall.Try(d.old, cfg, max(left(r), time.Millisecond))
}

// settle writes down that a configuration is in force for good.
func (d *Daemon) settle(cfg *config.Config, files inforce.Files) {
	d.files, d.old = files, nil
	d.problems.Clear("trial")
	r, err := d.kept.Keep(cfg, files, time.Now())
	if err != nil {
		d.problems.Fail("kept", err.Error()+": if the configuration cannot be read at the next start, what was in force before this one is")
	} else {
		d.problems.Clear("kept")
	}
	d.trial.Store(r)
}

// giveUp writes down that a trial is over, and that what is on disk now is not
// to be used. If that fails, the next start finds it out again.
func (d *Daemon) giveUp(r *inforce.Record, tried string) *inforce.Record {
	ended := *r
	ended.Tried, ended.Ended = tried, time.Now()
	if err := d.kept.Write(&ended); err != nil {
		d.log.Error("the rollback", "error", err)
	}
	d.trial.Store(&ended)
	return &ended
}

// tellRolledBack says loudly that the files are not what is in force.
func (d *Daemon) tellRolledBack(r *inforce.Record) {
	what := "the configuration before it is in force"
	if r.Good == nil {
		what = "there was none before it, so nothing is closed"
	}
	text := fmt.Sprintf("the configuration in %s was not confirmed and was rolled back at %s: %s, until the file is mended and read again (sallyport reload --confirm 60s)",
		r.Path, r.Ended.Format(time.DateTime), what)
	d.problems.Note("trial", text)
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
		if !r.Pending() {
			continue
		}
		if left := left(r); left > 0 {
			timer.Reset(left)
			continue
		}
		if err := d.rollback(ctx); err != nil {
			d.problems.Fail("rollback", "roll back: "+err.Error())
			timer.Reset(rollbackAgain)
		}
	}
}

// rollback brings the configuration before the trial into force again.
func (d *Daemon) rollback(ctx context.Context) error {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	r := d.trial.Load()
	if !r.Pending() || left(r) > 0 || d.isDown() {
		return nil // confirmed meanwhile, or begun anew
	}
	before, err := d.kept.Without(d.old) // who was removed during the trial stays removed
	if err != nil {
		return err
	}
	old, waiting := d.hold(before)
	if err := d.apply(ctx, old, event.ByRollback, false, d.firewall.Apply); err != nil {
		return err
	}
	d.old, d.files = nil, inforce.Files{Snapshot: r.Good}
	d.noteWaiting(waiting)
	d.tellRolledBack(d.giveUp(r, r.Tried))
	d.problems.Clear("rollback")
	d.events.Put(event.Event{Time: time.Now(), Kind: event.KindReload, Reason: event.ByRollback,
		Detail: fmt.Sprintf("not confirmed in time: back to %d doors, %d clients", len(old.Doors), len(old.Clients))})
	return nil
}

// Confirm keeps the configuration that is on trial, but for clients that have
// been removed since it was read.
func (d *Daemon) Confirm(ctx context.Context) error {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	r := d.trial.Load()
	switch {
	case r != nil && !r.Ended.IsZero():
		return &control.Error{Text: fmt.Sprintf("the trial has ended: the configuration was rolled back at %s", r.Ended.Format(time.DateTime)),
			Remedy: "try again: sallyport reload --confirm 60s"}
	case !r.Pending():
		return &control.Error{Text: "no configuration is on trial", Remedy: "sallyport reload --confirm 60s begins a trial"}
	case left(r) == 0:
		return &control.Error{Text: "it is too late: the configuration is being rolled back"}
	}
	cfg, err := d.kept.Without(d.config.Load())
	if err == nil {
		err = d.apply(ctx, cfg, event.ByReload, false, d.firewall.Apply)
	}
	if err != nil {
		return &control.Error{Text: fmt.Sprintf("keep the configuration: %v", err), Remedy: "the trial goes on: try again"}
	}
	d.settle(cfg, d.files)
	d.events.Put(event.Event{Time: time.Now(), Kind: event.KindReload, Detail: "the configuration on trial was confirmed"})
	return nil
}

// mayTry tells why a trial cannot begin, or a reload not be carried out now.
func (d *Daemon) mayTry(confirm time.Duration) error {
	switch {
	case confirm != 0 && (confirm < minTrial || confirm > maxTrial):
		return control.Wrong(fmt.Sprintf("want %s to %s", minTrial, maxTrial), "cannot try a configuration for %s", confirm)
	case confirm == 0 && d.trial.Load().Pending():
		return errors.New("a configuration is on trial: keep it with sallyport confirm, wait until it is rolled back, or begin anew with sallyport reload --confirm 60s")
	}
	return nil
}

// try brings a configuration into force on trial.
func (d *Daemon) try(ctx context.Context, cfg *config.Config, files inforce.Files, within time.Duration) error {
	was, old, good, since := d.trial.Load(), d.old, d.files.Snapshot, time.Time{}
	if was != nil {
		since = was.Since
	}
	if was.Pending() {
		good = was.Good // a trial that is begun anew goes back as far
	} else {
		d.old = d.config.Load()
	}
	err := d.begin(cfg, good, since, files.Digest(), within)
	if err == nil {
		err = d.apply(ctx, cfg, event.ByReload, true, d.install)
	}
	if err == nil {
		d.files = files
		return nil
	}
	d.old = old
	d.trial.Store(was)
	d.problems.Clear("trial")
	if was == nil {
		was = &inforce.Record{Path: cfg.Path, Good: d.files.Snapshot}
	}
	return errors.Join(err, d.kept.Write(was), d.install(d.config.Load()))
}
