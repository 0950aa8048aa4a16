//go:build linux

// Package trial knows which configuration is in force, and goes back to the one before.
//
// A configuration on trial is in force until its deadline unless it has been
// confirmed. Before it is brought into force, what is needed to go back is on
// disk; and the kernel goes back by itself, whatever becomes of this process.
// The files of the administrator are never touched: after a rollback the daemon
// runs the kept copy of the configuration before, also when it is started
// again, until the files have changed and are read again.
package trial

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/control"
	"sallyport/internal/daemon/boot"
	"sallyport/internal/event"
	"sallyport/internal/inforce"
	"sallyport/internal/phrase"
)

// Trials can last this long.
const (
	Least = time.Second
	Most  = time.Hour
)

// rollbackAgain is when a rollback that failed is tried again. The kernel has
// gone back by then in any case.
const rollbackAgain = time.Second

// keepAgain is how often what could not be written down is tried again: a disk that
// was full has room some time.
const keepAgain = 5 * time.Second

// Firewall closes what a configuration says.
type Firewall interface {
	Apply(*config.Config) error
	Try(old, cfg *config.Config, left time.Duration) error
	Present() (bool, error)
}

// Around is what trials reach of the daemon.
type Around struct {
	Files
	Firewall Firewall
	Put      func(event.Event)
	InForce  func() *config.Config
	// Apply carries a configuration everywhere, or nowhere. Strict is what a person
	// waits for: what cannot be had is refused.
	Apply func(ctx context.Context, cfg *config.Config, why event.Reason, strict bool, install func(*config.Config) error) error
	// GoBack does the same with the one before, as far as it can be in force, and
	// returns what is.
	GoBack func(ctx context.Context, before *config.Config) (*config.Config, error)
	Down   func() bool // the doors have been opened for good
}

// Trial is the configuration in force, and the one before while it is on trial. Run,
// Confirm and Record may be called at any time; the other methods while Changing is
// held.
type Trial struct {
	Changing sync.Mutex // held while the configuration changes; guards old, files and unkept

	Around
	chosen Choice
	record atomic.Pointer[inforce.Record] // nil: nothing is known to have been in force
	begun  chan struct{}                  // a trial has begun
	old    *config.Config                 // what a trial goes back to
	files  inforce.Files                  // what the configuration in force was made of
	unkept *unkept                        // nil: what is in force is written down
}

// unkept is what is in force for good and could not be written down.
type unkept struct {
	cfg    *config.Config
	files  inforce.Files
	record *inforce.Record
}

// New returns the trial of what was chosen.
func New(around Around, chosen Choice) *Trial {
	t := &Trial{Around: around, chosen: chosen, begun: make(chan struct{}, 1), old: chosen.old, files: chosen.files}
	t.record.Store(chosen.record)
	return t
}

// Record returns what is kept of the configuration in force, nil if nothing is known.
func (t *Trial) Record() *inforce.Record { return t.record.Load() }

// First closes the doors of what was chosen, on trial if it has to be.
func (t *Trial) First(cfg *config.Config) error {
	if t.chosen.begin {
		if err := t.startTrial(cfg); err != nil {
			return err
		}
	}
	if err := t.Install(cfg); err != nil {
		return fmt.Errorf("close the doors: %w", err)
	}
	return nil
}

// Started writes down that what was chosen is in force for good, if it is.
func (t *Trial) Started() {
	if t.chosen.settle {
		t.Settle(t.chosen.Config, t.files)
	}
}

// left is how much time is left to confirm a trial.
func left(r *inforce.Record) time.Duration { return r.Left(boot.ID(), boot.Time()) }

// startTrial begins the trial of what a daemon runs from its start on.
func (t *Trial) startTrial(cfg *config.Config) error {
	r := t.record.Load()
	if r == nil {
		r = &inforce.Record{Path: cfg.Path}
		if there, err := t.Firewall.Present(); err != nil || there {
			return errors.Join(err, errors.New("the doors are closed already, by a daemon that was started without --confirm: start it without, and use sallyport reload --confirm"))
		}
	}
	old, err := t.before(r, cfg)
	if err != nil {
		return err
	}
	t.old = old
	return t.begin(cfg, r.Good, r.Since, t.files.Digest(), t.Files.Confirm)
}

// begin writes down that a trial begins.
func (t *Trial) begin(cfg *config.Config, good inforce.Snapshot, since time.Time, tried string, within time.Duration) error {
	r := &inforce.Record{Path: cfg.Path, Good: good, Since: since, Tried: tried, Boot: boot.ID(), Deadline: boot.Time() + within, Until: time.Now().Add(within)}
	if err := t.Kept.Write(r); err != nil {
		return err
	}
	t.record.Store(r)
	t.watch(r)
	return nil
}

// watch says that a trial is under way, and has its end watched.
func (t *Trial) watch(r *inforce.Record) {
	t.noteTrial(r)
	select {
	case t.begun <- struct{}{}:
	default:
	}
}

// Install closes what a configuration says: for good, or on trial.
func (t *Trial) Install(cfg *config.Config) error {
	r := t.record.Load()
	if !r.Pending() || t.old == nil {
		return t.Firewall.Apply(cfg)
	}
	// Without time left the rollback is under way.
	return t.Firewall.Try(t.old, cfg, max(left(r), time.Millisecond))
}

// Settle writes down that a configuration is in force for good.
func (t *Trial) Settle(cfg *config.Config, files inforce.Files) {
	t.files, t.old = files, nil
	t.Problems.Clear("trial")
	r, err := t.Kept.Keep(cfg, files, time.Now())
	t.record.Store(r)
	if err != nil {
		t.unkept = &unkept{cfg, files, r}
		t.Problems.Fail("kept", err.Error()+": if the configuration cannot be read at the next start, what was in force before this one is")
		return
	}
	t.unkept = nil
	t.Problems.Clear("kept")
}

// settleAgain writes down what could not be before, if it is still in force.
func (t *Trial) settleAgain() {
	t.Changing.Lock()
	defer t.Changing.Unlock()
	u := t.unkept
	if u == nil || u.record != t.record.Load() || t.Down() {
		return
	}
	r, err := t.Kept.Keep(u.cfg, u.files, u.record.Since)
	if err != nil {
		return // which has been said
	}
	t.record.Store(r)
	t.unkept = nil
	t.Problems.Clear("kept")
}

// Run rolls back what has not been confirmed in time, and writes down what could not
// be, until the context ends.
func (t *Trial) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	again := time.NewTicker(keepAgain)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-again.C:
			t.settleAgain()
			continue
		case <-t.begun:
		case <-timer.C:
		}
		r := t.record.Load()
		if !r.Pending() {
			continue
		}
		if left := left(r); left > 0 {
			timer.Reset(left)
			continue
		}
		if err := t.rollback(ctx); err != nil {
			t.Problems.Fail("rollback", "roll back: "+err.Error())
			timer.Reset(rollbackAgain)
		}
	}
}

// rollback brings the configuration before the trial into force again.
func (t *Trial) rollback(ctx context.Context) error {
	t.Changing.Lock()
	defer t.Changing.Unlock()
	r := t.record.Load()
	if !r.Pending() || left(r) > 0 || t.Down() {
		return nil // confirmed meanwhile, or begun again
	}
	before, err := t.Kept.Without(t.old) // who was removed during the trial stays removed
	if err != nil {
		return err
	}
	old, err := t.GoBack(ctx, before)
	if err != nil {
		return err
	}
	t.old, t.files = nil, inforce.Files{Snapshot: r.Good}
	ended := t.giveUp(r, r.Tried)
	t.record.Store(ended)
	t.noteRolledBack(ended)
	t.Problems.Clear("rollback")
	t.Put(event.Event{Time: time.Now(), Kind: event.KindReload, Reason: event.ByRollback,
		Detail: "not confirmed in time: back to " + phrase.Count(len(old.Doors), "door") + ", " + phrase.Count(len(old.Clients), "client")})
	return nil
}

// Confirm keeps the configuration that is on trial, but for clients that have
// been removed since it was read.
func (t *Trial) Confirm(ctx context.Context) error {
	t.Changing.Lock()
	defer t.Changing.Unlock()
	r := t.record.Load()
	switch {
	case r != nil && !r.Ended.IsZero():
		return &control.Error{Text: fmt.Sprintf("the trial has ended: the configuration was rolled back at %s", r.Ended.Format(time.DateTime)),
			Remedy: "try again: sallyport reload --confirm 60s"}
	case !r.Pending():
		return &control.Error{Text: "no configuration is on trial", Remedy: "sallyport reload --confirm 60s begins a trial"}
	case left(r) == 0:
		return &control.Error{Text: "it is too late: the configuration is being rolled back"}
	}
	cfg, err := t.Kept.Without(t.InForce())
	if err == nil {
		err = t.Apply(ctx, cfg, event.ByReload, false, t.Firewall.Apply)
	}
	if err != nil {
		return &control.Error{Text: fmt.Sprintf("keep the configuration: %v", err), Remedy: "the trial goes on: try again"}
	}
	t.Settle(cfg, t.files)
	t.Put(event.Event{Time: time.Now(), Kind: event.KindReload, Detail: "the configuration on trial was confirmed"})
	return nil
}

// MayTry returns an error if no trial can begin, or no reload can be carried out, now.
func (t *Trial) MayTry(confirm time.Duration) error {
	switch {
	case confirm != 0 && (confirm < Least || confirm > Most):
		return control.Wrong(fmt.Sprintf("want %s to %s", phrase.Duration(Least), phrase.Duration(Most)), "cannot try a configuration for %s", phrase.Duration(confirm))
	case confirm == 0 && t.record.Load().Pending():
		return errors.New("a configuration is on trial: keep it with sallyport confirm, wait until it is rolled back, or begin another trial with sallyport reload --confirm 60s")
	}
	return nil
}

// MayBring refuses what was rolled back, unless it is meant.
func (t *Trial) MayBring(q control.ReloadRequest, files inforce.Files) error {
	r := t.record.Load()
	switch {
	case r == nil || r.Ended.IsZero():
	case q.Implied:
		return &control.Error{Text: "the configuration on disk is not the one in force: it was rolled back at " + r.Ended.Format(time.DateTime),
			Remedy: "mend it, or bring it into force, with sallyport reload --confirm 60s; then try again"}
	case r.Tried == files.Digest() && q.Confirm == 0 && !q.Force:
		return &control.Error{Text: "this very configuration was rolled back, and has not changed since",
			Remedy: "mend it, or try it again: sallyport reload --confirm 60s"}
	}
	return nil
}

// Try brings a configuration into force on trial.
func (t *Trial) Try(ctx context.Context, cfg *config.Config, files inforce.Files, within time.Duration) error {
	was, old, good, since := t.record.Load(), t.old, t.files.Snapshot, time.Time{}
	if was != nil {
		since = was.Since
	}
	if was.Pending() {
		good = was.Good // a trial that is begun again goes back as far
	} else {
		t.old = t.InForce()
	}
	err := t.begin(cfg, good, since, files.Digest(), within)
	if err == nil {
		err = t.Apply(ctx, cfg, event.ByReload, true, t.Install)
	}
	if err == nil {
		t.files = files
		return nil
	}
	t.old = old
	t.record.Store(was)
	t.Problems.Clear("trial")
	if was == nil {
		was = &inforce.Record{Path: cfg.Path, Good: t.files.Snapshot}
	}
	return errors.Join(err, t.Kept.Write(was), t.Install(t.InForce()))
}
