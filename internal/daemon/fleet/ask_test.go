//go:build linux

package fleet

import (
	"errors"
	"testing"
	"time"

	"sallyport/internal/event"
	"sallyport/internal/fleet/follow"
	"sallyport/internal/fleet/roll/rolltest"
	"sallyport/internal/fleet/store"
	"sallyport/internal/fleet/store/storetest"
	"sallyport/internal/gate"
)

// The answer of an etcd that was put back counts for nothing, also where the watch has
// not noticed yet: what it has forgotten would open a second time.
func TestAnswerOfAPutBackStore(t *testing.T) {
	double := storetest.New()
	old := double.Snapshot()
	before := storetest.Put(t, double, "a", "1").Seen
	known := follow.New("tokyo", rolltest.New(t).State)
	known.Seen = before
	f := &Fleet{gate: "tokyo", view: known}
	f.message = leased{lease: mustLease(t, double), of: double, made: time.Now()}
	use := func(source string) error {
		return f.useMessage(t.Context(), double, f.seen(), gate.Decision{Kind: event.KindGrant, Client: "alice"}, []byte(source))
	}
	if err := use("first"); err != nil {
		t.Fatal(err)
	}
	if err := use("second"); !errors.Is(err, errUsed) {
		t.Errorf("used: %v", err)
	}
	double.Restore(old)
	f.message.lease = mustLease(t, double)
	if err := use("third"); !errors.Is(err, errPutBack) {
		t.Errorf("put back: %v", err)
	}
	if err := f.useStep(t.Context(), double, f.seen(), [16]byte{1}, 7, []byte("fourth")); !errors.Is(err, errPutBack) {
		t.Errorf("a step, put back: %v", err)
	}
}

func mustLease(t *testing.T, s store.Store) store.Lease {
	t.Helper()
	l, err := s.Lease(t.Context(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return l
}
