//go:build linux

package trial

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/daemon/problems"
	"sallyport/internal/inforce"
)

// Files are where configurations are read, and kept.
type Files struct {
	Path     string // of the main file, absolute
	Kept     inforce.Store
	Confirm  time.Duration // a daemon tries what is new to it at its start; 0: it does not
	Problems *problems.List
	Log      *slog.Logger
}

// Choice is what a daemon runs from its start on.
type Choice struct {
	Config *config.Config
	Amiss  string // why it is not that of the files

	begin  bool // with a trial
	settle bool // it is in force for good
	record *inforce.Record
	old    *config.Config // what a trial that goes on goes back to
	files  inforce.Files  // what it was made of
}

// Choose decides at the start which configuration to run: that of the files,
// unless it was on trial and has not been confirmed, or cannot be read.
func (f Files) Choose() (Choice, error) {
	r, broken := f.Kept.Read()
	disk, files, err := f.Kept.Load(f.Path)
	if err != nil {
		return f.fallBack(err, r, broken)
	}
	if broken != nil {
		f.Problems.Fail("trial", broken.Error()+": the configuration on disk is in force")
	}
	if r == nil || r.Path != disk.Path {
		return Choice{Config: disk, begin: f.Confirm != 0, settle: f.Confirm == 0, files: files}, nil
	}
	now := files.Digest()
	if r.Pending() && (left(r) == 0 || r.Tried != now) {
		r = f.giveUp(r, now)
	}
	switch {
	case r.Pending(): // goes on
		old, err := f.before(r, disk)
		if err != nil {
			return f.fallBack(err, r, nil)
		}
		f.noteTrial(r)
		return Choice{Config: disk, record: r, old: old, files: files}, nil
	case r.Tried == now:
		cfg, err := f.before(r, disk)
		if err != nil {
			c, err := f.fallBack(err, r, nil)
			c.record = r // the files are still those that were rolled back
			return c, err
		}
		f.noteRolledBack(r)
		return Choice{Config: cfg, record: r, files: inforce.Files{Snapshot: r.Good}}, nil
	}
	begin := f.Confirm != 0 && (r.Good == nil || r.Good.Digest() != now)
	return Choice{Config: disk, begin: begin, settle: !begin, record: r, files: files}, nil
}

// fallBack decides what to run when the configuration cannot be read: what was
// last in force, and else what was last closed, with a way in for nobody but
// trusted sources. Where nothing has ever been closed there is nothing to run.
func (f Files) fallBack(cause error, r *inforce.Record, broken error) (Choice, error) {
	if r != nil && r.Good != nil {
		cfg, err := f.Kept.LastGood(r)
		if err == nil {
			if r.Pending() {
				r = f.giveUp(r, r.Tried)
			}
			amiss := fmt.Sprintf("the configuration cannot be read (%s): the last good one, of %s, is in force, without clients that have been removed since",
				problems.InLine(cause), r.Since.Format(time.DateTime))
			return Choice{Config: cfg, Amiss: amiss, record: r, files: inforce.Files{Snapshot: r.Good}}, nil
		}
		broken = errors.Join(broken, err)
	}
	cfg, err := f.Kept.Closed(f.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return Choice{}, fmt.Errorf("load configuration: %w", cause) // nothing was ever closed
	}
	if err != nil {
		return Choice{}, errors.Join(fmt.Errorf("load configuration: %w", cause), broken, err)
	}
	amiss := fmt.Sprintf("neither the configuration (%s) nor its copy (%s) can be read: what was closed is closed, and nobody but trusted sources gets in",
		problems.InLine(cause), problems.InLine(broken))
	return Choice{Config: cfg, Amiss: amiss}, nil
}

// before returns the configuration that was in force before a trial, without
// clients that have been removed since. If there was none, it is one that closes
// nothing.
func (f Files) before(r *inforce.Record, disk *config.Config) (*config.Config, error) {
	if r.Good != nil {
		cfg, err := r.Good.Remake(r.Path)
		if err != nil {
			return nil, err
		}
		return f.Kept.Without(cfg)
	}
	empty := *disk
	empty.Gate = config.Gate{Policy: config.PolicyDoors, Closed: config.ClosedDrop}
	empty.SPA.Port, empty.Doors, empty.Groups, empty.Clients = 0, nil, nil, nil
	return &empty, nil
}

// noteTrial says that a trial is under way.
func (f Files) noteTrial(r *inforce.Record) {
	f.Problems.Note("trial", fmt.Sprintf("the configuration is on trial until %s: sallyport confirm keeps it, else it is rolled back", r.Until.Format(time.TimeOnly)))
}

// giveUp writes down that a trial is over, and that what is on disk now is not
// to be used. If that fails, the next start finds it out again.
func (f Files) giveUp(r *inforce.Record, tried string) *inforce.Record {
	ended := *r
	ended.Tried, ended.Ended = tried, time.Now()
	if err := f.Kept.Write(&ended); err != nil {
		f.Log.Error("the rollback", "error", err)
	}
	return &ended
}

// noteRolledBack says loudly that the files are not what is in force.
func (f Files) noteRolledBack(r *inforce.Record) {
	what := "the configuration before it is in force"
	if r.Good == nil {
		what = "there was none before it, so nothing is closed"
	}
	text := fmt.Sprintf("the configuration in %s was not confirmed and was rolled back at %s: %s, until the file is mended and read again (sallyport reload --confirm 60s)",
		r.Path, r.Ended.Format(time.DateTime), what)
	f.Problems.Note("trial", text)
	f.Log.Error("rolled back", "detail", text)
}
