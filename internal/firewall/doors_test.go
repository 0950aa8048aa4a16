//go:build linux

package firewall

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/event"
	"sallyport/internal/lab"
	"sallyport/internal/lab/labtest"
)

func TestClosedOpenClosed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{})
	targets := []struct {
		network string
		to      func(*lab.Host) netip.AddrPort
	}{
		{"tcp", func(h *lab.Host) netip.AddrPort { return at(h.Gate4, 22) }},
		{"tcp", func(h *lab.Host) netip.AddrPort { return at(h.Gate6, 22) }},
		{"udp", func(h *lab.Host) netip.AddrPort { return at(h.Gate4, 53) }},
		{"udp", func(h *lab.Host) netip.AddrPort { return at(h.Gate6, 53) }},
	}
	w.apply(guarding(doorTo("ssh", "tcp/22"), doorTo("dns", "udp/53")))
	for _, c := range targets {
		w.closed(w.Client, c.network, c.to(w.Client))
		w.closed(w.Attacker, c.network, c.to(w.Attacker))
		w.open(w.Client, "tcp", at(w.Client.Gate4, 80))
	}
	w.grant("ssh", w.Client, 2*time.Second)
	w.grant("dns", w.Client, 2*time.Second)
	for _, c := range targets {
		w.open(w.Client, c.network, c.to(w.Client))
		w.closed(w.Attacker, c.network, c.to(w.Attacker))
	}
	for _, c := range targets {
		if c.network == "tcp" { // a UDP flow is under way
			w.closes(w.Client, c.network, c.to(w.Client))
		}
	}
	if n := len(w.grants()); n != 0 {
		t.Errorf("%d grants are left", n)
	}
}

func TestRevokeClosesAllPorts(t *testing.T) {
	onKernels(t, func(w *world) {
		w.apply(guarding(doorTo("both", "tcp/22", "tcp/80")))
		targets := []netip.AddrPort{at(w.Client.Gate4, 22), at(w.Client.Gate6, 22), at(w.Client.Gate4, 80), at(w.Client.Gate6, 80)}
		for _, to := range targets {
			w.closed(w.Client, "tcp", to)
		}
		w.grant("both", w.Client, time.Hour)
		for _, to := range targets {
			w.open(w.Client, "tcp", to)
		}
		for _, source := range []netip.Addr{w.Client.IP4, w.Client.IP6} {
			for range 2 { // again is no error
				w.do(func() error { return w.f.Revoke(event.Grant{Source: source, Door: "both"}) })
			}
		}
		for _, to := range targets {
			w.closed(w.Client, "tcp", to)
		}
	})
}

// A second add of an element changes nothing before Linux 6.12, and the time
// alone after that.
func TestGrantAgainSetsTimeAndClient(t *testing.T) {
	onKernels(t, func(w *world) {
		w.apply(guarding(doorTo("ssh", "tcp/22")))
		for client, d := range map[string]time.Duration{"alice": 2 * time.Second, "bob": time.Hour, "": 10 * time.Minute} {
			now := time.Now()
			g := event.Grant{Door: "ssh", Client: client, Source: w.Client.IP4, Until: now.Add(d)}
			w.do(func() error { return w.f.Grant(g, now) })
			got := w.grants()
			if len(got) != 1 || got[0].Client != client || got[0].Until.Sub(g.Until).Abs() > time.Second {
				w.t.Errorf("the kernel has %+v, want %+v", got, g)
			}
			w.open(w.Client, "tcp", at(w.Client.Gate4, 22))
		}
	})
}

func TestShortGrantAmongLongOnes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{})
	w.apply(guarding(doorTo("ssh", "tcp/22")))
	now := time.Now()
	for i := range 60 {
		source := netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})
		w.do(func() error {
			return w.f.Grant(event.Grant{Door: "ssh", Source: source, Until: now.Add(time.Hour)}, now)
		})
	}
	w.closed(w.Client, "tcp", at(w.Client.Gate4, 22))
	w.grant("ssh", w.Client, time.Second)
	w.open(w.Client, "tcp", at(w.Client.Gate4, 22))
	w.closes(w.Client, "tcp", at(w.Client.Gate4, 22))
	if n := len(w.grants()); n != 60 {
		t.Errorf("%d grants are left, want the 60 long ones", n)
	}
}

func TestSingleLetsOneConnectionIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{})
	w.apply(guarding(doorTo("ssh", "tcp/22")))
	for range 2 { // and again with other grants
		w.closed(w.Client, "tcp", at(w.Client.Gate4, 22))
		w.closed(w.Client, "tcp", at(w.Client.Gate6, 22))
		w.grantSingle("ssh", w.Client)
		for _, to := range []netip.AddrPort{at(w.Client.Gate4, 22), at(w.Client.Gate6, 22)} {
			w.closed(w.Attacker, "tcp", at(w.Attacker.Gate4, 22))
			s := w.connect(w.Client, to)
			w.closed(w.Client, "tcp", to)
			w.lives(s, "after a second was refused")
		}
		if left := w.grants(); len(left) != 0 {
			t.Errorf("used grants are still there: %+v", left)
		}
	}
}

func TestSingleForSeveralPortsLetsOneConnectionIn(t *testing.T) {
	onKernels(t, func(w *world) {
		w.apply(guarding(doorTo("both", "tcp/22", "tcp/80"), doorTo("dns", "udp/53")))
		w.closed(w.Client, "tcp", at(w.Client.Gate4, 22))
		w.closed(w.Client, "tcp", at(w.Client.Gate6, 22))
		w.grantSingle("both", w.Client)
		for _, gateway := range []netip.Addr{w.Client.Gate4, w.Client.Gate6} {
			w.closed(w.Client, "udp", at(gateway, 53))
			w.open(w.Client, "tcp", at(gateway, 80))
			w.closed(w.Client, "tcp", at(gateway, 22))
			w.closed(w.Client, "tcp", at(gateway, 80))
		}
	})
}

// Single and lasting grants of a source stand side by side, and end one by one.
// What lasts goes first, so that the other is not used up.
func TestKindsOfGrantStandSideBySide(t *testing.T) {
	onKernels(t, func(w *world) {
		w.apply(guarding(doorTo("ssh", "tcp/22"), doorTo("both", "tcp/80", "udp/53")))
		w.closed(w.Client, "tcp", at(w.Client.Gate4, 22))
		for _, name := range []string{"ssh", "both"} {
			for _, single := range []bool{true, false, true} {
				w.grantAs(name, w.Client, time.Hour, single)
			}
		}
		if n := len(w.grants()); n != 8 {
			w.t.Errorf("%d grants, want two for each door and address: %+v", n, w.grants())
		}
		for range 2 {
			w.open(w.Client, "tcp", at(w.Client.Gate4, 22))
		}
		w.do(func() error { return w.f.Revoke(event.Grant{Door: "ssh", Source: w.Client.IP4}) })
		w.open(w.Client, "tcp", at(w.Client.Gate4, 22))
		w.closed(w.Client, "tcp", at(w.Client.Gate4, 22))
		w.do(func() error { return w.f.Revoke(event.Grant{Door: "ssh", Source: w.Client.IP6, Single: true}) })
		w.open(w.Client, "tcp", at(w.Client.Gate6, 22))
	})
}

// A single grant can get another end, unless it has been used.
func TestRenew(t *testing.T) {
	onKernels(t, func(w *world) {
		w.apply(guarding(doorTo("both", "tcp/80", "tcp/22")))
		w.closed(w.Client, "tcp", at(w.Client.Gate4, 80))
		w.grantSingle("both", w.Client)
		now := time.Now()
		g := event.Grant{Door: "both", Source: w.Client.IP4, Until: now.Add(time.Minute), Single: true}
		renew := func() (there bool) {
			w.do(func() (err error) {
				there, err = w.f.Renew(g, now)
				return err
			})
			return there
		}
		if !renew() {
			w.t.Error("an unused grant is not there")
		}
		if left := w.grants()[0]; left.Until.Sub(g.Until).Abs() > 2*time.Second {
			w.t.Errorf("%+v, want it to end at %s", left, g.Until)
		}
		w.open(w.Client, "tcp", at(w.Client.Gate4, 22))
		if renew() {
			w.t.Error("a used grant is there")
		}
		w.closed(w.Client, "tcp", at(w.Client.Gate4, 80))
		w.closed(w.Client, "tcp", at(w.Client.Gate4, 22))
	})
}

// The first packet is lost behind the gate, so the client sends it again, with
// the single grant used up by then.
func TestRetransmittedFirstPacketOfSingleConnection(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{Inside: true})
	w.do(func() error { _, err := w.Inside.Greet(at(netip.IPv6Unspecified(), 22)); return err })
	ssh := doorTo("ssh", "tcp/22")
	ssh.To = prefixes("203.0.113.0/24")
	w.apply(guarding(ssh))
	w.nftOn(w.Inside, "table inet lossy { chain in { type filter hook input priority 0; tcp flags syn limit rate 1/hour burst 1 packets drop; }; }")
	w.grantSingle("ssh", w.Client)
	start := time.Now()
	s := w.connect(w.Client, at(w.Inside.IP4, 22))
	if took := time.Since(start); took < 500*time.Millisecond {
		t.Fatalf("nothing was sent again: connected after %s", took)
	}
	w.lives(s, "after the first packet was lost")
	if c, err := w.f.Counters(); err != nil || c.Total != 0 {
		t.Errorf("%d packets refused (%v), want none", c.Total, err)
	}
	w.closed(w.Client, "tcp", at(w.Inside.IP4, 22))
}

func TestTrustedSources(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{})
	cfg := guarding(doorTo("ssh", "tcp/22"))
	cfg.Gate.Trusted = prefixes("192.0.2.0/24", "192.0.2.0/25", "2001:db8:1::/64", "255.255.255.0/24")
	w.apply(cfg)
	w.open(w.Client, "tcp", at(w.Client.Gate4, 22))
	w.open(w.Client, "tcp", at(w.Client.Gate6, 22))
	w.closed(w.Attacker, "tcp", at(w.Attacker.Gate4, 22))
	w.closed(w.Attacker, "tcp", at(w.Attacker.Gate6, 22))
	cfg.Gate.Trusted = nil
	w.apply(cfg)
	w.closed(w.Client, "tcp", at(w.Client.Gate4, 22))
}

func TestGatedInterfaces(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{})
	cfg := guarding(doorTo("ssh", "tcp/22"))
	for _, names := range [][]string{{"to-attacker", "not-there"}, {"not-there*", "to-att*"}, {"x", "to-attacker*"}} {
		cfg.Gate.Interfaces = names
		w.apply(cfg)
		w.open(w.Client, "tcp", at(w.Client.Gate4, 22))
		w.closed(w.Attacker, "tcp", at(w.Attacker.Gate4, 22))
		w.closed(w.Attacker, "tcp", at(w.Client.Gate4, 22))
	}
	cfg.Gate.Interfaces = []string{"to-*"}
	w.apply(cfg)
	w.closed(w.Client, "tcp", at(w.Client.Gate4, 22))
	w.closed(w.Attacker, "tcp", at(w.Attacker.Gate4, 22))
	cfg.Gate.Interfaces = nil
	w.apply(cfg)
	w.closed(w.Client, "tcp", at(w.Client.Gate4, 22))
	w.open(w.Gate, "tcp", at(netip.MustParseAddr("127.0.0.1"), 22))
	w.open(w.Gate, "tcp", at(w.Client.Gate4, 22))
}

func TestRejectAnswersAsAClosedPort(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{})
	cfg := guarding(doorTo("ssh", "tcp/22"), doorTo("dns", "udp/53"))
	cfg.Gate.Closed = config.ClosedReject
	w.apply(cfg)
	for _, to := range []netip.Addr{w.Client.Gate4, w.Client.Gate6} {
		w.refused(w.Client, "tcp", at(to, 22))
		w.refused(w.Client, "tcp", at(to, 23)) // nothing listens
		w.refused(w.Client, "udp", at(to, 53))
	}
	w.grant("ssh", w.Client, time.Hour)
	w.open(w.Client, "tcp", at(w.Client.Gate4, 22))
	w.do(func() error { return w.f.Revoke(event.Grant{Source: w.Client.IP4, Door: "ssh"}) })
	w.refused(w.Client, "tcp", at(w.Client.Gate4, 22))
}

func TestPolicyAll(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{})
	w.do(func() error { _, err := w.Client.Greet(at(netip.IPv6Unspecified(), 25)); return err })
	cfg := guarding(doorTo("ssh", "tcp/22"))
	cfg.Gate.Policy, cfg.Gate.Public = config.PolicyAll, ports("tcp/80")
	w.open(w.Client, "udp", at(w.Client.Gate4, 53))
	w.apply(cfg)
	for _, to := range []netip.Addr{w.Client.Gate4, w.Client.Gate6} {
		w.open(w.Client, "tcp", at(to, 80))
		w.closed(w.Attacker, "udp", at(to, 53))
		w.closed(w.Client, "tcp", at(to, 22))
		w.closed(w.Client, "tcp", at(to, 9)) // nothing listens, nothing answers
	}
	w.grant("ssh", w.Client, time.Hour)
	w.open(w.Client, "tcp", at(w.Client.Gate4, 22))
	w.open(w.Gate, "tcp", at(w.Client.IP4, 25)) // the host itself goes out
	w.open(w.Gate, "tcp", at(w.Client.IP6, 25))
}

// With policy "all", whatever has ports is closed.
func TestPolicyAllClosesOtherProtocolsWithPorts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{})
	cfg := guarding()
	cfg.Gate.Policy = config.PolicyAll
	w.apply(cfg)
	segment := []byte{0x30, 0x39, 0, 22, 0, 0, 0, 0, 0, 0, 0, 0} // from port 12345 to 22
	for i, c := range []struct {
		network string
		passes  bool
	}{
		{"ip4:132", false}, {"ip4:136", false}, {"ip4:33", false}, {"ip6:132", false}, {"ip4:47", true}, {"ip4:50", true},
	} {
		before, err := w.f.Counters()
		if err != nil {
			t.Fatal(err)
		}
		to := w.Client.Gate4
		if c.network[2] == '6' {
			to = w.Client.Gate6
		}
		conn, err := w.Client.Dial(t.Context(), c.network, to.String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := conn.Write(segment); err != nil {
			t.Fatal(err)
		}
		if c.passes {
			continue // a packet that must not be counted shows in the next round
		}
		w.eventually(c.network+" is refused", func() bool {
			now, err := w.f.Counters()
			if err != nil || now.Total > before.Total+1 {
				t.Fatalf("case %d: %d refused after %d, %v", i, now.Total, before.Total, err)
			}
			return now.Total == before.Total+1
		})
	}
}

// A service on 0.0.0.0 or [::] hears broadcasts and multicasts, and every
// address of the host.
func TestEveryWayToTheHostIsClosed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{})
	var linkLocal netip.Addr
	w.do(func() error {
		return w.Gate.Do(func() error {
			link, err := net.InterfaceByName("to-client")
			if err != nil {
				return err
			}
			addresses, err := link.Addrs()
			for _, a := range addresses {
				if p := netip.MustParsePrefix(a.String()); p.Addr().IsLinkLocalUnicast() && p.Addr().Is6() {
					linkLocal = p.Addr().WithZone("eth0")
				}
			}
			return err
		})
	})
	ways := map[string]string{
		"broadcast":         "192.0.2.255:53",
		"all hosts":         "224.0.0.1:53",
		"all nodes":         "[ff02::1%eth0]:53",
		"other interface":   at(w.Attacker.Gate4, 53).String(),
		"other interface 6": at(w.Attacker.Gate6, 53).String(),
	}
	if linkLocal.IsValid() {
		ways["link-local"] = at(linkLocal, 53).String()
	} else {
		t.Error("the gate has no link-local address")
	}
	refused := func() uint64 {
		c, err := w.f.Counters()
		if err != nil {
			t.Fatal(err)
		}
		return c.Doors[ports("udp/53")[0]]
	}
	w.apply(guarding(doorTo("dns", "udp/53")))
	for name, to := range ways {
		before := refused()
		conn, err := w.Client.ListenPacket("udp", "")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		address, err := net.ResolveUDPAddr("udp", to)
		if err != nil {
			t.Error(err)
			continue
		}
		w.eventually(name+" is refused", func() bool { // sent again: a datagram may be lost while its neighbour is looked for
			w.do(func() error {
				return w.Client.Do(func() error { _, err := conn.WriteTo([]byte("hello"), address); return err })
			})
			return refused() > before
		})
	}
}

func TestForwardedDoor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{Inside: true})
	for _, h := range []*lab.Host{w.Inside, w.Attacker} {
		w.do(func() error { _, err := h.Greet(at(netip.IPv6Unspecified(), 22)); return err })
	}
	ssh := doorTo("ssh", "tcp/22")
	ssh.To = prefixes("203.0.113.0/24", "203.0.113.2/32", "2001:db8:3::/64")
	w.apply(guarding(ssh, doorTo("web", "tcp/80")))
	for _, to := range []netip.AddrPort{at(w.Inside.IP4, 22), at(w.Inside.IP6, 22)} {
		w.closed(w.Client, "tcp", to)
		w.refused(w.Client, "tcp", at(to.Addr(), 80)) // no door there: the host inside answers
	}
	w.grant("ssh", w.Client, 2*time.Second)
	for _, to := range []netip.AddrPort{at(w.Inside.IP4, 22), at(w.Inside.IP6, 22)} {
		w.open(w.Client, "tcp", to)
		w.closed(w.Attacker, "tcp", to)
	}
	w.closes(w.Client, "tcp", at(w.Inside.IP4, 22))
	// What hosts behind the gate do elsewhere is none of its business.
	for _, to := range []netip.Addr{w.Attacker.IP4, w.Attacker.IP6} {
		w.open(w.Inside, "tcp", at(to, 22))
		w.open(w.Client, "tcp", at(to, 22))
	}
}

// A port published by DNAT, as container engines do: outside 8080, inside 80.
func TestPublishedPort(t *testing.T) {
	t.Parallel()
	labtest.Need(t, "peers", "nft")
	w := newWorld(t, lab.Options{Inside: true})
	w.do(func() error { _, err := w.Inside.Greet(at(netip.IPv6Unspecified(), 80)); return err })
	w.nft(`table inet engine { chain published { type nat hook prerouting priority dstnat; tcp dport 8080 fib daddr type local dnat ip to 203.0.113.2:80; }; }`)
	w.open(w.Client, "tcp", at(w.Client.Gate4, 8080))
	w.apply(guarding(doorTo("web", "tcp/8080")))
	w.closed(w.Client, "tcp", at(w.Client.Gate4, 8080))
	w.grant("web", w.Client, 2*time.Second)
	w.open(w.Client, "tcp", at(w.Client.Gate4, 8080))
	w.closed(w.Attacker, "tcp", at(w.Attacker.Gate4, 8080))
	w.closes(w.Client, "tcp", at(w.Client.Gate4, 8080))
}
