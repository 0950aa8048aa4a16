//go:build linux && !client_only

package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/internal/lab"
	"sallyport/internal/lab/labtest"
)

// fleetWorld is a gate with an etcd on it, an operator, and a client.
type fleetWorld struct {
	*inviteWorld
	etcd string
}

func newFleetWorld(t *testing.T) *fleetWorld {
	t.Helper()
	labtest.Need(t, "peers", "etcd")
	w := &fleetWorld{&inviteWorld{&clientWorld{world: newWorld(t, lab.Options{})}}, "127.0.0.1:2379"}
	w.move()
	w.world.env = w.env
	w.serve("tcp", 22)
	w.configure(inviteConfig)
	w.start()
	peer := "http://127.0.0.1:2380"
	cmd := w.Gate.Command(context.Background(), "etcd", "--name", "a", "--data-dir", t.TempDir(), "--listen-client-urls", "http://"+w.etcd, "--advertise-client-urls", "http://"+w.etcd,
		"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "a="+peer, "--log-level", "error")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	w.do("keygen", "--no-passphrase")
	operator := filepath.Join(w.home, "operator")
	w.do("keygen", "--no-passphrase", "--file", operator)
	w.eventually("a fleet", func() bool {
		_, _, status := w.run(w.Gate, "fleet", "init", "--operator", "alice", "-i", operator, "--allow-software-key", "--endpoint", w.etcd, "--yes")
		return status == 0
	})
	return w
}

// joins makes the gate one of the fleet, with the commands that people type.
func (w *fleetWorld) joins() {
	w.t.Helper()
	invitation := strings.TrimSpace(w.must(w.Gate, "fleet", "invite", "tokyo-1"))
	out, errs, _ := w.run(w.Gate, "fleet", "join", invitation, "-c", w.config, "--yes", "--wait", "1s", "--address", w.Client.Gate4.String())
	if !strings.Contains(errs, "no operator has signed") {
		w.t.Fatalf("join: %s%s", out, errs)
	}
	w.must(w.Gate, "fleet", "approve", "tokyo-1", "--yes", "--wait", "1s")
	if status := w.stop(); status != 0 {
		w.t.Fatalf("the daemon ended with status %d\n%s", status, w.log)
	}
	w.start()
	w.eventually("the gate in its fleet", func() bool { f := w.status().Fleet; return f != nil && f.Gates == 1 && f.Behind == "" })
}

// From an empty etcd to a client that is kept out, by the commands alone.
func TestAFleetByItsCommands(t *testing.T) {
	w := newFleetWorld(t)
	w.joins()
	profiles := filepath.Join(w.home, "profiles")
	out := w.must(w.Gate, "client", "add", "carol", "--key", w.key()+".pub", "--door", "ssh", "--fleet", "--profiles", profiles, "--wait", "20s")
	if !strings.Contains(out, "in force at 1 of 1 gate") {
		t.Errorf("added: %s", out)
	}
	w.do("add", filepath.Join(profiles, "tokyo-1.profile"))
	w.knocks("tokyo-1")

	out, errs, status := w.run(w.Gate, "revoke", "--fleet", "--client", "carol", "-c", w.config)
	if status != 0 {
		t.Fatalf("revoke at the gate: %s%s", out, errs)
	}
	w.closes(w.Client, "tcp", at(w.Client, 22))
	if _, _, status := w.try("knock", "tokyo-1", "--timeout", "2s"); status == 0 {
		t.Error("a revoked client gets in")
	}
	if out := w.must(w.Gate, "revoke", "--fleet", "--client", "carol", "--lift", "--wait", "20s"); !strings.Contains(out, "in force at 1 of 1 gate") {
		t.Errorf("let in again: %s", out)
	}
	w.knocks("tokyo-1")
	if out := w.must(w.Gate, "client", "remove", "carol", "--fleet", "--wait", "20s"); !strings.Contains(out, "in force at 1 of 1 gate") {
		t.Errorf("removed: %s", out)
	}
	w.closes(w.Client, "tcp", at(w.Client, 22))

	// A new key of the gate, which an operator approves, and the daemon takes by a reload.
	w.run(w.Gate, "fleet", "rotate-key", "-c", w.config, "--wait", "1s")
	w.must(w.Gate, "fleet", "approve", "tokyo-1", "--yes", "--wait", "1s")
	w.must(w.Gate, "fleet", "rotate-key", "-c", w.config)
	w.eventually("the new key in use", func() bool {
		return strings.Contains(w.must(w.Gate, "fleet", "status", "--json"), `"heard": true`)
	})

	w.must(w.Gate, "fleet", "leave", "--yes", "-c", w.config)
	if _, err := os.Stat(filepath.Join(w.dir, "state", "fleet", "gate.key")); err == nil {
		t.Error("the gate has kept its key")
	}
}
