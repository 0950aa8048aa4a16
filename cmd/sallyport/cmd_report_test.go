//go:build linux && !client_only

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReportCommand(t *testing.T) {
	path := keepEvents(t, someEvents())
	text, _, status := call(t, "", "report", "--journal", path)
	if status != 0 || !strings.Contains(text, "grants: 1 (0 used); knocks refused: 2") {
		t.Errorf("status %d:\n%s", status, text)
	}
	page := filepath.Join(t.TempDir(), "report.html")
	if _, errs, status := call(t, "", "report", "--html", page, "--journal", path); status != 0 {
		t.Fatal(errs)
	}
	info, err := os.Stat(page)
	if err != nil || info.Mode().Perm() != 0o600 || info.Size() < 5000 {
		t.Errorf("%v, %v", info, err)
	}
	if _, errs, status := call(t, "", "report", "--html", "/nowhere/report.html", "--journal", path); status != exitFailed || !strings.Contains(errs, "write /nowhere/report.html") {
		t.Errorf("status %d: %s", status, errs)
	}
	out, _, _ := call(t, "", "report", "--json", "--since", "150m", "--journal", path)
	var s struct {
		Grants   int
		Refusals map[string]int
	}
	if err := json.Unmarshal([]byte(out), &s); err != nil || s.Grants != 1 || s.Refusals["forbidden-door"] != 1 {
		t.Errorf("%+v, %v", s, err)
	}
}
