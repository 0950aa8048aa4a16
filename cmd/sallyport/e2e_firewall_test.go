//go:build linux && !client_only

package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/lab"
	"sallyport/internal/lab/labtest"
)

// session is an established connection from a host.
type session struct {
	net.Conn
	r *bufio.Reader
}

func (w *world) connect(h *lab.Host, to netip.AddrPort) *session {
	w.t.Helper()
	s, err := w.dial(h, to, patience)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func (w *world) dial(h *lab.Host, to netip.AddrPort, timeout time.Duration) (*session, error) {
	ctx, cancel := context.WithTimeout(w.t.Context(), timeout)
	defer cancel()
	conn, err := h.Dial(ctx, "tcp", to.String())
	if err != nil {
		return nil, err
	}
	w.t.Cleanup(func() { conn.Close() })
	s := &session{conn, bufio.NewReader(conn)}
	s.SetDeadline(time.Now().Add(patience))
	defer s.SetDeadline(time.Time{})
	if _, err := s.r.ReadString('\n'); err != nil {
		return nil, fmt.Errorf("no greeting: %w", err)
	}
	return s, nil
}

// lives requires that a session carries data both ways, beginning with ours.
func (w *world) lives(s *session, when string) {
	w.t.Helper()
	s.SetDeadline(time.Now().Add(patience))
	if _, err := fmt.Fprintln(s, when); err != nil {
		w.t.Fatalf("%s: the session is cut: %v", when, err)
	}
	if line, err := s.r.ReadString('\n'); err != nil || line != when+"\n" {
		w.t.Fatalf("%s: the session is cut: %q, %v", when, line, err)
	}
}

// The kernel tracks no connections until the daemon first starts, as on a host
// without any firewall; a session is there already.
func TestSessionFromBeforeTheFirstStart(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{})
	w.serve("tcp", 22)
	s4 := w.connect(w.Client, at(w.Client, 22))
	s6 := w.connect(w.Client, at6(w.Client, 22))
	both := func(when string) { w.lives(s4, when); w.lives(s6, when) }
	w.configure(sshDoor)
	w.start()
	both("after the start")
	w.closed(w.Client, "tcp", at(w.Client, 22))
	w.configure(sshDoor + "\n# changed\n")
	w.must(w.Gate, "reload", "-c", w.config)
	both("after a reload")
	w.knock(w.Client, w.Client.Gate4, sshKnocks...)
	w.open(w.Client, "tcp", at(w.Client, 22))
	w.ends(w.Client, "tcp", at(w.Client, 22))
	both("after a grant has ended")
	w.stop()
	both("after the stop")
	w.start()
	both("after a restart")
	w.kill()
	both("after kill -9")
	w.start()
	w.must(w.Gate, "down", "-c", w.config)
	both("after down")
}

func TestGrantEndsWithTheDaemonKilled(t *testing.T) {
	t.Parallel()
	w := newGuarded(t, briefly(sshDoor))
	w.expires(w.Client, "tcp", at(w.Client, 22), func() {
		w.knock(w.Client, w.Client.Gate4, sshKnocks...)
		w.eventually("the grant", func() bool { return strings.Contains(w.log.String(), "msg=grant") })
		w.kill()
	})
}

func TestRestartKeepsTheRemainingTime(t *testing.T) {
	t.Parallel()
	w := newGuarded(t, sshDoor)
	w.knock(w.Client, w.Client.Gate4, sshKnocks...)
	w.eventually("the grant", func() bool { return len(w.status().Grants) == 1 })
	before := w.status().Grants[0]
	for name, end := range map[string]func(){"kill -9": w.kill, "SIGTERM": func() {
		if status := w.stop(); status != 0 {
			t.Errorf("SIGTERM: exit status %d, want 0", status)
		}
	}} {
		end()
		w.closed(w.Attacker, "tcp", at(w.Attacker, 22))
		w.open(w.Client, "tcp", at(w.Client, 22))
		w.start()
		grants := w.status().Grants
		if len(grants) != 1 || grants[0].Source != before.Source || grants[0].Until.Sub(before.Until).Abs() > 2*time.Second {
			t.Errorf("%s: grants %+v, want %+v", name, grants, before)
		}
	}
	w.must(w.Gate, "revoke", "-c", w.config, "--all")
	w.closed(w.Client, "tcp", at(w.Client, 22))
}

func TestKnockAgainExtends(t *testing.T) {
	t.Parallel()
	w := newGuarded(t, sshDoor)
	w.knock(w.Client, w.Client.Gate4, sshKnocks...)
	w.eventually("the grant", func() bool { return len(w.status().Grants) == 1 })
	first := w.status().Grants[0].Until
	w.eventually("the grant is extended", func() bool {
		w.knock(w.Client, w.Client.Gate4, sshKnocks...)
		grants := w.status().Grants
		return len(grants) == 1 && grants[0].Until.Sub(first) > time.Second
	})
}

func TestSingleLetsOneConnectionIn(t *testing.T) {
	t.Parallel()
	w := newGuarded(t, sshDoor+"single = true\n")
	for _, to := range []netip.AddrPort{at(w.Client, 22), at6(w.Client, 22)} {
		w.closed(w.Client, "tcp", to)
		w.knock(w.Client, to.Addr(), sshKnocks...)
		w.eventually("the grant", func() bool { return len(w.status().Grants) == 1 })
		s := w.connect(w.Client, to)
		w.closed(w.Client, "tcp", to)
		w.lives(s, "after the second was refused")
		w.eventually("status shows no grant any more", func() bool { return len(w.status().Grants) == 0 })
	}
}

// Since Linux 6.9 nobody else can flush the table. Before that, and here with
// the kernel's protection left out, it is put back within a second, with the
// grants that last; a single one may have been used up.
func TestFlushedRuleset(t *testing.T) {
	t.Parallel()
	labtest.Need(t, "peers", "nft")
	for _, unowned := range []bool{false, true} {
		w := newGuarded(t, sshDoor+`
[[door]]
name     = "once"
ports    = ["tcp/23"]
open_for = "1h"
single   = true
sequence = ["tcp/7002", "udp/8002", "tcp/9002"]
`)
		if unowned {
			w.kill()
			w.must(w.Gate, "down", "-c", w.config)
			w.command = []string{"/proc/self/exe", "serve", "--unowned", "-c", w.config}
			w.start()
		}
		w.serve("tcp", 23)
		w.knock(w.Client, w.Client.Gate4, sshKnocks...)
		w.knock(w.Client, w.Client.Gate4, "tcp/7002", "udp/8002", "tcp/9002")
		w.open(w.Client, "tcp", at(w.Client, 22))
		w.eventually("both grants", func() bool { return len(w.status().Grants) == 2 })
		w.nft("flush ruleset")
		w.eventually("the door is closed again", func() bool { return w.probe(w.Attacker, "tcp", at(w.Attacker, 22)) != lab.Open })
		w.open(w.Client, "tcp", at(w.Client, 22))
		want := 2
		if unowned || !owns(t) {
			want = 1
			w.eventually("the repair is told", func() bool {
				return strings.Contains(strings.Join(w.status().Problems, " "), "removed the firewall table")
			})
		}
		if grants := w.status().Grants; len(grants) != want {
			t.Errorf("unowned %v: grants after the flush: %+v, want %d", unowned, grants, want)
		}
	}
}

// owns reports whether this kernel can protect the table: since Linux 6.9.
func owns(t *testing.T) bool {
	t.Helper()
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		t.Fatal(err)
	}
	var major, minor int
	if _, err := fmt.Sscanf(unix.ByteSliceToString(name.Release[:]), "%d.%d", &major, &minor); err != nil {
		t.Fatal(err)
	}
	return major > 6 || major == 6 && minor >= 9
}

func TestForwardedPort(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{Inside: true})
	inside := netip.AddrPortFrom(w.Inside.IP4, 22)
	if _, err := w.Inside.Greet(netip.MustParseAddrPort("[::]:22")); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Attacker.Greet(netip.MustParseAddrPort("[::]:22")); err != nil {
		t.Fatal(err)
	}
	w.configure(sshDoor + `to = ["203.0.113.0/24", "2001:db8:3::/64"]` + "\n")
	w.start()
	for _, door := range []netip.AddrPort{inside, netip.AddrPortFrom(w.Inside.IP6, 22)} {
		w.closed(w.Client, "tcp", door)
		w.knock(w.Client, door.Addr(), sshKnocks...)
		w.open(w.Client, "tcp", door)
		w.closed(w.Attacker, "tcp", door)
		w.ends(w.Client, "tcp", door)
	}
	// The same port of the rest of the world is none of the gate's business.
	w.open(w.Inside, "tcp", netip.AddrPortFrom(w.Attacker.IP4, 22))
	w.open(w.Inside, "tcp", netip.AddrPortFrom(w.Attacker.IP6, 22))
	w.open(w.Client, "tcp", netip.AddrPortFrom(w.Attacker.IP4, 22))
}

// A port published by DNAT, as container engines do it: outside 8080, inside 80.
func TestPublishedContainerPort(t *testing.T) {
	t.Parallel()
	labtest.Need(t, "peers", "nft")
	w := newWorld(t, lab.Options{Inside: true})
	if _, err := w.Inside.Greet(netip.MustParseAddrPort("[::]:80")); err != nil {
		t.Fatal(err)
	}
	w.nft(`add table inet engine
		add chain inet engine publish { type nat hook prerouting priority -100; }
		add rule inet engine publish fib daddr type local tcp dport 8080 dnat ip to 203.0.113.2:80`)
	w.open(w.Client, "tcp", at(w.Client, 8080))
	w.configure(strings.Replace(sshDoor, "tcp/22", "tcp/8080", 1))
	w.start()
	w.closed(w.Client, "tcp", at(w.Client, 8080))
	w.knock(w.Client, w.Client.Gate4, sshKnocks...)
	w.open(w.Client, "tcp", at(w.Client, 8080))
	w.closed(w.Attacker, "tcp", at(w.Attacker, 8080))
	w.ends(w.Client, "tcp", at(w.Client, 8080))
}

// nmap sees no difference between a door that rejects and a port on which
// nothing listens, with every kind of probe that a closed port answers.
func TestRejectLooksLikeAClosedPort(t *testing.T) {
	t.Parallel()
	labtest.Need(t, "peers", "nmap")
	w := newWorld(t, lab.Options{})
	w.serve("tcp", 22)
	w.serve("udp", 53)
	w.configure(`
[gate]
closed = "reject"

[[door]]
name  = "ssh"
ports = ["tcp/22"]

[[door]]
name  = "dns"
ports = ["udp/53"]
`)
	w.start()
	states := regexp.MustCompile(`(?m)^(\d+)/(?:tcp|udp)\s+(\S+)\s+\S+\s+(\S.*)$`)
	for _, c := range []struct{ scan, door, empty string }{
		{"-sS", "22", "2222"}, {"-sT", "22", "2222"}, {"-sA", "22", "2222"}, {"-sN", "22", "2222"},
		{"-sF", "22", "2222"}, {"-sX", "22", "2222"}, {"-sW", "22", "2222"}, {"-sU", "53", "5353"},
	} {
		for _, family := range []string{"-4", "-6"} {
			args := []string{"-n", "-Pn", "--reason", "-v", c.scan, "-p", c.door + "," + c.empty, w.Attacker.Gate4.String()}
			if family == "-6" {
				args = append([]string{"-6"}, args...)
				args[len(args)-1] = w.Attacker.Gate6.String()
			}
			out, err := w.Attacker.Command(t.Context(), "nmap", args...).CombinedOutput()
			if err != nil {
				t.Fatalf("nmap: %v\n%s", err, out)
			}
			found := make(map[string]string)
			for _, m := range states.FindAllStringSubmatch(string(out), -1) {
				found[m[1]] = m[2] + " " + m[3]
			}
			if found[c.door] == "" || found[c.door] != found[c.empty] {
				t.Errorf("nmap %s %s: the door is %q, an empty port %q\n%s", family, c.scan, found[c.door], found[c.empty], out)
			}
		}
	}
}

func TestTrustedAndInterfaces(t *testing.T) {
	t.Parallel()
	w := newGuarded(t, `
[gate]
trusted = ["192.0.2.0/24", "2001:db8:1::/64"]
`+sshDoor)
	w.open(w.Client, "tcp", at(w.Client, 22))
	w.open(w.Client, "tcp", at6(w.Client, 22))
	w.closed(w.Attacker, "tcp", at(w.Attacker, 22))
	w.configure(`
[gate]
interfaces = ["to-client"]
` + sshDoor)
	w.must(w.Gate, "reload", "-c", w.config)
	w.closed(w.Client, "tcp", at(w.Client, 22))
	w.open(w.Attacker, "tcp", at(w.Attacker, 22))
}

func TestPolicyAll(t *testing.T) {
	t.Parallel()
	labtest.Need(t, "peers", "ping")
	w := newWorld(t, lab.Options{})
	w.serve("tcp", 22)
	w.serve("tcp", 80)
	w.serve("tcp", 81)
	w.serve("udp", 7)
	if _, err := w.Client.Greet(netip.MustParseAddrPort("[::]:25")); err != nil {
		t.Fatal(err)
	}
	w.configure(`
[gate]
policy = "all"
public = ["tcp/80"]
` + sshDoor)
	w.start()
	w.open(w.Client, "tcp", at(w.Client, 80))
	w.closed(w.Client, "tcp", at(w.Client, 81))
	w.closed(w.Client, "udp", at(w.Client, 7))
	w.closed(w.Client, "tcp", at(w.Client, 22))
	w.opens(w.Client, "tcp", at(w.Client, 22), func() { w.knock(w.Client, w.Client.Gate4, sshKnocks...) })
	w.open(w.Gate, "tcp", netip.AddrPortFrom(w.Client.IP4, 25)) // replies still arrive
	for _, address := range []netip.Addr{w.Client.Gate4, w.Client.Gate6} {
		if out, err := w.Client.Command(t.Context(), "ping", "-c", "1", "-W", "5", address.String()).CombinedOutput(); err != nil {
			t.Errorf("ping %s: %v\n%s", address, err, out)
		}
	}
}
