//go:build linux && !client_only

package main

import (
	"strings"
	"testing"
	"time"

	"sallyport/internal/event"
)

func TestFindingsCommand(t *testing.T) {
	now := time.Now()
	path := keepEvents(t, nil,
		event.Finding{ID: "a1", Rule: "scan-fast", Severity: event.Low, Source: visitor, First: now, Last: now, Count: 1, Explanation: "somebody scans", Advice: "Nothing."},
		event.Finding{ID: "b2", Rule: "interception", Severity: event.Critical, Client: "alice", First: now.Add(-time.Hour), Last: now, Count: 3, Explanation: "somebody listens"})
	out, _, _ := call(t, "", "findings", "--journal", path)
	if !strings.HasPrefix(out, "CRITICAL  somebody listens\n  b2  interception  client alice, 3 times from") || !strings.Contains(out, "LOW  somebody scans") {
		t.Errorf("findings:\n%s", out)
	}
	if out, _, _ := call(t, "", "findings", "--severity", "high", "--journal", path); strings.Contains(out, "scans") {
		t.Errorf("high findings:\n%s", out)
	}
	if _, _, status := call(t, "", "findings", "ack", "b2", "--journal", path); status != 0 {
		t.Errorf("acknowledge: status %d", status)
	}
	if out, _, _ := call(t, "", "findings", "--journal", path); strings.Contains(out, "listens") {
		t.Errorf("an acknowledged finding is shown:\n%s", out)
	}
	if out, _, _ := call(t, "", "findings", "--all", "--journal", path); !strings.Contains(out, "listens (acknowledged)") {
		t.Errorf("all findings:\n%s", out)
	}
	if _, errs, status := call(t, "", "findings", "ack", "zz", "--journal", path); status != exitFailed || !strings.Contains(errs, `there is no finding "zz"`) {
		t.Errorf("acknowledge what is not there: status %d: %s", status, errs)
	}
}
