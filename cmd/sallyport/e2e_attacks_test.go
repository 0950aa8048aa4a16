//go:build linux && !client_only

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/lab"
	"sallyport/internal/lab/labtest"
)

// Cutting a client's connections takes nothing of who has come after it from the
// same address and port by another's grant, and nothing of the service.
func TestCutLeavesAPortThatIsUsedAgain(t *testing.T) {
	t.Parallel()
	w := newSPAWorld(t, "")
	to := at(w.Client, 22)
	w.closed(w.Client, "tcp", to)
	const port = 40_404
	w.ask(w.Client, w.Client.Gate4, w.seal(w.alice, netip.Addr{}, nil))
	hers := w.from(to, port)
	w.eventually("her connection is known", func() bool { return w.uses("alice") > 0 })
	_ = hers.Conn.(*net.TCPConn).SetLinger(0) // no time to wait for at the end: the port is free at once
	hers.Close()
	w.revoke(0, "--client", "alice")
	w.closed(w.Client, "tcp", to)

	w.must(w.Gate, "open", "ssh", "-c", w.config, "--source", w.Client.IP4.String(), "--for", "1h")
	other := w.from(to, port)
	w.lives(other, "in the port of another")
	if a := w.revoke(1, "--client", "alice", "--cut"); a.Cut != 0 {
		t.Errorf("%+v", a)
	}
	w.lives(other, "after the one before was cut")
	again := w.connect(w.Client, to)
	w.lives(again, "the service still listens")
}

// uses is how many connections a client has begun, as the log says it.
func (w *world) uses(client string) (n int) {
	for line := range strings.Lines(w.log.String()) {
		if strings.Contains(line, "msg=use") && strings.Contains(line, "client="+client) {
			n++
		}
	}
	return n
}

// from connects from a port of the client that may just have been used.
func (w *world) from(to netip.AddrPort, port int) *session {
	w.t.Helper()
	var s *session
	w.eventually("a connection from a port", func() bool {
		err := w.Client.Do(func() error {
			d := net.Dialer{LocalAddr: &net.TCPAddr{Port: port}, Timeout: time.Second, Control: func(_, _ string, c syscall.RawConn) error {
				var err error
				return errors.Join(c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1) }), err)
			}}
			conn, err := d.Dial("tcp", to.String())
			if err == nil {
				s = &session{conn, bufio.NewReader(conn)}
			}
			return err
		})
		return err == nil
	})
	w.t.Cleanup(func() { s.Close() })
	s.SetReadDeadline(time.Now().Add(patience))
	if _, err := s.r.ReadString('\n'); err != nil {
		w.t.Fatalf("no greeting: %v", err)
	}
	return s
}

// A disk becomes full while the daemon runs and is killed on it: what cannot be
// recorded opens nothing, what was used stays used, the status says so, and with room
// again messages open, and what is in force is written down, without a restart.
func TestFullDiskAndKilled(t *testing.T) {
	t.Parallel()
	small := filepath.Join(t.TempDir(), "small")
	if err := os.MkdirAll(filepath.Join(small, "state"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", small, "tmpfs", 0, "size=8m,mode=0700"); err != nil {
		t.Skipf("cannot mount a small disk: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(small, unix.MNT_DETACH) })
	w := newSPAWorldIn(t, small, newProver(t), "")
	w.closed(w.Client, "tcp", at(w.Client, 22))
	used := w.seal(w.alice, netip.Addr{}, nil)
	w.ask(w.Client, w.Client.Gate4, used)
	w.must(w.Gate, "revoke", "--all", "-c", w.config)
	rounds := labtest.Rounds(1, 8)
	for round := range rounds {
		free := fill(t, small)
		answered := [][]byte{used.Datagram}
		killer := time.AfterFunc(time.Duration(100+200*round)*time.Millisecond, func() { w.daemon.Process.Kill() })
		for {
			m := w.seal(w.alice, netip.Addr{}, nil)
			if w.tryAsk(m, 100*time.Millisecond) { // there was room left for its record
				answered = append(answered, m.Datagram)
			} else if w.daemon.Process.Signal(syscall.Signal(0)) != nil {
				break
			}
		}
		killer.Stop()
		w.kill()
		w.closed(w.Attacker, "tcp", at(w.Attacker, 22))
		w.start() // on the full disk
		w.closed(w.Attacker, "tcp", at(w.Attacker, 22))
		w.must(w.Gate, "revoke", "--all", "-c", w.config)
		began := w.refusals()
		w.send(w.Client, w.Client.Gate4, w.seal(w.alice, netip.Addr{}, nil).Datagram)
		w.eventually("a new message is refused or opens", func() bool { return w.refusals() > began || len(w.status().Grants) > 0 })
		if s := w.status(); len(s.Grants) == 0 && s.Refusals["no-record"]+s.Refusals["stale"] > 0 && len(s.Problems) == 0 {
			t.Errorf("refused for want of room, and no problem in status: %v", s.Refusals)
		}
		for _, datagram := range answered[max(0, len(answered)-8):] {
			w.used(datagram)
		}
		problems := strings.Join(w.status().Problems, " | ")
		free()
		w.eventually("with room again a message opens", func() bool { return w.tryAsk(w.seal(w.alice, netip.Addr{}, nil), time.Second) })
		w.open(w.Client, "tcp", at(w.Client, 22))
		w.ends(w.Client, "tcp", at(w.Client, 22))
		w.eventually("with room again what is closed is kept, and whose grants are", func() bool {
			list := strings.Join(w.status().Problems, "\n")
			return !strings.Contains(list, "what was in force before this one") && !strings.Contains(list, "is not kept")
		})
		t.Logf("round %d: %d answered; problems while full: %s; with room again: %q", round+1, len(answered)-1, problems, w.status().Problems)
	}
}

// Doors come and go, with policies and the moat, while knocks arrive: none of a door
// that stays is lost, no door opens to who has not knocked, and the daemon does not grow.
func TestDoorsComeAndGoWhileKnocksArrive(t *testing.T) {
	t.Parallel()
	labtest.Need(t, "bpf")
	w := newSPAWorld(t, "")
	w.serve("tcp", 23)
	text, err := os.ReadFile(w.config)
	if err != nil {
		t.Fatal(err)
	}
	reloads := labtest.Rounds(8, 100)
	ctx, cancel := context.WithCancel(t.Context())
	probing := make(chan int)
	go func() { // ssh is closed to others in each configuration, and so is 23 in the first of two
		n := 0
		for ; ctx.Err() == nil; n++ {
			if got, err := w.Attacker.Probe("tcp", at(w.Attacker, 22), labtest.Silence); err == nil && got == lab.Open {
				t.Error("ssh is open to who has not knocked")
			}
		}
		probing <- n
	}()
	knocking := make(chan [2]int)
	go func() {
		sent, lost := 0, 0
		for ctx.Err() == nil {
			sent++
			if !w.tryAsk(w.seal(w.alice, netip.Addr{}, nil), patience) {
				lost++
			}
			time.Sleep(250 * time.Millisecond) // more often is too often for one client
		}
		knocking <- [2]int{sent, lost}
	}()
	var before [2]int
	var objects [4]int
	for n := range reloads {
		changed := string(text)
		if n%2 == 0 {
			changed = strings.Replace(changed, `["tcp/23"]`, `["tcp/2323"]`, 1)
		}
		switch n % 4 {
		case 1:
			changed = strings.Replace(changed, "[spa]", "[gate]\npolicy = \"all\"\nclosed = \"reject\"\n[spa]", 1)
		case 2:
			changed = strings.Replace(changed, "[spa]", moatGeneric+"[spa]", 1)
		}
		if err := os.WriteFile(w.config, []byte(changed), 0o600); err != nil {
			t.Fatal(err)
		}
		w.must(w.Gate, "reload", "-c", w.config)
		if want := n%2 == 0; n < 8 && w.probe(w.Attacker, "tcp", at(w.Attacker, 23)) == lab.Open != want {
			t.Errorf("after reload %d tcp/23 is open: %v, want %v", n+1, !want, want)
		}
		if n == reloads/2 {
			before = w.size()
		}
		if n < 4 {
			objects[n] = w.tableSize()
		} else if n >= reloads-4 {
			if now := w.tableSize(); now != objects[n%4] {
				t.Errorf("after reload %d the table has %d chains, sets and rules, the first time %d", n+1, now, objects[n%4])
			}
		}
	}
	cancel()
	probes, knocks, after := <-probing, <-knocking, w.size()
	t.Logf("%d reloads, %d knocks, %d probes; half-way %d kB and %d descriptors, at the end %d kB and %d", reloads, knocks[0], probes, before[0], before[1], after[0], after[1])
	if knocks[1] > 0 {
		t.Errorf("%d of %d knocks were lost", knocks[1], knocks[0])
	}
	if after[1] > before[1]+16 || after[0] > before[0]*3/2+8<<10 {
		t.Errorf("the daemon grows: %v, then %v", before, after)
	}
}

// tableSize counts the chains, sets and rules of the table.
func (w *world) tableSize() int {
	w.t.Helper()
	cmd := w.Gate.Command(w.t.Context(), "nft", "-t", "list", "table", "inet", "sallyport")
	text, err := cmd.CombinedOutput()
	if err != nil {
		w.t.Fatalf("nft: %v: %s", err, text)
	}
	return bytes.Count(text, []byte("\n"))
}

// size returns the memory of the daemon in kB, and how many descriptors it has.
func (w *world) size() (s [2]int) {
	w.t.Helper()
	proc := fmt.Sprintf("/proc/%d/", w.daemon.Process.Pid)
	text, err := os.ReadFile(proc + "status")
	if err != nil {
		w.t.Fatal(err)
	}
	if _, rest, ok := bytes.Cut(text, []byte("VmRSS:")); ok {
		_, _ = fmt.Sscan(string(rest), &s[0])
	}
	list, err := os.ReadDir(proc + "fd")
	if err != nil {
		w.t.Fatal(err)
	}
	s[1] = len(list)
	return s
}
