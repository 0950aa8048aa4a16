//go:build linux

package ack

import (
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"sallyport/internal/lab"
	"sallyport/internal/lab/labtest"
)

func TestMain(m *testing.M) { labtest.Main(m) }

// A datagram arrives with the address and port it claims to come from, and with
// a checksum that the receiver's kernel accepts.
func TestSendFromAPortThatIsNotBound(t *testing.T) {
	l := labtest.New(t, lab.Options{})
	s := open(t, l)
	for _, c := range []struct{ gate, client netip.Addr }{{l.Client.Gate4, l.Client.IP4}, {l.Client.Gate6, l.Client.IP6}} {
		for _, size := range []int{0, 1, 2, 119, 120, 1200} {
			arrives(t, s, l.Client, c.gate, c.client, 0, size)
		}
	}
}

func open(t *testing.T, l *lab.Lab) *Sender {
	t.Helper()
	var s *Sender
	if err := l.Gate.Do(func() (err error) { s, err = Open(); return err }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// arrives sends a datagram to an address of a host and requires that it comes.
func arrives(t *testing.T, s *Sender, h *lab.Host, from, to netip.Addr, in, size int) {
	t.Helper()
	conn, err := h.ListenPacket("udp", netip.AddrPortFrom(to, 0).String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	payload := make([]byte, size)
	for i := range payload {
		payload[i] = byte(i * 7)
	}
	source := netip.AddrPortFrom(from, 40321)
	target := netip.AddrPortFrom(to.WithZone(""), conn.LocalAddr().(*net.UDPAddr).AddrPort().Port())
	buf := make([]byte, 2000)
	var n int
	var got net.Addr
	// New addresses and routes of a host may take a moment, and nobody repeats a datagram.
	for deadline := time.Now().Add(time.Minute); got == nil; {
		if err := s.Send(source, target, in, payload); err != nil {
			t.Fatal(err)
		}
		conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		if n, got, err = conn.ReadFrom(buf); err != nil && time.Now().After(deadline) {
			t.Errorf("%d bytes from %s: %v", size, from, err)
			return
		}
	}
	at := got.(*net.UDPAddr).AddrPort()
	if string(buf[:n]) != string(payload) || at.Port() != source.Port() || at.Addr().Unmap().WithZone("") != from {
		t.Errorf("%d bytes from %s: got %d bytes from %v", size, from, n, got)
	}
}

// A gate with two providers sends by the one whose address was asked, as rules
// for source addresses say, and not by the default route.
func TestRulesForSourceAddresses(t *testing.T) {
	l := labtest.New(t, lab.Options{})
	s := open(t, l)
	const table = 51
	for _, c := range []struct {
		family            int
		from, via, other  netip.Addr
		world, everywhere string // an address of the client beyond both links
	}{
		{netlink.FAMILY_V4, l.Client.Gate4, l.Client.IP4, l.Attacker.IP4, "203.0.113.77/32", "0.0.0.0/0"},
		{netlink.FAMILY_V6, l.Client.Gate6, l.Client.IP6, l.Attacker.IP6, "2001:db8:77::1/128", "::/0"},
	} {
		world := netip.MustParsePrefix(c.world)
		if err := l.Client.AddAddress("lo", world); err != nil {
			t.Fatal(err)
		}
		err := l.Gate.Do(func() error {
			all := network(c.everywhere)
			rule := netlink.NewRule()
			rule.Family, rule.Table, rule.Src = c.family, table, network(netip.PrefixFrom(c.from, c.from.BitLen()).String())
			return errors.Join(
				netlink.RouteReplace(&netlink.Route{Dst: all, Gw: c.other.AsSlice()}),
				netlink.RouteReplace(&netlink.Route{Dst: all, Gw: c.via.AsSlice(), Table: table}),
				netlink.RuleAdd(rule))
		})
		if err != nil {
			t.Fatal(err)
		}
		arrives(t, s, l.Client, c.from, world.Addr(), 0, 118)
	}
}

// An address behind the gate that a door is for is answered from.
func TestSourceThatIsNotOurs(t *testing.T) {
	l := labtest.New(t, lab.Options{})
	s := open(t, l)
	arrives(t, s, l.Client, netip.MustParseAddr("203.0.113.2"), l.Client.IP4, 0, 118)
	arrives(t, s, l.Client, netip.MustParseAddr("2001:db8:3::2"), l.Client.IP6, 0, 118)
}

// Link-local addresses exist on every link, even the same ones. The answer
// leaves by the link that is named.
func TestLinkLocalAddresses(t *testing.T) {
	l := labtest.New(t, lab.Options{})
	s := open(t, l)
	gate, client := netip.MustParseAddr("fe80::1:1"), netip.MustParseAddr("fe80::2:2")
	for _, h := range []*lab.Host{l.Client, l.Attacker} {
		link := "to-" + h.Name
		err := errors.Join(
			l.Gate.AddAddress(link, netip.PrefixFrom(gate, 64)),
			h.AddAddress("eth0", netip.PrefixFrom(client, 64)))
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, h := range []*lab.Host{l.Client, l.Attacker} {
		var in int
		err := l.Gate.Do(func() error {
			link, err := netlink.LinkByName("to-" + h.Name)
			if err == nil {
				in = link.Attrs().Index
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		arrives(t, s, h, gate, client.WithZone("eth0"), in, 118)
	}
}

func network(prefix string) *net.IPNet {
	_, n, err := net.ParseCIDR(prefix)
	if err != nil {
		panic(err)
	}
	return n
}
