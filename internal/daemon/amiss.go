//go:build linux

package daemon

import (
	"crypto/sha256"
	"encoding/hex"

	"sallyport/internal/event"
	"sallyport/internal/phrase"
)

// mend is what to do about it.
const mend = "fix the file, look at it with sallyport check, then: sallyport reload"

// tellAmiss reports that the configuration on disk is not in force, in every
// place where someone may look: log and journal, status, a finding, and the
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
	return "STATUS=guarding " + phrase.Count(len(d.config.Load().Doors), "door")
}
