//go:build linux

package daemon

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"sallyport/internal/event"
	"sallyport/internal/inforce"
)

// fallBack decides what to run when the configuration cannot be read: what was
// last in force, and else what was last closed, with a way in for nobody but
// trusted sources. Where nothing has ever been closed there is nothing to run.
func (d *Daemon) fallBack(cause error, r *inforce.Record, broken error) (choice, error) {
	if r != nil && r.Good != nil {
		cfg, err := d.kept.LastGood(r)
		if err == nil {
			if r.Pending() {
				r = d.giveUp(r, r.Tried)
			}
			d.trial.Store(r)
			d.files = inforce.Files{Snapshot: r.Good}
			amiss := fmt.Sprintf("the configuration cannot be read (%s): the last good one, of %s, is in force, without clients that have been removed since",
				inLine(cause), r.Since.Format(time.DateTime))
			return choice{config: cfg, amiss: amiss}, nil
		}
		broken = errors.Join(broken, err)
	}
	cfg, err := d.kept.Closed(d.opts.ConfigPath)
	if errors.Is(err, fs.ErrNotExist) {
		return choice{}, fmt.Errorf("load configuration: %w", cause) // nothing was ever closed
	}
	if err != nil {
		return choice{}, errors.Join(fmt.Errorf("load configuration: %w", cause), broken, err)
	}
	amiss := fmt.Sprintf("neither the configuration (%s) nor its copy (%s) can be read: what was closed is closed, and nobody but trusted sources gets in",
		inLine(cause), inLine(broken))
	return choice{config: cfg, amiss: amiss}, nil
}

// inLine writes an error on one line.
func inLine(err error) string {
	if err == nil {
		return "there is none"
	}
	return strings.ReplaceAll(err.Error(), "\n", "; ")
}

// mend is what to do about it.
const mend = "fix the file, look at it with sallyport check, then: sallyport reload"

// tellAmiss reports that the configuration on disk is not in force, in every
// place where somebody may look: log and journal, status, a finding, and the
// line of the unit.
func (d *Daemon) tellAmiss(text string) {
	if text == "" {
		return
	}
	d.noteAmiss(text)
	d.events.Put(event.Event{Time: d.started, Kind: event.KindFailure, Detail: text})
	sum := sha256.Sum256([]byte("not-in-force " + d.opts.ConfigPath))
	d.found(event.Finding{
		ID: hex.EncodeToString(sum[:4]), Rule: "not-in-force", Severity: event.High,
		First: d.started, Last: d.started, Count: 1,
		Explanation: text + ".", Advice: "F" + mend[1:] + ".",
	}, true)
}

// noteAmiss keeps why the configuration on disk is not in force, or "" when it is.
func (d *Daemon) noteAmiss(text string) {
	if text == "" {
		d.problems.Clear("configuration")
		return
	}
	d.problems.Note("configuration", text+"; "+mend)
}

// statusLine is what the service manager shows, by sd_notify(3).
func (d *Daemon) statusLine() string {
	if text := d.problems.Get("configuration"); text != "" {
		return "STATUS=" + text
	}
	return fmt.Sprintf("STATUS=%d doors are guarded", len(d.config.Load().Doors))
}
