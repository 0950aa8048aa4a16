//go:build linux && !client_only

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/lab"
	"sallyport/internal/lab/labtest"
)

// sshDoor is a door with the best known sequence there is.
const sshDoor = `
[[door]]
name     = "ssh"
ports    = ["tcp/22"]
open_for = "1h"
sequence = ["tcp/7000", "udp/8000", "tcp/9000"]
`

// slowDoor waits for knocks that are commands of their own, on a busy machine.
const slowDoor = sshDoor + "within = \"10m\"\n"

// briefly makes doors that close by themselves within a test.
func briefly(doors string) string { return strings.ReplaceAll(doors, `"1h"`, `"3s"`) }

var sshKnocks = []string{"tcp/7000", "udp/8000", "tcp/9000"}

// A daemon that is stopped while knocks arrive takes them for what they were.
func TestKnocksOfATimeWithoutDaemon(t *testing.T) {
	t.Parallel()
	w := newGuarded(t, strings.Replace(sshDoor, "open_for", "within = \"500ms\"\nopen_for", 1))
	daemon := w.daemon.Process
	w.closed(w.Client, "tcp", at(w.Client, 22))
	w.halt()
	for _, k := range sshKnocks {
		w.knock(w.Client, w.Client.Gate4, k)
		time.Sleep(300 * time.Millisecond)
	}
	if err := daemon.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	w.eventually("the knocks are refused", func() bool { // on a very busy machine they are older than any that count
		s := w.status()
		return s.Refusals["too-slow"] > 0 || s.Capture["knocks"].Late > 0
	})
	if grants := w.status().Grants; len(grants) != 0 {
		t.Errorf("%+v", grants)
	}
	w.eventually("a quick sequence opens", func() bool {
		w.knock(w.Client, w.Client.Gate4, sshKnocks...)
		return len(w.status().Grants) > 0
	})
}

func TestSequenceOpensAndTheKernelCloses(t *testing.T) {
	t.Parallel()
	w := newGuarded(t, briefly(sshDoor))
	for _, door := range []netip.AddrPort{at(w.Client, 22), at6(w.Client, 22)} {
		w.expires(w.Client, "tcp", door, func() {
			w.knock(w.Client, door.Addr(), sshKnocks...)
			w.closed(w.Attacker, "tcp", at(w.Attacker, 22))
			w.closed(w.Attacker, "tcp", at6(w.Attacker, 22))
		})
	}
}

func TestWrongKnocksOpenNothing(t *testing.T) {
	t.Parallel()
	w := newGuarded(t, sshDoor)
	for name, knocks := range map[string]string{
		"wrong order":    "udp/8000 tcp/7000 tcp/9000",
		"one missing":    "tcp/7000 tcp/9000",
		"wrong protocol": "tcp/7000 tcp/8000 tcp/9000",
		"one in between": "tcp/7000 udp/8000 tcp/8500 tcp/9000",
		"one twice":      "tcp/7000 udp/8000 udp/8000 tcp/9000",
	} {
		w.knock(w.Client, w.Client.Gate4, strings.Fields(knocks)...)
		if w.probe(w.Client, "tcp", at(w.Client, 22)) == lab.Open {
			t.Errorf("%s: %s opened the door", name, knocks)
		}
	}
	w.opens(w.Client, "tcp", at(w.Client, 22), func() { w.knock(w.Client, w.Client.Gate4, sshKnocks...) })
}

func TestTooSlowOpensNothing(t *testing.T) {
	t.Parallel()
	w := newGuarded(t, sshDoor+`within = "2s"`)
	w.must(w.Client, "knock", w.Client.Gate4.String(), "tcp/7000", "udp/8000", "tcp/9000", "--gap", "1100ms")
	w.eventually("the refusal is counted", func() bool { return w.status().Refusals["too-slow"] == 1 })
	w.closed(w.Client, "tcp", at(w.Client, 22))
	w.opens(w.Client, "tcp", at(w.Client, 22), func() {
		w.eventually("a quick sequence opens", func() bool { // on a busy machine not each is quick
			w.knock(w.Client, w.Client.Gate4, sshKnocks...)
			return len(w.status().Grants) > 0
		})
	})
}

func TestSourcesKnockAtTheSameTime(t *testing.T) {
	t.Parallel()
	w := newGuarded(t, slowDoor)
	w.closed(w.Attacker, "tcp", at(w.Attacker, 22))
	w.opens(w.Client, "tcp", at(w.Client, 22), func() {
		for _, k := range sshKnocks {
			w.knock(w.Client, w.Client.Gate4, k)
			w.knock(w.Attacker, w.Attacker.Gate4, k)
		}
		w.open(w.Attacker, "tcp", at(w.Attacker, 22))
	})
	w.closed(w.Attacker, "tcp", at(w.Attacker, 22))
}

func TestSomebodyLoopsFirstAndWrong(t *testing.T) {
	t.Parallel()
	w := newGuarded(t, slowDoor)
	for _, k := range sshKnocks {
		for range 5 {
			w.knock(w.Attacker, w.Attacker.Gate4, "tcp/7000", "tcp/7001")
		}
		w.knock(w.Client, w.Client.Gate4, k)
	}
	w.open(w.Client, "tcp", at(w.Client, 22))
	w.closed(w.Attacker, "tcp", at(w.Attacker, 22))
}

// A gate whose own firewall drops the knocks answers none of them, so the
// client's kernel sends its SYNs again, between later knocks: each second, or,
// before Linux 6.5, after 1, 3 and 7 s.
func TestRetransmittedSYNs(t *testing.T) {
	t.Parallel()
	labtest.Need(t, "peers", "nft")
	w := newGuarded(t, `
[[door]]
name     = "ssh"
ports    = ["tcp/22"]
open_for = "1h"
sequence = ["tcp/7000", "tcp/8000", "tcp/9000"]
`)
	w.nft(`add table inet host
		add chain inet host input { type filter hook input priority 0; }
		add rule inet host input tcp dport { 7000, 8000, 9000 } drop`)
	dial := func(port uint16) {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		t.Cleanup(cancel)
		go func() {
			if conn, err := w.Client.Dial(ctx, "tcp", at(w.Client, port).String()); err == nil {
				conn.Close()
			}
		}()
	}
	dial(7000)
	w.eventually("the SYN has been sent again", func() bool { return w.segments(w.Client, "RetransSegs") >= 1 })
	dial(8000)
	w.eventually("both have been sent again", func() bool { return w.segments(w.Client, "RetransSegs") >= 3 })
	w.closed(w.Client, "tcp", at(w.Client, 22))
	dial(9000)
	w.open(w.Client, "tcp", at(w.Client, 22))
}

// segments reads one of a host's TCP counters (/proc/net/snmp).
func (w *world) segments(h *lab.Host, name string) int {
	w.t.Helper()
	out, err := h.Command(w.t.Context(), "cat", "/proc/net/snmp").Output()
	if err != nil {
		w.t.Fatal(err)
	}
	var names []string
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		if fields[0] != "Tcp:" {
			continue
		}
		if names == nil {
			names = fields
			continue
		}
		for i, n := range names {
			if n == name {
				value, _ := strconv.Atoi(fields[i])
				return value
			}
		}
	}
	w.t.Fatalf("no counter %q", name)
	return 0
}

// nft loads a ruleset on the gate, as the host's own firewall.
func (w *world) nft(ruleset string) {
	w.t.Helper()
	cmd := w.Gate.Command(w.t.Context(), "nft", "-f", "-")
	cmd.Stdin = strings.NewReader(ruleset)
	if out, err := cmd.CombinedOutput(); err != nil {
		w.t.Fatalf("nft: %v\n%s", err, out)
	}
}

func TestScansOpenNothing(t *testing.T) {
	t.Parallel()
	w := newGuarded(t, `
[[door]]
name     = "ssh"
ports    = ["tcp/22"]
open_for = "60s"
sequence = ["tcp/7000", "tcp/8000", "tcp/9000"]
within   = "10m"

[[door]]
name     = "udp"
ports    = ["tcp/23"]
open_for = "60s"
sequence = ["udp/7000", "udp/8000", "udp/9000"]
within   = "10m"

[[door]]
name     = "close"
ports    = ["tcp/24"]
open_for = "60s"
sequence = ["tcp/5000", "tcp/5001", "tcp/5003"]
within   = "10m"
`)
	ordered := make([]int, 0, 10_000)
	for n := 1; n <= 10_000; n++ {
		ordered = append(ordered, n)
	}
	shuffled := append([]int(nil), ordered...)
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	scans := []struct {
		name, network string
		ports         []int
	}{
		{"ordered", "tcp", ordered}, {"shuffled", "udp", shuffled},
		{"ordered", "udp", ordered}, {"shuffled", "tcp", shuffled},
	}
	if !labtest.Long() {
		scans = scans[:2]
	}
	for _, s := range scans {
		w.scan(w.Attacker, s.network, s.ports)
		if grants := w.status().Grants; len(grants) != 0 {
			t.Errorf("%s %s scan opened %+v", s.name, s.network, grants)
		}
	}
	if w.status().Refusals["scanner"] == 0 {
		t.Error("nobody was recognised as a scanner")
	}
}

// scan touches ports in a given order, each once.
func (w *world) scan(h *lab.Host, network string, ports []int) {
	w.t.Helper()
	err := h.Do(func() error {
		for _, n := range ports {
			d := net.Dialer{Timeout: 20 * time.Millisecond}
			conn, err := d.Dial(network, netip.AddrPortFrom(h.Gate4, uint16(n)).String())
			if err != nil {
				continue
			}
			if network == "udp" {
				if _, err := conn.Write([]byte{0}); err != nil {
					return err
				}
			}
			conn.Close()
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func TestTwoDoorsWithTheSameSequence(t *testing.T) {
	t.Parallel()
	w := newGuarded(t, sshDoor+`
[[door]]
name     = "echo"
ports    = ["udp/7"]
open_for = "1h"
sequence = ["tcp/7000", "udp/8000", "tcp/9000"]
`)
	w.serve("udp", 7)
	w.closed(w.Client, "udp", at(w.Client, 7))
	w.knock(w.Client, w.Client.Gate4, sshKnocks...)
	w.open(w.Client, "udp", at(w.Client, 7))
	w.open(w.Client, "tcp", at(w.Client, 22))
	w.ends(w.Client, "udp", at(w.Client, 7))
	w.closed(w.Client, "tcp", at(w.Client, 22))
}

func TestUDPDoor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{})
	w.serve("udp", 7)
	w.configure(`
[[door]]
name     = "echo"
ports    = ["udp/7"]
open_for = "1h"
sequence = ["udp/7000", "udp/8000"]
`)
	w.start()
	for _, door := range []netip.AddrPort{at(w.Client, 7), at6(w.Client, 7)} {
		// A flow that has been answered lives on, so only a new one shows the door closed.
		w.opens(w.Client, "udp", door, func() { w.knock(w.Client, door.Addr(), "udp/7000", "udp/8000") })
	}
}

func TestThousandDoors(t *testing.T) {
	t.Parallel()
	var doors strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&doors, "[[door]]\nname = \"d%d\"\nports = [\"tcp/%d\"]\nopen_for = \"1h\"\nsequence = [\"tcp/%d\", \"udp/%d\", \"tcp/%d\"]\n",
			i, 20_000+i, 1000+i, 3000+i%7, 5000+i*7%1000)
	}
	w := newWorld(t, lab.Options{})
	w.serve("tcp", 20_777)
	w.serve("tcp", 20_778)
	w.configure(doors.String())
	w.start()
	w.closed(w.Client, "tcp", at(w.Client, 20_777))
	w.knock(w.Client, w.Client.Gate4, "tcp/1777", "udp/3000", fmt.Sprintf("tcp/%d", 5000+777*7%1000))
	w.open(w.Client, "tcp", at(w.Client, 20_777))
	w.closed(w.Client, "tcp", at(w.Client, 20_778))
	w.ends(w.Client, "tcp", at(w.Client, 20_777))
}

// A SYN is a knock, whatever comes in it: data, and what asks for Fast Open. The same
// to a door finds nobody home.
func TestSYNsWithData(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{})
	if err := w.Gate.Sysctl("net/ipv4/tcp_fastopen", "1539"); err != nil { // every listener takes data in a SYN, without a cookie
		t.Fatal(err)
	}
	w.serve("tcp", 22)
	w.configure(strings.ReplaceAll(slowDoor, "udp/8000", "tcp/8000"))
	w.start()
	p := newRawProber(t, w.Client)
	for name, what := range map[string]probe{
		"one byte":             {proto: unix.IPPROTO_TCP, flags: 0x02, bytes: 1},
		"a full packet":        {proto: unix.IPPROTO_TCP, flags: 0x02, bytes: 1400, df: true},
		"Fast Open":            {proto: unix.IPPROTO_TCP, flags: 0x02, fast: true},
		"data, with Fast Open": {proto: unix.IPPROTO_TCP, flags: 0x02, bytes: 1400, fast: true},
	} {
		for _, gate := range []netip.Addr{w.Client.Gate4, w.Client.Gate6} {
			door := netip.AddrPortFrom(gate, 22)
			w.closed(w.Client, "tcp", door)
			if got := p.once(what, door); got != "" {
				t.Errorf("%s: the closed door answers: %s", name, got)
			}
			for _, port := range []uint16{7000, 8000, 9000} {
				p.once(what, netip.AddrPortFrom(gate, port))
			}
			w.eventually(name+" opens", func() bool { return len(w.status().Grants) == 1 })
			w.open(w.Client, "tcp", door)
			w.must(w.Gate, "revoke", "--all", "-c", w.config)
			w.closed(w.Client, "tcp", door)
		}
	}
}
