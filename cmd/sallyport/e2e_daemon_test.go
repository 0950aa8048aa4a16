//go:build linux && !client_only

package main

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"sallyport/internal/lab"
)

func TestReloadWithABrokenFileChangesNothing(t *testing.T) {
	t.Parallel()
	w := newGuarded(t, sshDoor)
	w.knock(w.Client, w.Client.Gate4, sshKnocks...)
	w.open(w.Client, "tcp", at(w.Client, 22))
	before := w.status()
	w.configure(sshDoor + "colour = \"red\"\n")
	_, errs, status := w.run(w.Gate, "reload", "-c", w.config)
	if status != 1 || !strings.Contains(errs, "sallyport.toml:") || !strings.Contains(errs, "colour") {
		t.Errorf("status %d, message %q; want 1 and the place of the mistake", status, errs)
	}
	if err := w.daemon.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	w.eventually("the failure is told", func() bool { return strings.Contains(w.log.String(), "colour") })
	after := w.status()
	if len(after.Doors) != len(before.Doors) || len(after.Grants) != 1 {
		t.Errorf("after a failed reload: %+v", after)
	}
	w.open(w.Client, "tcp", at(w.Client, 22))
	w.closed(w.Attacker, "tcp", at(w.Attacker, 22))
}

func TestReloadKeepsGrantsAndSequencesInProgress(t *testing.T) {
	t.Parallel()
	w := newGuarded(t, slowDoor)
	w.knock(w.Client, w.Client.Gate4, sshKnocks...)
	w.open(w.Client, "tcp", at(w.Client, 22))
	w.knock(w.Attacker, w.Attacker.Gate4, sshKnocks[:2]...)
	w.configure(slowDoor + `
[[door]]
name     = "more"
ports    = ["tcp/23"]
sequence = ["udp/1001", "udp/1003", "udp/1002"]
`)
	w.must(w.Gate, "reload", "-c", w.config)
	w.open(w.Client, "tcp", at(w.Client, 22))
	w.closed(w.Attacker, "tcp", at(w.Attacker, 22))
	w.knock(w.Attacker, w.Attacker.Gate4, sshKnocks[2])
	w.open(w.Attacker, "tcp", at(w.Attacker, 22))
}

func TestReloadThatRemovesADoorEndsItsGrants(t *testing.T) {
	t.Parallel()
	w := newGuarded(t, sshDoor)
	w.knock(w.Client, w.Client.Gate4, sshKnocks...)
	w.open(w.Client, "tcp", at(w.Client, 22))
	w.configure(strings.ReplaceAll(sshDoor, `"ssh"`, `"other"`))
	w.must(w.Gate, "reload", "-c", w.config)
	w.closed(w.Client, "tcp", at(w.Client, 22))
	if grants := w.status().Grants; len(grants) != 0 {
		t.Errorf("grants of a door that is gone: %+v", grants)
	}
}

func TestManyReloadsUnderTraffic(t *testing.T) {
	t.Parallel()
	w := newGuarded(t, sshDoor)
	done, daemon := make(chan struct{}), w.daemon.Process // the world forgets it when the test fails
	go func() {
		defer close(done)
		for range 200 {
			daemon.Signal(syscall.SIGHUP)
			time.Sleep(5 * time.Millisecond)
		}
	}()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
			w.knock(w.Client, w.Client.Gate4, sshKnocks...)
			w.open(w.Client, "tcp", at(w.Client, 22))
		}
	}
	w.knock(w.Client, w.Client.Gate4, sshKnocks...)
	w.open(w.Client, "tcp", at(w.Client, 22))
}

func TestInterfacesComeAndGo(t *testing.T) {
	t.Parallel()
	w := newGuarded(t, "[gate]\ninterfaces = [\"to-client\", \"ppp0\"]\n"+sshDoor)
	w.eventually("the missing interface is told", func() bool {
		return strings.Contains(strings.Join(w.status().Problems, "\n"), "ppp0")
	})
	opens := func(when string) {
		t.Helper()
		w.closed(w.Client, "tcp", at(w.Client, 22))
		w.eventually("the door opens "+when, func() bool {
			w.knock(w.Client, w.Client.Gate4, sshKnocks...)
			return w.probe(w.Client, "tcp", at(w.Client, 22)) == lab.Open
		})
		w.must(w.Gate, "revoke", "-c", w.config, "--all")
	}
	opens("at first")
	for _, change := range []struct {
		when string
		undo func(*lab.Host) error
	}{{"after the link was down and up", w.Disconnect}, {"after the link was deleted and made again", w.Remove}} {
		if err := change.undo(w.Client); err != nil {
			t.Fatal(err)
		}
		if err := w.Connect(w.Client); err != nil {
			t.Fatal(err)
		}
		opens(change.when)
	}
	address := netip.MustParsePrefix("192.0.2.77/24")
	if err := w.Gate.AddAddress("to-client", address); err != nil {
		t.Fatal(err)
	}
	door := netip.AddrPortFrom(address.Addr(), 22)
	w.eventually("a new address is listened to", func() bool {
		w.knock(w.Client, address.Addr(), sshKnocks...)
		return w.probe(w.Client, "tcp", door) == lab.Open
	})
}

func TestOpenRevokeCut(t *testing.T) {
	t.Parallel()
	w := newGuarded(t, sshDoor)
	client := w.Client.IP4.String()
	w.must(w.Gate, "open", "ssh", "-c", w.config, "--source", client, "--for", "1h")
	w.open(w.Client, "tcp", at(w.Client, 22))
	w.closed(w.Attacker, "tcp", at(w.Attacker, 22))
	s := w.connect(w.Client, at(w.Client, 22))
	w.must(w.Gate, "revoke", "-c", w.config, "--source", client)
	w.closed(w.Client, "tcp", at(w.Client, 22))
	w.lives(s, "after a plain revoke")
	if out := w.must(w.Gate, "revoke", "-c", w.config, "--source", client, "--json"); !strings.Contains(out, `"grants": []`) {
		t.Errorf("nothing to revoke: %s", out)
	}
	w.must(w.Gate, "open", "ssh", "-c", w.config, "--source", client)
	w.must(w.Gate, "revoke", "-c", w.config, "--source", client, "--cut")
	s.SetDeadline(time.Now().Add(patience))
	if _, err := s.r.ReadString('\n'); err == nil {
		t.Error("the session goes on after revoke --cut")
	}
	for _, wrong := range [][]string{
		{"open", "nosuch", "--source", client},
		{"open", "ssh", "--source", "not-an-address"},
		{"open", "ssh", "--source", client, "--for", "-1s"},
		{"open", "ssh"},
		{"revoke"},
		{"revoke", "--source", "192.0.2.0/24"},
		{"revoke", "--client", "nosuch"},
	} {
		if out, errs, status := w.run(w.Gate, append(wrong, "-c", w.config)...); status == 0 || errs == "" {
			t.Errorf("sallyport %s: status %d, %q, %q", strings.Join(wrong, " "), status, out, errs)
		}
	}
	if grants := w.status().Grants; len(grants) != 0 {
		t.Errorf("a wrong command opened a door: %+v", grants)
	}
}

func TestDown(t *testing.T) {
	t.Parallel()
	w := newGuarded(t, sshDoor)
	w.closed(w.Client, "tcp", at(w.Client, 22))
	w.must(w.Gate, "down", "-c", w.config)
	// It has ended, and waits for its parent: what starts it again can do so at once.
	if state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", w.daemon.Process.Pid)); err == nil && !strings.Contains(string(state), ") Z ") {
		t.Errorf("the daemon goes on: %s", state)
	}
	if status := w.wait(); status != 0 {
		t.Errorf("the daemon ended with status %d", status)
	}
	w.open(w.Client, "tcp", at(w.Client, 22))
	w.start()
	w.closed(w.Client, "tcp", at(w.Client, 22))
	w.kill()
	w.must(w.Gate, "down", "-c", w.config) // without a daemon
	w.open(w.Client, "tcp", at(w.Client, 22))
}

// What can be wrong at the start: each ends with a message that names a
// remedy, and leaves closed what was closed.
func TestBadStarts(t *testing.T) {
	t.Parallel()
	w := newGuarded(t, sshDoor)
	w.kill()
	fails := func(name, want string) {
		t.Helper()
		_, errs, status := w.run(w.Gate, "serve", "-c", w.config)
		if status != 1 || !strings.Contains(errs, want) {
			t.Errorf("%s: status %d, message %q; want 1 and %q", name, status, errs, want)
		}
		w.closed(w.Client, "tcp", at(w.Client, 22))
	}
	good, err := os.ReadFile(w.config)
	if err != nil {
		t.Fatal(err)
	}
	restore := func() {
		t.Helper()
		if err := os.WriteFile(w.config, good, 0o600); err != nil {
			t.Fatal(err)
		}
	}

	os.Remove(w.socket)
	if err := os.WriteFile(w.socket, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	fails("a file where the socket belongs", w.socket)
	if kept, _ := os.ReadFile(w.socket); string(kept) != "precious" {
		t.Error("a file that is no socket was overwritten")
	}
	os.Remove(w.socket)

	ln, err := net.Listen("unix", w.socket)
	if err != nil {
		t.Fatal(err)
	}
	fails("another daemon", "running")
	ln.Close()

	w.must(w.Gate, "down", "-c", w.config, "--forget")
	w.open(w.Client, "tcp", at(w.Client, 22))
	for name, spoil := range map[string]func(){
		"a door without ports": func() { w.configure("[[door]]\nname = \"ssh\"\n") },
		"no configuration":     func() { os.Remove(w.config) },
	} {
		spoil()
		_, errs, status := w.run(w.Gate, "serve", "-c", w.config)
		if status != 1 || !strings.Contains(errs, "sallyport.toml") {
			t.Errorf("%s: status %d, message %q", name, status, errs)
		}
		w.open(w.Client, "tcp", at(w.Client, 22)) // nothing was in force that it could close
		restore()
	}

	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: w.socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false)
	stale.Close()
	w.start() // a socket that a dead daemon left behind is no obstacle
	w.closed(w.Client, "tcp", at(w.Client, 22))
}

func TestHelpIsThere(t *testing.T) {
	w := newWorld(t, lab.Options{})
	for _, args := range [][]string{{"--help"}, {"serve", "--help"}, {"knock", "--help"}, {"version"}, {"completion", "bash"}} {
		if out := w.must(w.Gate, args...); len(out) < 10 {
			t.Errorf("sallyport %s prints %q", strings.Join(args, " "), out)
		}
	}
	if _, errs, _ := w.run(w.Gate, "open", "ssh"); !strings.Contains(errs, "\nhint: ") {
		t.Errorf("no hint in %q", errs)
	}
	for _, wrong := range [][]string{{"nosuch"}, {"serve", "extra"}, {"serve", "--nosuch"}, {"knock"}, {"knock", "192.0.2.1", "7000:icmp"}} {
		if _, errs, status := w.run(w.Gate, wrong...); status != 2 || !strings.HasPrefix(errs, "sallyport: ") {
			t.Errorf("sallyport %s: status %d, %q; want 2 and a message", strings.Join(wrong, " "), status, errs)
		}
	}
}
