//go:build linux

package fleet

import (
	"testing"
	"time"

	"sallyport/internal/fleet/follow"
	"sallyport/internal/fleet/roll/rolltest"
	"sallyport/internal/fleet/store"
)

// What is heard is as fresh as its question is old: neither an event that nobody asked
// for, nor an answer that was long under way, makes a gate fresh.
func TestWhatMakesFresh(t *testing.T) {
	f := &Fleet{view: follow.New("tokyo", rolltest.New(t).State)}
	f.fresh.Store(&follow.Fresh{})
	age := func(b store.Batch) time.Duration {
		t.Helper()
		if err := f.take(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		return f.fresh.Load().Aged(now())
	}
	if got := age(store.Batch{}); got != follow.Never {
		t.Errorf("after what nobody asked for: %v", got)
	}
	if got := age(store.Batch{Asked: time.Now().Add(-time.Hour)}); got < time.Hour || got > 2*time.Hour {
		t.Errorf("after an answer that took an hour: %v", got)
	}
	if got := age(store.Batch{Asked: time.Now()}); got > time.Hour/2 {
		t.Errorf("after an answer: %v", got)
	}
	if got := age(store.Batch{Asked: time.Now().Add(-time.Hour)}); got > time.Hour/2 {
		t.Errorf("an older answer makes it older: %v", got)
	}
}
