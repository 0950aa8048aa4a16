//go:build linux && !client_only

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/internal/lab"
	"sallyport/internal/lab/labtest"
)

// From a host with everything open to doors for what few use, with nothing closed
// in between.
func TestObserve(t *testing.T) {
	t.Parallel()
	labtest.Need(t, "peers", "nft")
	w := newWorld(t, lab.Options{})
	w.serve("tcp", 22)
	w.serve("tcp", 8443)
	file := filepath.Join(w.dir, "observed.json")

	if _, errs, status := w.run(w.Gate, "observe", "report", "--file", file); status != exitFailed || !strings.Contains(errs, "nothing has been observed") {
		t.Errorf("without a record: status %d, %s", status, errs)
	}
	if _, errs, status := w.run(w.Gate, "observe", "--file", file); status != exitFailed || !strings.Contains(errs, "does not track connections") {
		t.Errorf("without tracking: status %d, %s", status, errs)
	}
	w.nft(`add table inet track
add chain inet track in { type filter hook input priority 0; }
add rule inet track in ct state established counter`)

	said := &lockedBuffer{}
	cmd := w.sallyport(w.Gate, "observe", "--file", file)
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.eventually("it observes", func() bool { return strings.Contains(said.String(), "NOTHING IS CLOSED") })
	w.open(w.Client, "tcp", at(w.Client, 8443))
	s := w.connect(w.Client, at(w.Client, 22))
	w.lives(s, "while it observes")
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}

	report := w.must(w.Gate, "observe", "report", "--file", file)
	for _, part := range []string{"NOTHING IS CLOSED", "less than a week", "tcp/22", "would be shut out", w.Client.IP4.String()} {
		if !strings.Contains(report, part) {
			t.Errorf("the report lacks %q:\n%s", part, report)
		}
	}
	report = w.must(w.Gate, "observe", "report", "--file", file, "--lang", "ja")
	for _, part := range []string{"何も閉じていません", "1 週間に満たない", "tcp/22", "ノックするまで入れなくなります", w.Client.IP4.String()} {
		if !strings.Contains(report, part) {
			t.Errorf("the Japanese report lacks %q:\n%s", part, report)
		}
	}
	etc := filepath.Join(w.dir, "etc")
	w.must(w.Gate, "init", "--dir", etc, "--no-unit", "--from-observed="+file)
	text, err := os.ReadFile(filepath.Join(etc, "sallyport.toml"))
	if err != nil || !strings.Contains(string(text), `"tcp/22"`) || !strings.Contains(string(text), `"tcp/8443"`) {
		t.Errorf("%v\n%s", err, text)
	}

	if err := os.WriteFile(file, []byte(`{"ports":[null]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"observe"}, {"observe", "report"}} {
		if _, errs, status := w.run(w.Gate, append(args, "--file", file)...); status != exitFailed || !strings.Contains(errs, "is no record") {
			t.Errorf("%q with a broken record: status %d, %s", args, status, errs)
		}
	}
}

// Beside a gate it refuses: what that closes would look as if nobody used it.
func TestObserveBesideAGate(t *testing.T) {
	t.Parallel()
	labtest.Need(t, "peers", "nft")
	w := newGuarded(t, "[[door]]\nname = \"ssh\"\nports = [\"tcp/22\"]\n")
	_, errs, status := w.run(w.Gate, "observe", "--socket", w.socket, "--file", filepath.Join(w.dir, "observed.json"))
	if status != exitFailed || !strings.Contains(errs, "the gate runs") {
		t.Errorf("status %d, %s", status, errs)
	}
}
