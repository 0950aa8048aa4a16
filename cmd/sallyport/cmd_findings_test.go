//go:build linux && !client_only

package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sallyport/internal/event"
)

func TestFindingsCommand(t *testing.T) {
	now := time.Now()
	path := keepEvents(t, nil,
		event.Finding{ID: "a1", Rule: "scan-fast", Severity: event.Low, Source: visitor, First: now, Last: now, Count: 1, Explanation: "someone scans", Advice: "Nothing."},
		event.Finding{ID: "b2", Rule: "interception", Severity: event.Critical, Client: "alice", First: now.Add(-time.Hour), Last: now, Count: 3, Explanation: "someone listens"})
	out, _, _ := call(t, "", "findings", "--journal", path)
	if !strings.HasPrefix(out, "CRITICAL  someone listens\n  b2  interception  client alice, 3 times from") || !strings.Contains(out, "LOW  someone scans") {
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
	if out, _, _ := call(t, "", "findings", "--all", "--journal", path); !strings.Contains(out, "listens (acknowledged by ") {
		t.Errorf("all findings:\n%s", out)
	}
	if _, errs, status := call(t, "", "findings", "ack", "zz", "--journal", path); status != exitFailed || !strings.Contains(errs, `there is no finding "zz"`) {
		t.Errorf("acknowledge what is not there: status %d: %s", status, errs)
	}
}

// Advice fits who was refused the journal: nobody advises root to become root.
func TestJournalWithoutTheRight(t *testing.T) {
	now := time.Now()
	path := keepEvents(t, nil, event.Finding{ID: "a1", Rule: "scan-fast", Severity: event.Low, First: now, Last: now, Count: 1})
	if err := errors.Join(os.Chmod(filepath.Dir(filepath.Dir(path)), 0o755), os.Chmod(filepath.Dir(path), 0o755)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		become func(*testing.T, func())
		mode   os.FileMode
		args   []string
		want   string
	}{
		{asNobody, 0o600, []string{"events"}, "hint: run it as root (sudo)"},
		{asNobody, 0o600, []string{"findings", "ack", "a1"}, "hint: run it as root (sudo)"},
		{asNobody, 0o644, []string{"findings", "ack", "a1"}, "hint: run it as root (sudo)"}, // it reads before it writes
		{asRefusedRoot, 0o600, []string{"events"}, "hint: root is refused, too"},
		{asRefusedRoot, 0o600, []string{"findings", "ack", "a1"}, "hint: root is refused, too"},
	} {
		if err := os.Chmod(path, c.mode); err != nil {
			t.Fatal(err)
		}
		c.become(t, func() {
			_, errs, status := call(t, "", append(c.args, "--journal", path)...)
			if status != exitFailed || !strings.Contains(errs, "permission denied") || !strings.Contains(errs, c.want) {
				t.Errorf("%q of a journal with mode %o: status %d, %q; want %q", c.args, c.mode, status, errs, c.want)
			}
		})
	}
}

func TestFindingsByRuleAndPrefix(t *testing.T) {
	now := time.Now()
	finding := func(id, rule string) event.Finding {
		return event.Finding{ID: id, Rule: rule, Severity: event.High, First: now, Last: now, Count: 1, Explanation: rule + " it is"}
	}
	path := keepEvents(t, nil, finding("059bff", "near-miss"), finding("05a1", "clock"), finding("7c", "replay"))
	if out, _, _ := call(t, "", "findings", "--rule", "near-miss", "--journal", path); !strings.Contains(out, "near-miss it is") || strings.Contains(out, "clock") {
		t.Errorf("--rule near-miss:\n%s", out)
	}
	if _, errs, status := call(t, "", "findings", "--rule", "near-mis", "--journal", path); status != exitUsage || !strings.Contains(errs, "did you mean near-miss?") {
		t.Errorf("status %d: %s", status, errs)
	}
	if _, errs, status := call(t, "", "findings", "ack", "05", "--journal", path); status != exitFailed || !strings.Contains(errs, `2 findings begin with "05"`) {
		t.Errorf("status %d: %s", status, errs)
	}
	if out, errs, status := call(t, "", "findings", "ack", "059b", "--journal", path); status != exitDone || !strings.HasPrefix(out, "finding 059bff is acknowledged by ") {
		t.Errorf("status %d: %s%s", status, out, errs)
	}
	if out, _, _ := call(t, "", "__complete", "findings", "ack", "--journal", path, ""); !strings.Contains(out, "05a1\n7c\n") || strings.Contains(out, "059bff") {
		t.Errorf("offered:\n%s", out)
	}
	n := openFindings(t.Context(), newServer(t, oneDoor).config)
	if n != nil {
		t.Errorf("%v without a journal", n)
	}
	var line strings.Builder
	findingCounts{event.High: 1, event.Info: 4}.print(&line)
	if line.String() != "5 findings open, 1 high, 4 info: sallyport findings\n" {
		t.Errorf("%q", line.String())
	}
}
