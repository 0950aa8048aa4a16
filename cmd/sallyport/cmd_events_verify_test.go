//go:build linux && !client_only

package main

import (
	"strings"
	"testing"
)

func TestEventsVerify(t *testing.T) {
	path := keepEvents(t, someEvents())
	out, _, status := call(t, "", "events", "verify", "--journal", path)
	_, known, ok := strings.Cut(strings.TrimSpace(out), "latest: ")
	if status != 0 || !ok || !strings.HasPrefix(out, "4 events checked, 0 outside") {
		t.Fatalf("status %d:\n%s", status, out)
	}
	if _, errs, status := call(t, "", "events", "verify", "--known", known, "--journal", path); status != 0 {
		t.Errorf("what was printed is not known again: %s", errs)
	}
	if _, errs, status := call(t, "", "events", "verify", "--known", "4:0000000000000000", "--journal", path); status != exitFailed || !strings.Contains(errs, "was changed") {
		t.Errorf("another hash: status %d: %s", status, errs)
	}
}
