//go:build linux

package netstate

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"sallyport/internal/lab"
	"sallyport/internal/lab/labtest"
)

func TestMain(m *testing.M) { labtest.Main(m) }

const soon = 10 * time.Second

// on runs a function on a host and returns what it returned.
func on[T any](t *testing.T, h *lab.Host, f func() (T, error)) (got T) {
	t.Helper()
	err := h.Do(func() (err error) {
		got, err = f()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func TestAddresses(t *testing.T) {
	l := labtest.New(t, lab.Options{})
	for link, p := range map[string]string{
		"to-client":   "2001:db8:1::fedc/128",
		"lo":          "203.0.113.7/32", // as routers and load balancers have them
		"to-attacker": "198.51.100.1/25",
	} {
		if err := l.Gate.AddAddress(link, netip.MustParsePrefix(p)); err != nil {
			t.Fatal(err)
		}
	}
	own := on(t, l.Gate, Addresses)
	got := own.Addresses
	if len(own.Prefixes) != 0 {
		t.Errorf("prefixes %v without a route", own.Prefixes)
	}

	var linkLocal []netip.Addr
	got = slices.DeleteFunc(got, func(a netip.Addr) bool {
		if a.IsLinkLocalUnicast() {
			linkLocal = append(linkLocal, a)
		}
		return a.IsLinkLocalUnicast()
	})
	want := []netip.Addr{
		addr("192.0.2.1"), addr("198.51.100.1"), addr("203.0.113.7"),
		addr("2001:db8:1::1"), addr("2001:db8:1::fedc"), addr("2001:db8:2::1"),
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if len(linkLocal) != 2 || linkLocal[0].Zone() != "" {
		t.Errorf("link-local addresses %v, want one for each link, without a zone", linkLocal)
	}
}

func TestPointToPointAddressIsOurEnd(t *testing.T) {
	l := labtest.New(t, lab.Options{})
	err := l.Gate.Do(func() error {
		dev, err := netlink.LinkByName("to-client")
		if err != nil {
			return err
		}
		a, err := netlink.ParseAddr("10.0.0.1/32")
		if err != nil {
			return err
		}
		a.Peer = &net.IPNet{IP: net.IPv4(10, 0, 0, 2), Mask: net.CIDRMask(32, 32)}
		return netlink.AddrAdd(dev, a)
	})
	if err != nil {
		t.Fatal(err)
	}
	got := on(t, l.Gate, Addresses).Addresses
	if !slices.Contains(got, addr("10.0.0.1")) || slices.Contains(got, addr("10.0.0.2")) {
		t.Errorf("got %v, want 10.0.0.1 and not 10.0.0.2", got)
	}
}

// localRoute makes addresses the host's own that are on no interface.
func localRoute(p netip.Prefix) netlink.Route {
	return netlink.Route{
		Dst:   &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())},
		Type:  unix.RTN_LOCAL,
		Scope: unix.RT_SCOPE_HOST,
		Table: unix.RT_TABLE_LOCAL,
	}
}

// route changes a route by the loopback interface.
func route(t *testing.T, h *lab.Host, change func(*netlink.Route) error, r netlink.Route) {
	t.Helper()
	if err := h.Do(func() error {
		lo, err := netlink.LinkByName("lo")
		if err != nil {
			return err
		}
		r.LinkIndex = lo.Attrs().Index
		return change(&r)
	}); err != nil {
		t.Fatal(err)
	}
}

func TestAddressesByRoute(t *testing.T) {
	l := labtest.New(t, lab.Options{})
	before := on(t, l.Gate, Addresses)
	own := func(s string) netlink.Route { return localRoute(netip.MustParsePrefix(s)) }
	proxy, unicast := own("0.0.0.0/0"), own("203.0.113.128/25")
	proxy.Table = 100                                                                                     // of a transparent proxy, by a rule for marked packets
	unicast.Type, unicast.Table, unicast.Scope = unix.RTN_UNICAST, unix.RT_TABLE_MAIN, unix.RT_SCOPE_LINK // no address of this host
	for _, r := range []netlink.Route{own("203.0.113.5/32"), own("203.0.113.64/27"), own("2001:db8:9::5/128"), own("2001:db8:a::/64"), own("192.0.2.1/32"), proxy, unicast} {
		route(t, l.Gate, netlink.RouteReplace, r)
	}
	got := on(t, l.Gate, Addresses)
	for s, want := range map[string]bool{
		"203.0.113.5": true, "203.0.113.64": true, "203.0.113.95": true, "2001:db8:9::5": true, "2001:db8:a::77": true, "192.0.2.1": true,
		"203.0.113.6": false, "203.0.113.96": false, "203.0.113.200": false, "2001:db8:b::1": false, "127.0.0.1": false, "::1": false,
	} {
		if got.Contains(addr(s)) != want {
			t.Errorf("%s is the host's own: %v, want %v", s, !want, want)
		}
	}
	if len(got.Addresses) != len(before.Addresses)+2 || len(got.Prefixes) != 2 {
		t.Errorf("got %v, want two addresses and two prefixes more than %v", got, before)
	}
}

func TestLinksAndRoutes(t *testing.T) {
	l := labtest.New(t, lab.Options{})
	err := l.Gate.Do(func() error {
		attrs := netlink.NewLinkAttrs()
		attrs.Name = "vmbr0"
		bridge := &netlink.Bridge{LinkAttrs: attrs}
		if err := netlink.LinkAdd(bridge); err != nil {
			return err
		}
		port, err := netlink.LinkByName("to-attacker")
		if err != nil {
			return err
		}
		return netlink.LinkSetMaster(port, bridge)
	})
	if err != nil {
		t.Fatal(err)
	}
	links := on(t, l.Gate, Links)
	for _, want := range []Link{{Name: "lo"}, {Name: "to-client", Kind: "veth"}, {Name: "vmbr0", Kind: "bridge"}, {Name: "to-attacker", Kind: "veth", Of: "vmbr0"}} {
		if !slices.Contains(links, want) {
			t.Errorf("links %+v, want %+v among them", links, want)
		}
	}
	for s, want := range map[string]bool{"192.0.2.77": true, "192.0.2.1": true, "2001:db8:1::77": true, "203.0.113.9": false, "2001:db8:ffff::1": false} {
		if got := on(t, l.Gate, func() (bool, error) { return Routed(addr(s)) }); got != want {
			t.Errorf("a route to %s: %v, want %v", s, got, want)
		}
	}
}

// watch runs WatchAddresses on a host until the test ends.
func watch(t *testing.T, h *lab.Host, notify func(Own)) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- h.Do(func() error { return WatchAddresses(ctx, notify) }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("WatchAddresses returned %v, want context.Canceled", err)
		}
	})
}

func awaitTold(t *testing.T, told <-chan Own, want func(Own) bool) {
	t.Helper()
	deadline := time.After(soon)
	for {
		select {
		case own := <-told:
			if want(own) {
				return
			}
		case <-deadline:
			t.Fatal("never told")
		}
	}
}

func TestWatchTellsEachChange(t *testing.T) {
	l := labtest.New(t, lab.Options{})
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	told := make(chan Own, 100)
	t.Run("", func(t *testing.T) {
		watch(t, l.Gate, func(o Own) { told <- o })
		has := func(s string, want bool) func(Own) bool {
			return func(o Own) bool { return o.Contains(addr(s)) == want }
		}
		awaitTold(t, told, has("192.0.2.1", true))
		for _, s := range []string{"192.0.2.50/24", "2001:db8:1::50/64"} {
			p := netip.MustParsePrefix(s)
			if err := l.Gate.AddAddress("to-client", p); err != nil {
				t.Fatal(err)
			}
			awaitTold(t, told, has(p.Addr().String(), true))
			if err := l.Gate.RemoveAddress("to-client", p); err != nil {
				t.Fatal(err)
			}
			awaitTold(t, told, has(p.Addr().String(), false))
		}
		for _, s := range []string{"203.0.113.5/32", "203.0.113.64/27", "2001:db8:9::5/128", "2001:db8:a::/64"} {
			p := netip.MustParsePrefix(s)
			route(t, l.Gate, netlink.RouteAdd, localRoute(p))
			awaitTold(t, told, has(p.Addr().String(), true))
			route(t, l.Gate, netlink.RouteDel, localRoute(p))
			awaitTold(t, told, has(p.Addr().String(), false))
		}
		for range 2 {
			if err := l.Remove(l.Client); err != nil {
				t.Fatal(err)
			}
			awaitTold(t, told, has("192.0.2.1", false))
			if err := l.Connect(l.Client); err != nil {
				t.Fatal(err)
			}
			awaitTold(t, told, has("192.0.2.1", true))
		}
	})
}

// While notify is busy, more notifications come than the socket can hold.
func TestWatchSurvivesLostNotifications(t *testing.T) {
	l := labtest.New(t, lab.Options{})
	const many = 3000
	blocked, release := make(chan bool), make(chan bool)
	told := make(chan Own, many)
	first := true
	watch(t, l.Gate, func(o Own) {
		if first {
			first = false
			close(blocked)
			<-release
		}
		told <- o
	})
	<-blocked
	before := len(on(t, l.Gate, Addresses).Addresses)
	err := l.Gate.Do(func() error {
		dev, err := netlink.LinkByName("to-client")
		for i := 0; i < many && err == nil; i++ {
			ip := net.IPv4(10, 0, byte(i>>8), byte(i))
			err = netlink.AddrAdd(dev, &netlink.Addr{IPNet: &net.IPNet{IP: ip, Mask: net.CIDRMask(32, 32)}})
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	close(release)
	awaitTold(t, told, func(o Own) bool { return len(o.Addresses) == before+many })
	if n := len(told); n > 3 {
		t.Errorf("told %d times more about what is one change", n)
	}
}

func TestWatchEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	calls := 0
	if err := WatchAddresses(ctx, func(Own) { calls++ }); !errors.Is(err, context.Canceled) || calls > 1 {
		t.Errorf("got %v after %d calls", err, calls)
	}
}

func TestListeners(t *testing.T) {
	l := labtest.New(t, lab.Options{})
	if got := on(t, l.Gate, Listeners); len(got) != 0 {
		t.Fatalf("a new host listens on %v", got)
	}
	for _, s := range []struct{ network, address string }{
		{"tcp4", "0.0.0.0:11"},
		{"tcp", "[::]:12"},
		{"tcp", "192.0.2.1:13"},
		{"tcp6", "[2001:db8:1::1]:14"},
		{"tcp4", "0.0.0.0:15"}, {"tcp6", "[::]:15"}, // told once
		{"tcp", "127.0.0.1:16"}, {"tcp", "127.8.9.1:16"}, {"tcp6", "[::1]:16"}, // not from outside
		{"udp4", "0.0.0.0:21"},
		{"udp", "[::]:22"},
		{"udp", "192.0.2.1:23"},
		{"udp", "127.0.0.1:24"}, {"udp6", "[::1]:24"}, // not from outside
	} {
		open(t, l.Gate, s.network, s.address)
	}
	connected(t, l.Gate, "udp", "192.0.2.2:9")
	if _, err := l.Client.Greet(netip.MustParseAddrPort("0.0.0.0:99")); err != nil {
		t.Fatal(err)
	}
	connected(t, l.Gate, "tcp", "192.0.2.2:99")

	var got []string
	for _, p := range on(t, l.Gate, Listeners) {
		got = append(got, p.String())
	}
	want := "tcp/11 tcp/12 tcp/13 tcp/14 tcp/15 udp/21 udp/22 udp/23"
	if s := strings.Join(got, " "); s != want {
		t.Errorf("got  %s\nwant %s", s, want)
	}
}

func TestLoopbackInsideIPv6(t *testing.T) {
	socket := func(family byte, local string) []byte {
		data := make([]byte, diagMessageLen)
		data[0], data[5] = family, 80
		if family == unix.AF_INET {
			copy(data[8:], addr(local).AsSlice())
		} else {
			a := addr(local).As16()
			copy(data[8:], a[:])
		}
		return data
	}
	for _, c := range []struct {
		data []byte
		want bool
	}{
		{socket(unix.AF_INET, "0.0.0.0"), true},
		{socket(unix.AF_INET, "127.0.0.53"), false},
		{socket(unix.AF_INET6, "::"), true},
		{socket(unix.AF_INET6, "::1"), false},
		{socket(unix.AF_INET6, "::ffff:127.0.0.1"), false},
		{socket(unix.AF_INET6, "::ffff:192.0.2.1"), true},
	} {
		if s, ok, err := parseSocket(c.data); ok != c.want || err != nil || s.port.Number != 80 {
			t.Errorf("% x: got %d, %v, %v", c.data[:24], s.port.Number, ok, err)
		}
	}
}

func TestShortMessagesAreErrors(t *testing.T) {
	if _, _, err := parseSocket(make([]byte, diagMessageLen-1)); err == nil {
		t.Error("socket: no error")
	}
	if _, _, err := parseAddress(make([]byte, unix.SizeofIfAddrmsg-1)); err == nil {
		t.Error("address: no error")
	}
	if _, _, err := parseRoute(make([]byte, unix.SizeofRtMsg-1)); err == nil {
		t.Error("route: no error")
	}
	if _, _, err := parseLink(make([]byte, unix.SizeofIfInfomsg-1)); err == nil {
		t.Error("link: no error")
	}
	if _, ok, err := parseAddress(make([]byte, unix.SizeofIfAddrmsg)); ok || err != nil {
		t.Errorf("address message without an address: got %v, %v", ok, err)
	}
}

func TestForeignDuplicatesAreNotOurs(t *testing.T) {
	message := func(flags byte) []byte {
		return append([]byte{unix.AF_INET, 24, flags, 0, 1, 0, 0, 0}, 8, 0, unix.IFA_LOCAL, 0, 192, 0, 2, 1)
	}
	if a, ok, err := parseAddress(message(unix.IFA_F_TENTATIVE)); !ok || err != nil || a != addr("192.0.2.1") {
		t.Errorf("tentative: got %v, %v, %v", a, ok, err)
	}
	if _, ok, err := parseAddress(message(unix.IFA_F_DADFAILED)); ok || err != nil {
		t.Errorf("failed: got %v, %v", ok, err)
	}
}

func TestEphemeralRange(t *testing.T) {
	l := labtest.New(t, lab.Options{})
	if err := l.Gate.Sysctl("net.ipv4.ip_local_port_range", "40000 50001"); err != nil {
		t.Fatal(err)
	}
	err := l.Gate.Do(func() error {
		first, last, err := EphemeralRange()
		if first != 40000 || last != 50001 {
			err = errors.Join(err, fmt.Errorf("got %d to %d, want 40000 to 50001", first, last))
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// BenchmarkListeners measures a host with many connections that are not of interest.
func BenchmarkListeners(b *testing.B) {
	labtest.Need(b, "netns")
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer ln.Close()
	const connections = 200
	for range connections {
		conn, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		defer conn.Close()
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Listeners(); err != nil {
			b.Fatal(err)
		}
	}
}

// open binds a socket on a host for the rest of the test.
func open(t *testing.T, h *lab.Host, network, address string) {
	t.Helper()
	closer, err := interface{ Close() error }(nil), error(nil)
	if strings.HasPrefix(network, "udp") {
		closer, err = h.ListenPacket(network, address)
	} else {
		closer, err = h.Listen(network, address)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closer.Close() })
}

func connected(t *testing.T, h *lab.Host, network, address string) {
	t.Helper()
	conn, err := h.Dial(t.Context(), network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
}
