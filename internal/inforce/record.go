package inforce

import "time"

// Record is what is in force, and how a trial of something else went, so that
// a daemon that is started again knows where it stands. It holds secrets, as
// the configuration does.
type Record struct {
	Path     string        `json:"path"`               // of the main configuration file
	Good     Snapshot      `json:"good"`               // in force, or was before the trial; null: nothing was closed
	Since    time.Time     `json:"since,omitzero"`     // when Good came into force
	Tried    string        `json:"tried,omitempty"`    // digest of what is, or was, on trial; empty: no trial since Good
	Boot     string        `json:"boot,omitempty"`     // the run of the machine that Deadline belongs to
	Deadline time.Duration `json:"deadline,omitempty"` // by the time since that run began
	Until    time.Time     `json:"until,omitzero"`     // the same by the clock, for people
	Ended    time.Time     `json:"ended,omitzero"`     // when it was rolled back
}

// Pending reports whether a trial is under way.
func (r *Record) Pending() bool {
	return r != nil && r.Tried != "" && r.Ended.IsZero()
}

// Left is how much time is left to confirm a trial, in a run of the machine and
// at a time since it began.
func (r *Record) Left(boot string, now time.Duration) time.Duration {
	if r.Boot != boot {
		return 0
	}
	return max(0, r.Deadline-now)
}
