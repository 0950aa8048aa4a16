//go:build linux && !client_only

package main

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"sallyport/internal/lab"
	"sallyport/internal/lab/labtest"
)

// A firewall that answers for the ports that it shuts, as firewalld does, sees
// a message after the daemon has: what it says is not the end of a knock.
func TestKnockWhereTheFirewallAnswers(t *testing.T) {
	t.Parallel()
	labtest.Need(t, "peers", "nft")
	w := newClientWorld(t, lab.Options{}, nil)
	w.nft(`add table inet host
		add chain inet host input { type filter hook input priority 0; }
		add rule inet host input udp dport 40321 reject with icmpx admin-prohibited`)
	for _, name := range []string{"gate", "gate6"} {
		for range 3 {
			if out := w.do("knock", name); !strings.Contains(out, `door "ssh" is open for `) {
				t.Errorf("%s: said %q", name, out)
			}
		}
	}
	w.open(w.Client, "tcp", at(w.Client, 22))
}

// A gate with two providers, of which the default route is by the other one:
// what it answers goes by the one whose address was asked.
func TestKnockAtAGateWithTwoProviders(t *testing.T) {
	t.Parallel()
	w := newClientWorld(t, lab.Options{}, nil)
	const table = 51
	for _, c := range []struct {
		name              string
		family            int
		gate, via, other  netip.Addr
		home, rule, world string
	}{
		{"gate", netlink.FAMILY_V4, w.Client.Gate4, w.Client.IP4, w.Attacker.IP4, "203.0.113.77/32", "192.0.2.1/32", "0.0.0.0/0"},
		{"gate6", netlink.FAMILY_V6, w.Client.Gate6, w.Client.IP6, w.Attacker.IP6, "2001:db8:77::1/128", "2001:db8:1::1/128", "::/0"},
	} {
		home := netip.MustParsePrefix(c.home)
		if err := w.Client.AddAddress("lo", home); err != nil {
			t.Fatal(err)
		}
		err := w.Gate.Do(func() error {
			rule := netlink.NewRule()
			rule.Family, rule.Table, rule.Src = c.family, table, ipNet(c.rule)
			return errors.Join(
				netlink.RouteReplace(&netlink.Route{Dst: ipNet(c.world), Gw: c.other.AsSlice()}),
				netlink.RouteReplace(&netlink.Route{Dst: ipNet(c.world), Gw: c.via.AsSlice(), Table: table}),
				netlink.RuleAdd(rule))
		})
		if err == nil { // the client knocks from its address beyond both links
			err = w.Client.Do(func() error {
				link, err := netlink.LinkByName("eth0")
				if err != nil {
					return err
				}
				return netlink.RouteReplace(&netlink.Route{Dst: ipNet(c.rule), Gw: nil, LinkIndex: link.Attrs().Index, Src: home.Addr().AsSlice()})
			})
		}
		if err != nil {
			t.Fatal(err)
		}
		if out := w.do("knock", c.name); !strings.Contains(out, "is open for "+home.Addr().String()) {
			t.Errorf("%s: said %q", c.name, out)
		}
	}
}

// A server on the same link can be named by its link-local address, with the
// interface, by message as well as by sequence.
func TestKnockAtALinkLocalAddress(t *testing.T) {
	t.Parallel()
	w := newClientWorld(t, lab.Options{}, nil)
	gate := netip.MustParseAddr("fe80::1:1")
	for _, h := range []*lab.Host{w.Client, w.Attacker} { // the same on both links
		if err := w.Gate.AddAddress("to-"+h.Name, netip.PrefixFrom(gate, 64)); err != nil {
			t.Fatal(err)
		}
	}
	w.profile("near", gate.String()+"%eth0")
	w.eventually("the daemon has heard of the address", func() bool {
		_, _, status := w.try("knock", "near", "--timeout", "1s")
		return status == 0
	})
	if out := w.do("knock", "near"); !strings.Contains(out, `door "ssh" is open for fe80::`) {
		t.Errorf("said %q", out)
	}
	if out := w.do("doctor", "near", "--ntp", "off"); !strings.Contains(out, "near") && !strings.Contains(out, "%eth0") {
		t.Errorf("doctor says\n%s", out)
	}
	cmd := w.command("proxy", "near", "near", "22")
	cmd.Stdin = strings.NewReader("")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("proxy: %v\n%s", err, out)
	}
}
