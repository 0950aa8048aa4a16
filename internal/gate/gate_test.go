package gate

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/event"
	"sallyport/internal/packet"
)

var (
	start  = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	here   = netip.MustParseAddr("192.0.2.1")
	here6  = netip.MustParseAddr("2001:db8::1")
	client = netip.MustParseAddr("198.51.100.7")
)

var ports = packet.MustPorts

func testConfig() *config.Config {
	return &config.Config{
		Gate: config.Gate{Policy: config.PolicyAll, Public: ports("tcp/80")},
		Doors: []config.Door{
			{Name: "ssh", Ports: ports("tcp/22"), OpenFor: 30 * time.Second, Within: 10 * time.Second, Sequence: ports("tcp/7000 udp/8000 tcp/9000")},
			{Name: "db", Ports: ports("tcp/5432"), OpenFor: time.Minute, Within: time.Second, Sequence: ports("udp/40000 tcp/1234"), Single: true,
				To: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("2001:db8:7::/48")}},
			{Name: "shut", Ports: ports("tcp/6000")},
		},
	}
}

func testHost() Host {
	return Host{Addresses: []netip.Addr{here, here6}, Listeners: ports("tcp/25 udp/53"), Ephemeral: [2]uint16{32768, 60999}}
}

type sender struct {
	*Gate
	now time.Time
	id  uint32
	dst netip.Addr
	src netip.Addr // zero: client
}

func newSender() *sender {
	return &sender{Gate: New(testConfig(), SPA{}, testHost(), start), now: start, dst: here}
}

// send delivers packets a millisecond apart and returns every decision.
func (s *sender) send(knocks string) (all []Decision) {
	src := s.src
	if !src.IsValid() {
		src = client
	}
	for _, p := range ports(knocks) {
		s.id++
		s.now = s.now.Add(time.Millisecond)
		all = append(all, s.Observe(s.now, &packet.Packet{
			Src: src, Dst: s.dst, Proto: p.Proto, DstPort: p.Number, Flags: packet.SYN, Seq: s.id})...)
	}
	return s.proved(s.now, all)
}

// proved fails on a grant whose proof the configuration does not know: the next
// reload or start would end it.
func (g *Gate) proved(now time.Time, all []Decision) []Decision {
	until := Longest(g.config, nil, now)
	for _, d := range all {
		for _, granted := range d.Grants {
			if d.Kind == event.KindGrant && until(granted).IsZero() {
				panic(fmt.Sprintf("a grant without its proof: %+v", granted))
			}
		}
	}
	return all
}

func one(t *testing.T, decisions []Decision) Decision {
	t.Helper()
	if len(decisions) != 1 {
		t.Fatalf("%d decisions, want 1: %+v", len(decisions), decisions)
	}
	return decisions[0]
}

func TestSequenceGrants(t *testing.T) {
	s := newSender()
	d := one(t, s.send("tcp/7000 udp/8000 tcp/9000"))
	want := event.Grant{Door: "ssh", Source: client, Until: s.now.Add(30 * time.Second), Proof: sequenceProof(ports("tcp/7000 udp/8000 tcp/9000"))}
	if d.Kind != event.KindGrant || d.Reason != event.BySequence || len(d.Grants) != 1 || d.Grants[0] != want {
		t.Errorf("%+v, want a grant %+v", d, want)
	}
	if d = one(t, s.send("udp/40000 tcp/1234")); !d.Grants[0].Single {
		t.Errorf("%+v, want a single grant", d)
	}
}

func TestNeutralContactsDoNotSpoilTheKnock(t *testing.T) {
	s := newSender()
	if d := one(t, s.send("tcp/7000 tcp/22 tcp/80 udp/8000 tcp/25 udp/53 udp/50000 tcp/5432 tcp/9000")); d.Kind != event.KindGrant {
		t.Errorf("%+v, want a grant", d)
	}
}

func TestAnyClosedPortBreaksTheSequence(t *testing.T) {
	for _, wrong := range []string{"tcp/1", "udp/1", "udp/80", "udp/22", "tcp/50000", "tcp/8000"} {
		d := one(t, newSender().send("tcp/7000 "+wrong+" udp/8000 tcp/9000"))
		if d.Kind != event.KindRefusal || d.Reason != event.WrongKnock || d.Door != "ssh" || d.Event(start).Detail != "after 1 right knocks of 3" {
			t.Errorf("%s: %+v, want a refusal for a wrong knock", wrong, d)
		}
	}
}

func TestTooSlow(t *testing.T) {
	s := newSender()
	s.send("udp/40000")
	s.now = s.now.Add(time.Second)
	if d := one(t, s.send("tcp/1234")); d.Reason != event.TooSlow || d.Door != "db" || len(d.Grants) != 0 {
		t.Errorf("%+v, want a refusal because too slow", d)
	}
}

func TestOnlyTrafficToTheGateCounts(t *testing.T) {
	for dst, opens := range map[string]bool{
		"192.0.2.1": true, "2001:db8::1": true, "203.0.113.9": true, "2001:db8:7::9": true,
		"192.0.2.2": false, "2001:db8::2": false, "203.0.114.1": false, "255.255.255.255": false, "224.0.0.1": false,
	} {
		s := newSender()
		s.dst = netip.MustParseAddr(dst)
		if got := len(s.send("tcp/7000 udp/8000 tcp/9000")) == 1; got != opens {
			t.Errorf("knocks to %s: opened %v, want %v", dst, got, opens)
		}
	}
}

func TestOnlyPureSYNsAreKnocks(t *testing.T) {
	for flags, opens := range map[uint8]bool{
		packet.SYN: true, packet.SYN | packet.ECE | packet.CWR: true,
		0: false, packet.ACK: false, packet.SYN | packet.ACK: false, packet.SYN | packet.RST: false, packet.SYN | packet.FIN: false, packet.RST: false,
	} {
		g := New(testConfig(), SPA{}, testHost(), start)
		var d []Decision
		for i, p := range ports("udp/40000 tcp/1234") {
			d = g.Observe(start, &packet.Packet{Src: client, Dst: here, Proto: p.Proto, DstPort: p.Number, Flags: flags, Seq: uint32(i)})
		}
		if got := len(d) == 1; got != opens {
			t.Errorf("TCP flags %08b: opened %v, want %v", flags, got, opens)
		}
	}
}

func TestReconfigureKeepsProgress(t *testing.T) {
	s := newSender()
	s.send("tcp/7000 udp/8000")
	cfg := testConfig()
	cfg.Doors = cfg.Doors[:1]
	s.Reconfigure(cfg, SPA{}, s.now)
	if d := one(t, s.send("tcp/9000")); d.Kind != event.KindGrant {
		t.Errorf("%+v, want a grant", d)
	}
}

func TestNewAddressCounts(t *testing.T) {
	s := newSender()
	s.dst = netip.MustParseAddr("192.0.2.99")
	if d := s.send("tcp/7000 udp/8000 tcp/9000"); len(d) != 0 {
		t.Fatalf("%+v before the address was the gate's own", d)
	}
	host := testHost()
	host.Addresses = append(host.Addresses, s.dst)
	s.SetHost(host)
	one(t, s.send("tcp/7000 udp/8000 tcp/9000"))
}

// What a route of type local delivers to the host is its own; packets that
// come by it to other addresses are counted.
func TestAddressesByRouteCount(t *testing.T) {
	s := newSender()
	s.dst = netip.MustParseAddr("198.18.0.77")
	if d := s.send("tcp/7000 udp/8000 tcp/9000 tcp/22"); len(d) != 0 {
		t.Fatalf("%+v before the address was the gate's own", d)
	}
	if n := s.Elsewhere(); n != 3 {
		t.Errorf("%d packets counted elsewhere, want the 3 that are knocks", n)
	}
	host := testHost()
	host.Prefixes = []netip.Prefix{netip.MustParsePrefix("198.18.0.64/27")}
	s.SetHost(host)
	if d := one(t, s.send("tcp/7000 udp/8000 tcp/9000")); d.Kind != event.KindGrant {
		t.Errorf("%+v, want a grant", d)
	}
	if n := s.Elsewhere(); n != 3 {
		t.Errorf("%d packets counted elsewhere, want still 3", n)
	}
	s.SetHost(testHost())
	if d := s.send("tcp/7000 udp/8000 tcp/9000"); len(d) != 0 {
		t.Errorf("%+v after the route had gone", d)
	}
}

func TestWatches(t *testing.T) {
	g := New(testConfig(), SPA{}, testHost(), start)
	for port, want := range map[string]bool{
		"tcp/7000": true, "udp/8000": true, "udp/40000": true, "tcp/1": true, "udp/1": true, "tcp/50000": true,
		"tcp/22": false, "tcp/80": false, "tcp/25": false, "udp/53": false, "udp/50000": false, "udp/32768": false, "udp/32767": true,
	} {
		if got := g.Watches(ports(port)[0]); got != want {
			t.Errorf("watches %s: %v, want %v", port, got, want)
		}
	}
	cfg := testConfig()
	cfg.Doors = cfg.Doors[2:]
	g.Reconfigure(cfg, SPA{}, start)
	if g.Watches(ports("tcp/1")[0]) {
		t.Error("without any sequence there is nothing to watch")
	}
}

func TestObserveDoesNotAllocate(t *testing.T) {
	g := New(testConfig(), SPA{}, testHost(), start)
	p := &packet.Packet{Dst: here, Proto: packet.TCP, DstPort: 7000, Flags: packet.SYN}
	i := 0
	flood := func() {
		i++
		p.Src, p.Seq = netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), uint32(i)
		p.DstPort = 7000 + uint16(i/256%2)
		g.Observe(start.Add(time.Duration(i)), p)
	}
	for range 2000 {
		flood()
	}
	if n := testing.AllocsPerRun(2000, flood); n != 0 {
		t.Errorf("%v allocations for a hostile packet, want none", n)
	}
}

func BenchmarkObserveFirstKnock(b *testing.B) {
	g := New(testConfig(), SPA{}, testHost(), start)
	p := &packet.Packet{Dst: here, Proto: packet.TCP, DstPort: 7000, Flags: packet.SYN}
	b.ReportAllocs()
	for i := range b.N {
		p.Src, p.Seq = netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), uint32(i)
		g.Observe(start.Add(time.Duration(i)*1000), p)
	}
}

// Who comes a moment before the door opens, as our client does, has touched no
// closed port; everything else around the door is one.
func TestTouches(t *testing.T) {
	g := newSender()
	for port, want := range map[string]bool{"tcp/22": false, "tcp/5432": false, "tcp/80": false, "tcp/25": false, "tcp/23": true, "udp/22": true, "tcp/7000": true} {
		p := ports(port)[0]
		syn := &packet.Packet{Src: client, Dst: here, Proto: p.Proto, DstPort: p.Number, Flags: packet.SYN}
		if got := g.Touches(syn); got != want {
			t.Errorf("%s: %t", port, got)
		}
	}
}
