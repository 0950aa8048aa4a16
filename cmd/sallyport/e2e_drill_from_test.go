//go:build linux && !client_only

package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sallyport/internal/drill"
	"sallyport/internal/event"
)

// received is how many packets the gate has received from the attacker's network.
func (w *world) received() int {
	w.t.Helper()
	var out bytes.Buffer
	cmd := w.Gate.Command(w.t.Context(), "cat", "/proc/net/dev")
	cmd.Stdout = &out
	if err := cmd.Run(); err != nil {
		w.t.Fatal(err)
	}
	_, line, _ := strings.Cut(out.String(), "to-attacker:")
	fields := strings.Fields(line)
	if len(fields) < 2 {
		w.t.Fatalf("no packets are counted: %s", out.String())
	}
	n, err := strconv.Atoi(fields[1])
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

// A drill from another machine, from the consent to the grade. Findings come, and are
// marked; the attacker is banned, and the ban is lifted by name. The journal has the
// consent.
func TestDrillFromElsewhere(t *testing.T) {
	t.Parallel()
	w := newGuarded(t, sshDoor+eager)
	attacker := w.Attacker.IP4.String()
	token := strings.TrimSpace(w.must(w.Gate, "drill", "-c", w.config, "--consent", "--for", attacker, "--valid", "30m"))
	if _, errs, status := w.run(w.Gate, "drill", "-c", w.config, "--consent", "--for", attacker); status != 1 || !strings.Contains(errs, "another consent to a drill is in force") {
		t.Errorf("a second consent: status %d: %s", status, errs)
	}
	before, began := w.received(), time.Now()
	record := w.must(w.Attacker, "drill", "--from", w.Attacker.Gate4.String(), "--token", token, "scan-ordered", "probe-door", "ban-decoys")
	packets, took := w.received()-before, time.Since(began)
	if most := 200*took.Seconds() + 50; packets < 100 || float64(packets) > most { // the 50 are of ARP, IPv6 and the like
		t.Errorf("%d packets in %s, want %.0f at most", packets, took, most)
	}
	w.bans(w.Attacker.IP4)
	w.journaled("; drill ", "--kind", "ban", "--source", attacker)

	w.refusesRecords(token, record)
	file := filepath.Join(w.dir, "record.json")
	if err := os.WriteFile(file, []byte(record), 0o600); err != nil {
		t.Fatal(err)
	}
	out, errs, status := w.run(w.Gate, "drill", "-c", w.config, "--result", token, file, "--json")
	var r drill.Report
	if err := json.Unmarshal([]byte(out), &r); err != nil || status != 0 || r.Count(drill.Held) != 3 || len(r.From) != 1 || r.From[0] != w.Attacker.IP4 {
		t.Fatalf("status %d, %v: %s%s", status, err, out, errs)
	}
	if scan := r.Results[0]; !slices.Contains(scan.Seen, "scan-fast") || len(scan.Opened) > 0 {
		t.Errorf("%+v", scan)
	}
	if !strings.Contains(errs, "The ban of "+attacker+"/32 is lifted.") || len(w.banned()) > 0 {
		t.Errorf("banned are %v: %s", w.banned(), errs)
	}
	w.marked(record)
	w.journaled("attacks from ["+attacker+"] for 30m, ordered by root", "--kind", "drill")
	w.journaled("ended by root, 1 ban lifted", "--kind", "drill")
	if _, errs, status := w.run(w.Gate, "drill", "-c", w.config, "--result", token, file); status != 1 || !strings.Contains(errs, "no consent with this token") {
		t.Errorf("a consent that has ended: status %d: %s", status, errs)
	}
	if strings.Contains(w.log.String(), token) {
		t.Error("the daemon's log has the token")
	}
}

// marked checks that the findings of the drill say that they are of it.
func (w *world) marked(record string) {
	w.t.Helper()
	var r drill.Record
	var list []event.Finding
	if err := json.Unmarshal([]byte(record), &r); err != nil {
		w.t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(w.must(w.Gate, "findings", "-c", w.config, "--all", "--json")), &list); err != nil {
		w.t.Fatal(err)
	}
	for _, f := range list {
		if f.Source == w.Attacker.IP4 && !slices.Contains(f.Evidence, "drill "+r.Consent) {
			w.t.Errorf("a finding is not marked: %+v", f)
		}
	}
}

// refusesRecords tries records and tokens that are wrong; the consent outlasts them.
func (w *world) refusesRecords(token, record string) {
	w.t.Helper()
	other := strings.Replace(record, `"attacks"`, `"sent":1,"attacks"`, 1)
	for name, c := range map[string]struct{ token, record, want string }{
		"tampered":          {token, strings.Replace(record, `"opened": []`, `"opened": ["tcp/22"]`, 1), "something in it was changed"},
		"a field twice":     {token, other, "no record of a drill"},
		"no record":         {token, "{}", "no record of a drill"},
		"half a token":      {token[:len(token)-4], record, "not all of it"},
		"another's record":  {token, strings.Replace(record, `"consent": "`, `"consent": "0`, 1), "the record is of the consent"},
		"a token, mistyped": {strings.ToUpper(token), record, "no token of a drill"},
	} {
		file := filepath.Join(w.t.TempDir(), "wrong.json")
		if err := os.WriteFile(file, []byte(c.record), 0o600); err != nil {
			w.t.Fatal(err)
		}
		out, errs, status := w.run(w.Gate, "drill", "-c", w.config, "--result", c.token, file)
		if status == 0 || !strings.Contains(errs, c.want) || !strings.Contains(errs, "hint: ") {
			w.t.Errorf("%s: status %d: %s%s", name, status, out, errs)
		}
	}
}
