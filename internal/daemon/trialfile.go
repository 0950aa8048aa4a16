//go:build linux

package daemon

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"sallyport/internal/atomicfile"
)

// record is what is kept on disk of trials, so that a daemon that is started
// again knows where it stands. It holds secrets, as the configuration does.
type record struct {
	Path     string        `json:"path"`               // of the main configuration file
	Good     snapshot      `json:"good"`               // in force before the trial; null: nothing was closed
	Tried    string        `json:"tried,omitempty"`    // digest of what is, or was, on trial; empty: no trial since Good
	Boot     string        `json:"boot,omitempty"`     // the run of the machine that Deadline belongs to
	Deadline time.Duration `json:"deadline,omitempty"` // by boottime
	Until    time.Time     `json:"until,omitzero"`     // the same by the clock, for people
	Ended    time.Time     `json:"ended,omitzero"`     // when it was rolled back
}

// pending tells whether a trial is under way.
func (r *record) pending() bool {
	return r != nil && r.Tried != "" && r.Ended.IsZero()
}

// left is how much time is left to confirm a trial.
func (r *record) left() time.Duration {
	if r.Boot != bootID() {
		return 0
	}
	return max(0, r.Deadline-boottime())
}

func recordPath(stateDir string) string { return filepath.Join(stateDir, "trial.json") }

// readRecord returns nil if there has never been a trial.
func readRecord(stateDir string) (*record, error) {
	text, err := os.ReadFile(recordPath(stateDir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var r record
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	if err != nil {
		return nil, fmt.Errorf("read what is known of trials (%s): %w", recordPath(stateDir), err)
	}
	return &r, nil
}

// write replaces the record on disk, as a whole or not at all. It survives the
// machine, too.
func (r *record) write(stateDir string) error {
	text, err := json.Marshal(r)
	if err == nil {
		err = os.MkdirAll(stateDir, 0o700)
	}
	if err == nil {
		err = atomicfile.Replace(recordPath(stateDir), text, atomicfile.Options{})
	}
	if err != nil {
		return fmt.Errorf("keep what is known of trials: %w", err)
	}
	return nil
}
