package sender

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"sallyport/internal/lab"
	"sallyport/internal/lab/labtest"
	"sallyport/internal/packet"
)

func TestMain(m *testing.M) { labtest.Main(m) }

const soon = 5 * time.Second

// wire is what the gate sees of the knocks on its link to the client.
type wire struct {
	t      *testing.T
	fd     int
	source string // of the packet that next has returned
}

func tap(t *testing.T, l *lab.Lab) *wire { t.Helper(); return tapAt(t, l.Gate, "to-client") }

// tapAt shows what arrives at an interface of a host.
func tapAt(t *testing.T, h *lab.Host, name string) *wire {
	t.Helper()
	w := &wire{t: t}
	err := h.Do(func() (err error) {
		link, err := net.InterfaceByName(name)
		if err != nil {
			return err
		}
		w.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		const all = unix.ETH_P_ALL<<8&0xff00 | unix.ETH_P_ALL>>8
		return unix.Bind(w.fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: link.Index})
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(w.fd) })
	return w
}

// next returns the next SYN or datagram from the client, as "ADDRESS tcp/PORT",
// or "" if none comes in time.
func (w *wire) next(wait time.Duration) string {
	w.t.Helper()
	buf := make([]byte, 1<<16)
	for deadline := time.Now().Add(wait); ; {
		left := time.Until(deadline)
		if left <= 0 {
			return ""
		}
		poll := []unix.PollFd{{Fd: int32(w.fd), Events: unix.POLLIN}}
		n, err := unix.Poll(poll, int(left.Milliseconds())+1)
		if errors.Is(err, unix.EINTR) || err == nil && n == 0 {
			continue
		}
		var from unix.Sockaddr
		if err == nil {
			n, from, err = unix.Recvfrom(w.fd, buf, 0)
		}
		if err != nil {
			w.t.Fatal(err)
		}
		if from.(*unix.SockaddrLinklayer).Pkttype == unix.PACKET_OUTGOING {
			continue
		}
		if s := describe(buf[:n]); s != "" {
			w.source = gopacket.NewPacket(buf[:n], layers.LayerTypeEthernet, gopacket.Default).NetworkLayer().NetworkFlow().Src().String()
			return s
		}
	}
}

func describe(frame []byte) string {
	p := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.Default)
	if p.NetworkLayer() == nil {
		return ""
	}
	dst := p.NetworkLayer().NetworkFlow().Dst()
	if tcp, ok := p.Layer(layers.LayerTypeTCP).(*layers.TCP); ok && tcp.SYN {
		return fmt.Sprintf("%s tcp/%d", dst, tcp.DstPort)
	}
	if udp, ok := p.Layer(layers.LayerTypeUDP).(*layers.UDP); ok && len(udp.Payload) == 1 {
		return fmt.Sprintf("%s udp/%d", dst, udp.DstPort)
	}
	return ""
}

// expect checks that these knocks come, in this order.
func (w *wire) expect(want ...string) {
	w.t.Helper()
	for i, s := range want {
		if got := w.next(soon); got != s {
			w.t.Fatalf("packet %d: got %q, want %q", i, got, s)
		}
	}
}

// silent checks that nothing more comes before a marker that the client sends
// now: whatever it had sent before would be seen first.
func (w *wire) silent(l *lab.Lab) {
	w.t.Helper()
	conn, err := l.Client.Dial(w.t.Context(), "udp", netip.AddrPortFrom(l.Gate.IP4, 65000).String())
	if err != nil {
		w.t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("!")); err != nil {
		w.t.Fatal(err)
	}
	w.expect(l.Gate.IP4.String() + " udp/65000")
}

func send(t *testing.T, l *lab.Lab, host, sequence string, gap time.Duration) (sent []Attempt, err error) {
	t.Helper()
	err = l.Client.Do(func() (err error) {
		sent, err = Send(t.Context(), Options{Host: host, Sequence: packet.MustPorts(sequence), Gap: gap})
		return err
	})
	return sent, err
}

func TestOnePacketForEachKnock(t *testing.T) {
	const sequence = "tcp/7000 udp/8000 tcp/9000 tcp/9000 udp/7000"
	l := labtest.New(t, lab.Options{})
	if _, err := l.Gate.Greet(netip.MustParseAddrPort("[::]:9000")); err != nil {
		t.Fatal(err)
	}
	absent4, absent6 := "203.0.113.9", "2001:db8:3::9" // the gate gets these packets and drops them
	for name, host := range map[string]string{
		"closed and open ports, IPv4": l.Gate.IP4.String(),
		"closed and open ports, IPv6": l.Gate.IP6.String(),
		"silent ports, IPv4":          absent4,
		"silent ports, IPv6":          absent6,
	} {
		for _, gap := range []time.Duration{0, DefaultGap} {
			t.Run(fmt.Sprint(name, ", gap ", gap), func(t *testing.T) {
				w := tap(t, l)
				sent, err := send(t, l, host, sequence, gap)
				if err != nil || len(sent) != 1 || !slices.Equal(sent[0].Sent, packet.MustPorts(sequence)) {
					t.Fatalf("got %+v, %v", sent, err)
				}
				for _, p := range strings.Fields(sequence) {
					w.expect(host + " " + p)
				}
				w.silent(l)
			})
		}
	}
}

// A kernel repeats a SYN after one second, if the socket is still there.
func TestNoKnockIsRepeated(t *testing.T) {
	if testing.Short() {
		t.Skip("listens for a second and a half")
	}
	t.Parallel()
	l := labtest.New(t, lab.Options{})
	w := tap(t, l)
	if _, err := send(t, l, "203.0.113.9", "tcp/7000 tcp/7001", 0); err != nil {
		t.Fatal(err)
	}
	w.expect("203.0.113.9 tcp/7000", "203.0.113.9 tcp/7001")
	if got := w.next(1500 * time.Millisecond); got != "" {
		t.Errorf("heard %s again", got)
	}
}

func TestNoRouteIsSaid(t *testing.T) {
	l := labtest.New(t, lab.Options{})
	forbid(t, l.Client, unix.RTN_UNREACHABLE, "203.0.113.0/24")
	forbid(t, l.Client, unix.RTN_PROHIBIT, "198.51.100.0/24")
	for _, c := range []struct{ host, sequence, want string }{
		{"203.0.113.9", "tcp/7000", "no route"},
		{"203.0.113.9", "udp/7000", "no route"},
		{"198.51.100.9", "tcp/7000", "forbid"},
		{"198.51.100.9", "udp/7000", "forbid"},
	} {
		w := tap(t, l)
		sent, err := send(t, l, c.host, c.sequence, 0)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.sequence) {
			t.Errorf("%s %s: got %v, want an error with %q", c.host, c.sequence, err, c.want)
		}
		if len(sent) != 1 || len(sent[0].Sent) != 0 || sent[0].Problem == "" {
			t.Errorf("%s %s: got %+v", c.host, c.sequence, sent)
		}
		w.silent(l)
	}
}

func TestLocalFirewallIsSaid(t *testing.T) {
	labtest.Need(t, "peers", "nft")
	l := labtest.New(t, lab.Options{})
	rules := l.Client.Command(t.Context(), "nft", "-f", "-")
	rules.Stdin = strings.NewReader("table ip f { chain o { type filter hook output priority 0; udp dport 8000 drop; }; }")
	if out, err := rules.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	sent, err := send(t, l, l.Gate.IP4.String(), "udp/7000 udp/8000 udp/9000", 0)
	if err == nil || !strings.Contains(err.Error(), "firewall") {
		t.Errorf("got %v, want an error that names the firewall", err)
	}
	if want := packet.MustPorts("udp/7000"); len(sent) != 1 || !slices.Equal(sent[0].Sent, want) {
		t.Errorf("got %+v, want %v sent", sent, want)
	}
}

func TestZone(t *testing.T) {
	l := labtest.New(t, lab.Options{})
	for _, p := range []string{"tcp/7000", "udp/7000"} {
		w := tap(t, l)
		if err := l.Gate.AddAddress("to-client", netip.MustParsePrefix("fe80::1234/64")); err != nil {
			t.Fatal(err)
		}
		if _, err := send(t, l, "fe80::1234%eth0", p, 0); err != nil {
			t.Error(err)
		}
		w.expect("fe80::1234 " + p)
	}
}

func TestOneFamilyThatFailsDoesNotSpoilTheOther(t *testing.T) {
	labtest.Need(t, "netns")
	found := addrs("2001:db8::1 127.0.0.1") // this process has a loopback interface only
	opts := Options{Sequence: packet.MustPorts("udp/7000 tcp/8000")}
	sent, problems := sendAll(t.Context(), order(found, Both), opts)
	if len(problems) != 1 || len(sent) != 2 {
		t.Fatalf("got %+v, %v", sent, problems)
	}
	if a := sent[0]; a.Address != found[1] || !slices.Equal(a.Sent, opts.Sequence) || a.Problem != "" {
		t.Errorf("IPv4: %+v", a)
	}
	if a := sent[1]; a.Address != found[0] || len(a.Sent) != 0 || !strings.Contains(a.Problem, "no route") {
		t.Errorf("IPv6: %+v", a)
	}
}

func forbid(t *testing.T, h *lab.Host, kind int, prefix string) {
	t.Helper()
	err := h.Do(func() error {
		dst, err := netlink.ParseIPNet(prefix)
		if err != nil {
			return err
		}
		return netlink.RouteAdd(&netlink.Route{Type: kind, Dst: dst})
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A host that shares its connections out over two uplinks, by their ports,
// sends all knocks of a sequence from one address, whichever.
func TestTwoUplinks(t *testing.T) {
	const knocks = "tcp/7000 udp/8000 tcp/9000 udp/7001 tcp/7002 udp/7003 tcp/7004 udp/7005"
	l := labtest.New(t, lab.Options{})
	here := l.Gate // it has two links
	if err := here.Sysctl("net.ipv4.fib_multipath_hash_policy", "1"); err != nil {
		t.Fatal(err)
	}
	err := here.Do(func() error {
		var hops []*netlink.NexthopInfo
		for _, name := range []string{"client", "attacker"} {
			link, err := netlink.LinkByName("to-" + name)
			if err != nil {
				return err
			}
			via := map[string]netip.Addr{"client": l.Client.IP4, "attacker": l.Attacker.IP4}[name]
			hops = append(hops, &netlink.NexthopInfo{LinkIndex: link.Attrs().Index, Gw: via.AsSlice()})
		}
		return netlink.RouteAdd(&netlink.Route{Dst: &net.IPNet{IP: net.IPv4(203, 0, 113, 0), Mask: net.CIDRMask(24, 32)}, MultiPath: hops})
	})
	if err != nil {
		t.Fatal(err)
	}
	wires := []*wire{tapAt(t, l.Client, "eth0"), tapAt(t, l.Attacker, "eth0")}
	for host := 1; host <= 8; host++ {
		var sent []Attempt
		to := fmt.Sprintf("203.0.113.%d", host)
		err := here.Do(func() (err error) {
			sent, err = Send(t.Context(), Options{Host: to, Sequence: packet.MustPorts(knocks), Gap: time.Millisecond})
			return err
		})
		if err != nil || len(sent) != 1 || len(sent[0].Sent) != 8 {
			t.Fatalf("sent %+v, %v", sent, err)
		}
		seen := 0
		for deadline := time.Now().Add(soon); seen < 8 && time.Now().Before(deadline); {
			for _, w := range wires {
				if w.next(20*time.Millisecond) == "" {
					continue
				}
				if seen++; w.source != sent[0].Source.String() {
					t.Errorf("%s: a knock came from %s, want %s", to, w.source, sent[0].Source)
				}
			}
		}
		if seen != 8 {
			t.Errorf("%s: %d knocks arrived", to, seen)
		}
	}
}
