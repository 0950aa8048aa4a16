//go:build linux && !client_only

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/internal/drill"
	"sallyport/internal/drill/drilltest"
	"sallyport/internal/lab/labtest"
)

// runDrill runs the command from outside any lab, as a user starts it.
func runDrill(t *testing.T, config string, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	admit(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "sallyport.toml")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, append([]string{"drill", "-c", path}, args...)...)
	cmd.Env = append(os.Environ(), actAsCommand+"=1", "SALLYPORT_LAB_OUTSIDE=")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

func TestDrillOfOrdinaryGates(t *testing.T) {
	t.Parallel()
	labtest.Need(t, "netns")
	if !labtest.Long() {
		t.Skip("it carries out two hundred attacks")
	}
	for name, config := range drilltest.Gates {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, errs, status := runDrill(t, config, "--quick", "--json")
			var r drill.Report
			if err := json.Unmarshal([]byte(out), &r); err != nil {
				t.Fatalf("%v\n%s%s", err, out, errs)
			}
			for _, result := range r.Results {
				if !result.Ok() {
					t.Errorf("%s: %s: %s", result.ID, result.Verdict, result.Why)
				}
			}
			if status != 0 || len(r.Results) < 60 || r.Count(drill.Held) < 45 {
				t.Errorf("status %d, %d results, %d held", status, len(r.Results), r.Count(drill.Held))
			}
			if strings.Contains(out+errs, "17043") {
				t.Error("a sequence is printed")
			}
		})
	}
}

// The exit status says whether everything was as expected, and whether the
// command was used rightly.
func TestDrillStatus(t *testing.T) {
	t.Parallel()
	labtest.Need(t, "netns")
	before, page := filepath.Join(t.TempDir(), "before.json"), filepath.Join(t.TempDir(), "drill.html")
	out, errs, status := runDrill(t, drilltest.Gates[drilltest.Server], "probe-door", "day-near-miss", "--json")
	if status != 0 || os.WriteFile(before, []byte(out), 0o600) != nil {
		t.Fatalf("status %d\n%s%s", status, out, errs)
	}
	blind := drilltest.Gates[drilltest.Server] + "[detect]\nenabled = false\n"
	out, errs, status = runDrill(t, blind, "probe-door", "day-near-miss", "--since", before, "--html", page, "--lang", "ja")
	if status != 1 || !strings.Contains(out, "day-near-miss: 前回は防御、今回は失敗") {
		t.Errorf("status %d\n%s%s", status, out, errs)
	}
	text, err := os.ReadFile(page)
	if err != nil || !bytes.Contains(text, []byte("自組織のゲートへの攻撃演習")) || bytes.Contains(text, []byte("src=")) {
		t.Errorf("%v\n%s", err, text)
	}
	for _, args := range [][]string{{"no-such-attack"}, {"--group", "no-such-group"}, {"--group="}, {"--at-once", "0"}, {"--since", "/does/not/exist"},
		{"--wait", "1m"}, {"--history"}, {"--exercise", "--quick"}, {"--exercise", "scan-ordered"}, {"--exercise", "--severity", "grave"}, {"--exercise", "--wait", "8d"}} {
		if out, errs, status := runDrill(t, blind, args...); status != 2 {
			t.Errorf("%q: status %d\n%s%s", args, status, out, errs)
		}
	}
}
