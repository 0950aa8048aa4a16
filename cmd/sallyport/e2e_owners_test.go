//go:build linux && !client_only

package main

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sallyport/internal/control"
	"sallyport/internal/lab/labtest"
)

// cutOff waits until a session is reset.
func (w *world) cutOff(s *session, why string) {
	w.t.Helper()
	s.SetDeadline(time.Now().Add(patience))
	for {
		_, err := fmt.Fprintln(s, "still there?")
		if err == nil {
			_, err = s.r.ReadString('\n')
		}
		if os.IsTimeout(err) {
			w.t.Errorf("%s: the session is not reset", why)
		}
		if err != nil {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// opened lists the grants in force as "door client".
func (w *world) opened() string {
	w.t.Helper()
	var list []string
	for _, g := range w.status().Grants {
		list = append(list, g.Door+" "+g.Client)
	}
	return strings.Join(list, ", ")
}

func (w *world) revoke(status int, args ...string) (a control.RevokeAnswer) {
	w.t.Helper()
	out, errs, got := w.run(w.Gate, append([]string{"revoke", "-c", w.config, "--json"}, args...)...)
	if got != status {
		w.t.Fatalf("revoke %q: status %d, want %d\n%s%s", args, got, status, out, errs)
	}
	if out != "" {
		if err := json.Unmarshal([]byte(out), &a); err != nil {
			w.t.Fatal(err)
		}
	}
	return a
}

// A client's session is the client's when the grant is long over, after a restart
// too; anyone who came by another's grant from the same address stays.
func TestCutAClientWhoseGrantIsOver(t *testing.T) {
	t.Parallel()
	w := newSPAWorld(t, "")
	w.closed(w.Client, "tcp", at(w.Client, 22))
	other := func() *session {
		s := w.enter(w.Client, at(w.Client, 22), func() {
			w.must(w.Gate, "open", "ssh", "-c", w.config, "--source", w.Client.IP4.String(), "--for", "2s")
		})
		w.eventually("the operator's grant ends", func() bool { return w.opened() == "" })
		return s
	}()
	hers := func() *session {
		return w.enter(w.Client, at(w.Client, 22), func() {
			w.ask(w.Client, w.Client.Gate4, w.seal(w.alice, netip.Addr{}, briefOpen))
		})
	}
	first := hers()
	w.eventually("her grant ends", func() bool { return w.opened() == "" })
	w.closed(w.Client, "tcp", at(w.Client, 22))
	w.lives(first, "after the grant")
	if a := w.revoke(0, "--client", "alice", "--cut"); a.Cut != 1 || a.BySource != 0 || len(a.Others) != 0 {
		t.Errorf("%+v", a)
	}
	w.cutOff(first, "revoke --client --cut")
	w.lives(other, "after another's was cut")
	if a := w.revoke(1, "--client", "alice", "--cut"); a.Cut != 0 {
		t.Errorf("cut again: %+v", a)
	}

	second := hers()
	w.kill()
	w.start()
	w.eventually("her grant ends after a restart", func() bool { return w.opened() == "" })
	w.lives(second, "after a restart")
	if a := w.revoke(0, "--client", "alice", "--cut"); a.Cut != 1 {
		t.Errorf("after a restart: %+v", a)
	}
	w.cutOff(second, "revoke --client --cut after a restart")
	w.lives(other, "after a restart and a cut")
	again := hers()
	w.lives(again, "the service still listens")
}

// Beside another's, a grant is neither hidden nor taken along.
func TestTwoOwnersOfOneDoor(t *testing.T) {
	t.Parallel()
	w := newSPAWorld(t, "")
	source := w.Client.IP4.String()
	w.closed(w.Client, "tcp", at(w.Client, 22))
	w.must(w.Gate, "open", "ssh", "-c", w.config, "--source", source, "--for", "10m")
	w.ask(w.Client, w.Client.Gate4, w.seal(w.alice, netip.Addr{}, nil))
	if got := w.opened(); got != "ssh alice, ssh " {
		t.Errorf("open: %q", got)
	}
	both := w.connect(w.Client, at(w.Client, 22))
	w.kill()
	w.start()
	if a := w.revoke(0, "--client", "alice"); len(a.Grants) != 1 {
		t.Errorf("%+v", a)
	}
	if got := w.opened(); got != "ssh " {
		t.Errorf("open: %q, want the operator's", got)
	}
	w.open(w.Client, "tcp", at(w.Client, 22))
	if a := w.revoke(0, "--client", "alice", "--cut"); a.Cut != 1 || strings.Join(a.Others, " ") != "an operator" {
		t.Errorf("%+v", a)
	}
	w.cutOff(both, "revoke --client --cut")
	w.revoke(0, "--all")
	w.closed(w.Client, "tcp", at(w.Client, 22))
}

func TestRemoveAClientAndCut(t *testing.T) {
	t.Parallel()
	w := newSPAWorld(t, "")
	bob := newProver(t)
	key := filepath.Join(w.dir, "bob.pub")
	if err := os.WriteFile(key, []byte(bob.authorized()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.must(w.Gate, "client", "add", "bob", "-c", w.config, "--door", "ssh", "--key", key)
	w.closed(w.Client, "tcp", at(w.Client, 22))
	s := w.enter(w.Client, at(w.Client, 22), func() {
		w.ask(w.Client, w.Client.Gate4, w.seal(bob, netip.Addr{}, briefOpen))
	})
	w.eventually("his grant ends", func() bool { return w.opened() == "" })
	if out := w.must(w.Gate, "client", "remove", "bob", "-c", w.config, "--cut"); !strings.Contains(out, "1 connection cut") {
		t.Errorf("printed %q", out)
	}
	w.cutOff(s, "client remove --cut")
	w.closed(w.Client, "tcp", at(w.Client, 22))
}

// Anyone who came in by a message that was copied gets out, and nobody else.
func TestInterceptionEndsWhatTheMessageLetIn(t *testing.T) {
	t.Parallel()
	w := newSPAWorld(t, "")
	w.closed(w.Attacker, "tcp", at(w.Attacker, 22))
	copied := w.seal(w.alice, netip.Addr{}, nil)
	w.ask(w.Attacker, w.Attacker.Gate4, copied) // the thief is faster
	thief := w.connect(w.Attacker, at(w.Attacker, 22))
	w.ask(w.Client, w.Client.Gate4, w.seal(w.alice, netip.Addr{}, nil))
	hers := w.connect(w.Client, at(w.Client, 22))
	w.send(w.Client, w.Client.Gate4, copied.Datagram)
	w.cutOff(thief, "an interception")
	w.lives(hers, "after an interception of another message")
}

// Another table keeps the connections going that have begun while ours was away.
func TestWhoCameInWithoutTheTableGetsOut(t *testing.T) {
	t.Parallel()
	labtest.Need(t, "peers", "nft")
	w := newGuarded(t, sshDoor)
	w.stop()
	w.command = []string{"/proc/self/exe", "serve", "--unowned", "-c", w.config}
	w.start()
	w.otherFirewall()
	w.closed(w.Attacker, "tcp", at(w.Attacker, 22))
	old := w.enter(w.Client, at(w.Client, 22), func() {
		w.must(w.Gate, "open", "ssh", "-c", w.config, "--source", w.Client.IP4.String(), "--for", "2s")
	})
	w.eventually("the grant ends", func() bool { return w.opened() == "" })
	intruder := w.withoutTable(22)
	w.cutOff(intruder, "the table is back")
	w.lives(old, "after the table came back")
}

// With policy "all" the same goes for every other port, and what was there before
// the ports were closed goes on.
func TestWhoCameInToAClosedPortGetsOut(t *testing.T) {
	t.Parallel()
	labtest.Need(t, "peers", "nft")
	w := newGuarded(t, sshDoor)
	w.serve("tcp", 9999)
	w.stop()
	w.must(w.Gate, "down", "--yes", "-c", w.config)
	w.otherFirewall()
	old := w.connect(w.Client, at(w.Client, 9999))
	w.configure(strings.Replace(sshDoor, "[[door]]", "[gate]\npolicy = \"all\"\n[[door]]", 1))
	w.command = []string{"/proc/self/exe", "serve", "--unowned", "-c", w.config}
	w.start()
	w.must(w.Gate, "reload", "-c", w.config) // by its end it is known what is older
	w.closed(w.Attacker, "tcp", at(w.Attacker, 9999))
	intruder := w.withoutTable(9999)
	w.cutOff(intruder, "the table is back")
	w.lives(old, "after the table came back")
}

// otherFirewall is a table that lets in all that belongs to a connection.
func (w *world) otherFirewall() {
	w.nft("table inet other { chain input { type filter hook input priority 0; policy accept; ct state established,related accept; }\n}\n")
}

// withoutTable connects while the table is away, and waits until it is back.
func (w *world) withoutTable(port uint16) *session {
	w.t.Helper()
	w.halt()
	w.nft("delete table inet sallyport")
	intruder := w.connect(w.Attacker, at(w.Attacker, port))
	if err := w.daemon.Process.Signal(syscall.SIGCONT); err != nil {
		w.t.Fatal(err)
	}
	w.closes(w.Attacker, "tcp", at(w.Attacker, port))
	return intruder
}
