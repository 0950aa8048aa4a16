//go:build linux

package daemon

import (
	"testing"
	"time"
)

// By logins that fail a stranger keeps none that succeeds out of the journal.
func TestFailuresHideNoLogins(t *testing.T) {
	n, now := &notes{}, time.Unix(1_900_000_000, 0)
	taken := 0
	for range 10 * notesOfMinute {
		if n.enter(now, true) {
			taken++
		}
	}
	if taken != failuresOfMinute {
		t.Errorf("%d failures", taken)
	}
	for i := range notesOfMinute {
		if want := i < notesOfMinute-failuresOfMinute; n.enter(now, false) != want {
			t.Errorf("login %d: want %t", i, want)
		}
	}
	if now = now.Add(time.Minute); !n.enter(now, true) || !n.enter(now, false) {
		t.Error("a minute later nothing is noted")
	}
}
