//go:build linux

package lab_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sallyport/internal/lab"
	"sallyport/internal/lab/labtest"
)

func TestMain(m *testing.M) { labtest.Main(m) }

const (
	soon = 5 * time.Second        // more than anything here takes
	hush = 150 * time.Millisecond // how long to listen before calling it silence
)

func at(a netip.Addr, port uint16) netip.AddrPort { return netip.AddrPortFrom(a, port) }

func probe(t *testing.T, from *lab.Host, network string, port netip.AddrPort, want lab.Answer) {
	t.Helper()
	wait := soon
	if want == lab.Silent {
		wait = hush
	}
	got, err := from.Probe(network, port, wait)
	if err != nil || got != want {
		t.Errorf("%s %s from %s: got %q, %v; want %q", network, port, from.Name, got, err, want)
	}
}

func serve(t *testing.T, h *lab.Host, port uint16) {
	t.Helper()
	if _, err := h.Greet(at(netip.IPv6Unspecified(), port)); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Echo(at(netip.IPv6Unspecified(), port)); err != nil {
		t.Fatal(err)
	}
}

func TestEveryHostReachesTheGate(t *testing.T) {
	l := labtest.New(t, lab.Options{Inside: true})
	serve(t, l.Gate, 7)
	for _, h := range []*lab.Host{l.Client, l.Attacker, l.Inside} {
		for _, network := range []string{"tcp", "udp"} {
			for _, a := range []netip.Addr{h.Gate4, h.Gate6, l.Gate.IP4, l.Gate.IP6} {
				probe(t, h, network, at(a, 8), lab.Refused)
				probe(t, h, network, at(a, 7), lab.Open)
			}
		}
	}
}

func TestTheGateForwardsOnlyWhenAsked(t *testing.T) {
	l := labtest.New(t, lab.Options{})
	serve(t, l.Attacker, 7)
	for _, a := range []netip.Addr{l.Attacker.IP4, l.Attacker.IP6} {
		probe(t, l.Gate, "tcp", at(a, 7), lab.Open)
		if got, err := l.Client.Probe("tcp", at(a, 7), hush); got == lab.Open {
			t.Errorf("reached %s through a gate that does not forward (%v)", a, err)
		}
	}
	if err := l.Forward(); err != nil {
		t.Fatal(err)
	}
	for _, a := range []netip.Addr{l.Attacker.IP4, l.Attacker.IP6} {
		probe(t, l.Client, "tcp", at(a, 7), lab.Open)
		probe(t, l.Client, "udp", at(a, 7), lab.Open)
	}
}

func TestInsideIsBehindTheGate(t *testing.T) {
	l := labtest.New(t, lab.Options{Inside: true})
	serve(t, l.Inside, 7)
	for _, a := range []netip.Addr{l.Inside.IP4, l.Inside.IP6} {
		probe(t, l.Client, "tcp", at(a, 7), lab.Open)
		probe(t, l.Client, "tcp", at(a, 8), lab.Refused)
		probe(t, l.Client, "udp", at(a, 7), lab.Open)
	}
}

func TestSilenceIsToldFromRefusal(t *testing.T) {
	l := labtest.New(t, lab.Options{})
	probe(t, l.Client, "tcp", at(l.Gate.IP4, 9), lab.Refused)
	probe(t, l.Client, "udp", at(l.Gate.IP4, 9), lab.Refused)
	// Nobody answers ARP for this one.
	if got, err := l.Client.Probe("tcp", at(netip.MustParseAddr("192.0.2.99"), 9), hush); err != nil || got != lab.Silent {
		t.Errorf("absent neighbour: got %q, %v", got, err)
	}
}

func TestGreeterGreetsAndEchoes(t *testing.T) {
	l := labtest.New(t, lab.Options{})
	serve(t, l.Gate, 7)
	conn, err := l.Client.Dial(t.Context(), "tcp", at(l.Gate.IP4, 7).String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	r := bufio.NewReader(conn)
	if line, err := r.ReadString('\n'); line != l.Gate.Greeting() {
		t.Fatalf("greeting %q, %v; want %q", line, err, l.Gate.Greeting())
	}
	fmt.Fprintln(conn, "and you?")
	if line, err := r.ReadString('\n'); line != "and you?\n" {
		t.Fatalf("echo %q, %v", line, err)
	}
}

func TestLinksGoAndComeBack(t *testing.T) {
	l := labtest.New(t, lab.Options{})
	serve(t, l.Gate, 7)
	working := func(want bool) {
		t.Helper()
		for _, a := range []netip.Addr{l.Client.Gate4, l.Client.Gate6} {
			if want {
				probe(t, l.Client, "tcp", at(a, 7), lab.Open)
			} else if got, err := l.Client.Probe("tcp", at(a, 7), hush); got == lab.Open {
				t.Errorf("%s is open, %v", a, err)
			}
		}
	}
	steps := []struct {
		name string
		do   func(*lab.Host) error
		want bool
	}{
		{"down", l.Disconnect, false},
		{"up", l.Connect, true},
		{"deleted", l.Remove, false},
		{"made again", l.Connect, true},
		{"connected twice", l.Connect, true},
	}
	working(true)
	for _, s := range steps {
		t.Run(s.name, func(t *testing.T) {
			if err := s.do(l.Client); err != nil {
				t.Fatal(err)
			}
			working(s.want)
		})
	}
	probe(t, l.Attacker, "tcp", at(l.Attacker.Gate4, 7), lab.Open)
}

func TestAddressesComeAndGo(t *testing.T) {
	l := labtest.New(t, lab.Options{})
	serve(t, l.Gate, 7)
	for _, s := range []string{"192.0.2.77/24", "2001:db8:1::77/64"} {
		p := netip.MustParsePrefix(s)
		if err := l.Gate.AddAddress("to-client", p); err != nil {
			t.Fatal(err)
		}
		probe(t, l.Client, "tcp", at(p.Addr(), 7), lab.Open)
		if err := l.Gate.RemoveAddress("to-client", p); err != nil {
			t.Fatal(err)
		}
		if got, _ := l.Client.Probe("tcp", at(p.Addr(), 7), hush); got == lab.Open {
			t.Errorf("%s still answers", p)
		}
	}
}

// Not even the first packet from a fresh IPv6 address, over a fresh link, is lost.
func TestAddressesAreUsableAtOnce(t *testing.T) {
	t.Parallel()
	for range 5 {
		l := labtest.New(t, lab.Options{Spoofed: []netip.Prefix{netip.MustParsePrefix("3fff:f00::/32")}})
		for i := range 5 {
			a := netip.MustParseAddr(fmt.Sprintf("3fff:f00:%x::7", i+1))
			if err := l.Attacker.AddAddress("eth0", netip.PrefixFrom(a, 128)); err != nil {
				t.Fatal(err)
			}
			if got, err := l.Attacker.ProbeFrom(a, "tcp", netip.AddrPortFrom(l.Attacker.Gate6, 9), 900*time.Millisecond); err != nil || got != lab.Refused { // sooner than a SYN is sent again
				t.Errorf("from %s: %s, %v", a, got, err)
			}
		}
	}
}

func TestOneHostSpeaksFromManyAddresses(t *testing.T) {
	l := labtest.New(t, lab.Options{})
	serve(t, l.Gate, 7)
	for _, s := range []string{"192.0.2.101", "2001:db8:1::101"} {
		a := netip.MustParseAddr(s)
		if err := l.Client.AddAddress("eth0", netip.PrefixFrom(a, a.BitLen()-8)); err != nil {
			t.Fatal(err)
		}
		gate := l.Gate.IP4
		if a.Is6() {
			gate = l.Gate.IP6
		}
		err := l.Client.Do(func() error {
			d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(at(a, 0)), Timeout: soon}
			conn, err := d.Dial("tcp", at(gate, 7).String())
			if err == nil {
				conn.Close()
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}

func TestSpoofedSourcesLiveAtTheAttacker(t *testing.T) {
	l := labtest.New(t, lab.Options{Spoofed: []netip.Prefix{
		netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8:bad::/48"),
	}})
	serve(t, l.Attacker, 7)
	for _, s := range []string{"10.200.3.4", "2001:db8:bad:7::1"} {
		a := netip.MustParseAddr(s)
		if err := l.Attacker.AddAddress("eth0", netip.PrefixFrom(a, a.BitLen())); err != nil {
			t.Fatal(err)
		}
		probe(t, l.Gate, "tcp", at(a, 7), lab.Open)
	}
}

func TestMTU(t *testing.T) {
	l := labtest.New(t, lab.Options{MTU: 1280})
	for _, h := range []*lab.Host{l.Gate, l.Client} {
		err := h.Do(func() error {
			links, err := net.Interfaces()
			for _, i := range links {
				if i.Flags&net.FlagLoopback == 0 && i.MTU != 1280 {
					t.Errorf("%s of %s: MTU %d", i.Name, h.Name, i.MTU)
				}
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}

func TestCommandsRunOnTheirHost(t *testing.T) {
	l := labtest.New(t, lab.Options{})
	out, err := l.Attacker.Command(t.Context(), "cat", "/proc/net/fib_trie").Output()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(out), l.Attacker.IP4.String()) || strings.Contains(string(out), l.Client.IP4.String()) {
		t.Errorf("not the attacker's routes:\n%s", out)
	}
	_, err = l.Attacker.Command(t.Context(), "cat", "/no/such/file").Output()
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || len(exit.Stderr) == 0 {
		t.Errorf("got %v, want an exit error with what cat said", err)
	}
}

func TestCloseLeavesNothing(t *testing.T) {
	labtest.Need(t, "netns")
	ignore := goleak.IgnoreCurrent()
	files := openFiles(t)
	l, err := lab.New(lab.Options{Inside: true})
	if err != nil {
		t.Fatal(err)
	}
	serve(t, l.Gate, 7)
	conn, err := l.Client.Dial(t.Context(), "tcp", at(l.Gate.IP4, 7).String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	cmd := l.Client.Command(context.Background(), "sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}

	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if err := l.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	conn.Close()
	_ = cmd.Wait()
	if ws := cmd.ProcessState.Sys().(syscall.WaitStatus); ws.Signal() != syscall.SIGKILL {
		t.Errorf("the program ended with %v, want killed", ws)
	}
	goleak.VerifyNone(t, ignore)
	if now := openFiles(t); now > files {
		t.Errorf("%d open files, %d before", now, files)
	}
}

func TestTheMainThreadStaysWhereItIs(t *testing.T) {
	l := labtest.New(t, lab.Options{})
	before, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		if err := l.Client.Do(func() error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if after, _ := os.Readlink("/proc/self/ns/net"); after != before {
		t.Errorf("moved from %s to %s", before, after)
	}
	if here, _ := os.Readlink("/proc/thread-self/ns/net"); here != before {
		t.Errorf("this goroutine is in %s, want %s", here, before)
	}
}

func TestErrorsNameTheHost(t *testing.T) {
	l := labtest.New(t, lab.Options{})
	for _, err := range []error{
		l.Gate.Sysctl("net.ipv4.no_such_thing", "1"),
		l.Connect(l.Gate),
		l.Gate.AddAddress("eth9", netip.MustParsePrefix("192.0.2.9/24")),
		l.Gate.RemoveAddress("to-client", netip.MustParsePrefix("192.0.2.9/24")),
	} {
		if err == nil || !strings.Contains(err.Error(), `host "gate"`) {
			t.Errorf("got %v", err)
		}
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// More hosts reach each other, the client and the gate, and lose all with their link.
func TestMoreHosts(t *testing.T) {
	l := labtest.New(t, lab.Options{More: []string{"berlin", "paris"}})
	berlin, paris := l.More[0], l.More[1]
	serve(t, paris, 7)
	for _, h := range []*lab.Host{berlin, l.Client, l.Gate} {
		probe(t, h, "tcp", at(paris.IP4, 7), lab.Open)
		probe(t, h, "udp", at(paris.IP6, 7), lab.Open)
	}
	if err := l.Disconnect(paris); err != nil {
		t.Fatal(err)
	}
	if got, _ := berlin.Probe("tcp", at(paris.IP4, 7), hush); got == lab.Open { // it may also find no way
		t.Error("it is reached without its link")
	}
	if err := l.Connect(paris); err != nil {
		t.Fatal(err)
	}
	probe(t, berlin, "tcp", at(paris.IP4, 7), lab.Open)
}
