// Package clock notices when the clock of the machine is set forward. It is pure:
// the times are handed in.
package clock

import "time"

// step is the smallest difference that counts. A clock that is slewed carries the
// monotonic one along, so that only steps, and a machine that was asleep, make one.
const step = 500 * time.Millisecond

// Watch compares the wall clock with the monotonic one. The zero Watch has seen
// no time yet.
type Watch struct{ last time.Time }

// Forward takes the present time, with its monotonic reading, and reports whether
// the clock has been set forward since it was last asked.
func (w *Watch) Forward(now time.Time) bool {
	last := w.last
	w.last = now
	if last.IsZero() {
		return false
	}
	return now.Round(0).Sub(last.Round(0))-now.Sub(last) >= step
}
