//go:build linux && !client_only

package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sallyport/internal/control"
	"sallyport/internal/lab"
	"sallyport/internal/lab/labtest"
)

const (
	triedSSH = "[[door]]\nname = \"ssh\"\nports = [\"tcp/22\"]\nsequence = [\"tcp/7000\", \"udp/8000\", \"tcp/9000\"]\n"
	triedWeb = "[[door]]\nname = \"web\"\nports = [\"tcp/80\"]\n"
)

// newTried runs a gate with a door ssh, and an open port 80.
func newTried(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, lab.Options{})
	w.serve("tcp", 22)
	w.serve("tcp", 80)
	w.configure(triedSSH)
	w.start()
	return w
}

func (w *world) reload(flags ...string) (stdout, stderr string, status int) {
	w.t.Helper()
	return w.run(w.Gate, append([]string{"reload", "-c", w.config}, flags...)...)
}

func TestReloadDryRun(t *testing.T) {
	t.Parallel()
	w := newTried(t)
	w.must(w.Gate, "open", "ssh", "-c", w.config, "--source", w.Client.IP4.String(), "--for", "1h")
	w.connect(w.Client, at(w.Client, 80))
	w.configure(triedWeb + "widen4 = 24\n")
	var a control.ReloadAnswer
	if err := json.Unmarshal([]byte(w.must(w.Gate, "reload", "-c", w.config, "--dry-run", "--json")), &a); err != nil {
		t.Fatal(err)
	}
	if a.Applied || len(a.Changes) != 2 || len(a.Closes) != 1 || a.Closes[0].Port != "tcp/80" || a.Closes[0].Door != "web" ||
		len(a.Opens) != 1 || a.Opens[0].Port != "tcp/22" || len(a.Ends) != 1 || len(a.Connections) != 1 || a.Connections[0].Source != w.Client.IP4 {
		t.Errorf("%+v", a)
	}
	text := w.must(w.Gate, "reload", "-c", w.config, "--dry-run")
	for _, want := range []string{`door "web": added`, `door "ssh": removed`, "closes tcp/80", "opens to everybody tcp/22", `ends the grant for door "ssh" of ` + w.Client.IP4.String(),
		"goes on: the connection of " + w.Client.IP4.String() + " to tcp/80"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	w.open(w.Client, "tcp", at(w.Client, 80))
	if doors := w.status().Doors; len(doors) != 1 || doors[0].Name != "ssh" {
		t.Errorf("something changed: %+v", doors)
	}
	w.configure("[[door]]\n")
	if _, errs, status := w.reload("--dry-run"); status != 1 || !strings.Contains(errs, "name is missing") {
		t.Errorf("a mistake: %d %s", status, errs)
	}
}

func TestReloadRefusesToLockOut(t *testing.T) {
	t.Parallel()
	w := newTried(t)
	w.env = []string{fmt.Sprintf("SSH_CONNECTION=%s 40000 %s 80", w.Client.IP4, w.Client.Gate4)}
	w.configure(triedSSH + triedWeb)
	for _, flags := range [][]string{nil, {"--confirm", "60s"}, {"--dry-run"}} {
		if out, errs, status := w.reload(flags...); status != 1 || !strings.Contains(errs, `lock you out`) || !strings.Contains(errs, `door "web" (tcp/80) has no way in for `+w.Client.IP4.String()) {
			t.Errorf("reload %v: %d\n%s%s", flags, status, out, errs)
		}
	}
	w.open(w.Client, "tcp", at(w.Client, 80))

	// With a way in it is a warning.
	w.configure(triedSSH + triedWeb + "sequence = [\"tcp/7001\", \"udp/8001\", \"tcp/9001\"]\n")
	if out, errs, status := w.reload("--dry-run"); status != 0 || !strings.Contains(out, "! tcp/80, which you came in by, closes") {
		t.Errorf("%d\n%s%s", status, out, errs)
	}
	w.configure(triedSSH + triedWeb + "[gate]\ntrusted = [\"" + w.Client.IP4.String() + "\"]\n")
	if _, errs, status := w.reload("--dry-run"); status != 0 {
		t.Errorf("trusted: %d %s", status, errs)
	}
	w.configure(triedSSH + triedWeb)
	if _, errs, status := w.reload("--force"); status != 0 {
		t.Errorf("%d %s", status, errs)
	}
	w.closed(w.Client, "tcp", at(w.Client, 80))
	if _, errs, status := w.reload(); status != 0 { // nothing gets worse
		t.Errorf("%d %s", status, errs)
	}
}

// Removing the only one who can come back from here is such a change.
func TestClientRemoveRefusesToLockOut(t *testing.T) {
	t.Parallel()
	w := newTried(t)
	w.configure("[spa]\nport = 23000\n" + triedWeb)
	key := filepath.Join(w.dir, "key.pub")
	for _, name := range []string{"alice", "bob"} {
		if err := os.WriteFile(key, []byte(newEd25519(t)), 0o600); err != nil {
			t.Fatal(err)
		}
		w.must(w.Gate, "client", "add", name, "--key", key, "--door", "web", "-c", w.config)
	}
	w.env = []string{fmt.Sprintf("SSH_CONNECTION=%s 40000 %s 80", w.Client.IP4, w.Client.Gate4)}
	w.must(w.Gate, "client", "remove", "bob", "-c", w.config)
	if _, errs, status := w.run(w.Gate, "client", "remove", "alice", "-c", w.config); status != 1 || !strings.Contains(errs, `nobody but client "alice" can open tcp/80`) {
		t.Errorf("%d %s", status, errs)
	}
	if out := w.must(w.Gate, "client", "list", "-c", w.config); !strings.Contains(out, "alice") {
		t.Errorf("alice has gone: %s", out)
	}
	w.must(w.Gate, "client", "remove", "alice", "--force", "-c", w.config)
}

// What was rolled back does not come back with a change of something else.
func TestOtherCommandsBringBackNothing(t *testing.T) {
	t.Parallel()
	w := newTried(t)
	w.configure("[spa]\nport = 23000\n" + triedSSH)
	w.must(w.Gate, "reload", "-c", w.config)
	w.configure("[spa]\nport = 23000\n" + triedSSH + triedWeb)
	w.must(w.Gate, "reload", "-c", w.config, "--confirm", "1s")
	w.eventually("rolled back", func() bool { return strings.Contains(strings.Join(w.status().Problems, "\n"), "was rolled back") })
	key := filepath.Join(w.dir, "key.pub")
	if err := os.WriteFile(key, []byte(newEd25519(t)), 0o600); err != nil {
		t.Fatal(err)
	}
	add := []string{"client", "add", "alice", "--key", key, "--door", "ssh", "-c", w.config}
	if _, errs, status := w.run(w.Gate, add...); status != 1 || !strings.Contains(errs, "it was rolled back at") {
		t.Errorf("%d %s", status, errs)
	}
	if out := w.must(w.Gate, "client", "list", "-c", w.config); strings.Contains(out, "alice") {
		t.Errorf("alice is there: %s", out)
	}
	w.open(w.Client, "tcp", at(w.Client, 80))
	w.configure("[spa]\nport = 23000\n" + triedSSH)
	w.must(w.Gate, "reload", "-c", w.config)
	w.must(w.Gate, add...)
}

func TestTrialIsConfirmed(t *testing.T) {
	t.Parallel()
	w := newTried(t)
	if _, errs, status := w.run(w.Gate, "confirm", "-c", w.config); status != 1 || !strings.Contains(errs, "no configuration is on trial") {
		t.Errorf("%d %s", status, errs)
	}
	w.configure(triedSSH + triedWeb)
	w.must(w.Gate, "reload", "-c", w.config, "--confirm", "60s")
	w.closed(w.Client, "tcp", at(w.Client, 80))
	if _, errs, status := w.reload(); status != 1 || !strings.Contains(errs, "on trial") {
		t.Errorf("a reload meanwhile: %d %s", status, errs)
	}
	w.kill() // a daemon that is started again goes on
	w.start()
	if p := strings.Join(w.status().Problems, "\n"); !strings.Contains(p, "on trial until") {
		t.Errorf("problems: %s", p)
	}
	w.must(w.Gate, "confirm", "-c", w.config)
	w.kill()
	w.start()
	w.closed(w.Client, "tcp", at(w.Client, 80))
	if p := strings.Join(w.status().Problems, "\n"); strings.Contains(p, "trial") {
		t.Errorf("problems: %s", p)
	}
}

func TestTrialIsRolledBack(t *testing.T) {
	t.Parallel()
	w := newTried(t)
	w.closed(w.Client, "tcp", at(w.Client, 22))
	w.configure(triedWeb)
	tried := w.watch(w.Client, "tcp", at(w.Client, 22), lab.Open)
	w.must(w.Gate, "reload", "-c", w.config, "--confirm", "1s")
	tried()
	w.open(w.Client, "tcp", at(w.Client, 80))
	w.closes(w.Client, "tcp", at(w.Client, 22))
	rolledBack := func(when string) {
		t.Helper()
		w.eventually("rolled back "+when, func() bool {
			s := w.status()
			return len(s.Doors) == 1 && s.Doors[0].Name == "ssh" && strings.Contains(strings.Join(s.Problems, "\n"), "was not confirmed and was rolled back")
		})
	}
	rolledBack("by the daemon")
	if _, errs, status := w.run(w.Gate, "confirm", "-c", w.config); status != 1 || !strings.Contains(errs, "rolled back at") {
		t.Errorf("too late: %d %s", status, errs)
	}
	if _, errs, status := w.reload(); status != 1 || !strings.Contains(errs, "has not changed since") {
		t.Errorf("a reload of the same: %d %s", status, errs)
	}
	w.knock(w.Client, w.Client.Gate4, "tcp/7000", "udp/8000", "tcp/9000")
	w.open(w.Client, "tcp", at(w.Client, 22))
	w.kill()
	w.start()
	rolledBack("after a start")
	w.configure(triedSSH + triedWeb)
	w.must(w.Gate, "reload", "-c", w.config)
	if s := w.status(); len(s.Doors) != 2 || strings.Contains(strings.Join(s.Problems, "\n"), "rolled back") {
		t.Errorf("mended: %+v", s)
	}
}

func TestFirstStartOnTrial(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, killed := range []bool{false, true} {
		w := newWorld(t, lab.Options{})
		w.serve("tcp", 22)
		w.configure(triedSSH)
		w.command = []string{self, "serve", "-c", w.config, "--confirm", "1s"}
		w.open(w.Client, "tcp", at(w.Client, 22))
		closed := w.watch(w.Client, "tcp", at(w.Client, 22), lab.Silent)
		w.start()
		closed()
		if killed {
			w.kill()
		}
		w.open(w.Client, "tcp", at(w.Client, 22))
		if killed {
			w.start() // does not apply what was not confirmed
		}
		w.eventually("said so", func() bool {
			return strings.Contains(strings.Join(w.status().Problems, "\n"), "there was none before it, so nothing is closed")
		})
		w.open(w.Client, "tcp", at(w.Client, 22))

		w.must(w.Gate, "reload", "-c", w.config, "--confirm", "60s")
		w.closed(w.Client, "tcp", at(w.Client, 22))
		w.must(w.Gate, "confirm", "-c", w.config)
		w.kill()
		w.start() // the same as confirmed: no trial
		w.closed(w.Client, "tcp", at(w.Client, 22))
		if _, errs, status := w.run(w.Gate, "confirm", "-c", w.config); status != 1 || !strings.Contains(errs, "no configuration is on trial") {
			t.Errorf("%d %s", status, errs)
		}
		w.kill()
	}
}

// Whenever the daemon is killed during a trial, and whether or not it is
// started again, the doors before are back.
func TestTrialIsRolledBackThoughTheDaemonIsKilled(t *testing.T) {
	t.Parallel()
	rounds := labtest.Rounds(5, 50)
	const worlds = 5
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	for n := range worlds {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, uint64(n)))
			w := newTried(t)
			w.must(w.Gate, "reload", "-c", w.config, "--confirm", "60s")
			w.must(w.Gate, "confirm", "-c", w.config)
			// What is killed before it has begun the trial begins it when it is
			// started again.
			self, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			w.command = []string{self, "serve", "-c", w.config, "--confirm", "1s"}
			for round := n; round < rounds; round += worlds {
				rollbackRound(w, random, round)
			}
		})
	}
}

func rollbackRound(w *world, random *rand.Rand, round int) {
	w.t.Helper()
	w.configure(triedWeb + fmt.Sprintf("# round %d\n", round))
	after := time.Duration(random.Int64N(int64(1200 * time.Millisecond)))
	again := time.Duration(random.Int64N(int64(1500 * time.Millisecond)))
	cmd := w.sallyport(w.Gate, "reload", "-c", w.config, "--confirm", "1s")
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	began := time.Now()
	<-time.After(after) // the moment of death is random, not waited for
	w.kill()
	_ = cmd.Wait() // the daemon may have died before it answered
	if again < time.Second {
		<-time.After(again)
		w.start()
	}
	if !w.becomes(w.Client, "tcp", at(w.Client, 80), lab.Open) || !w.becomes(w.Client, "tcp", at(w.Client, 22), lab.Silent) {
		w.t.Fatalf("round %d, killed after %s: the doors before are not back %s later", round, after, time.Since(began))
	}
	if w.daemon == nil {
		w.start()
	}
	w.eventually("the configuration before is in force", func() bool {
		s := w.status()
		return len(s.Doors) == 1 && s.Doors[0].Name == "ssh"
	})
	w.open(w.Client, "tcp", at(w.Client, 80))
	w.closed(w.Client, "tcp", at(w.Client, 22))
}
