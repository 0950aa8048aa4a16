//go:build linux && !client_only

package main

import (
	"net/netip"
	"strings"
	"testing"

	"sallyport/internal/lab"
	"sallyport/internal/lab/labtest"
)

// ip runs the ip command on a host.
func (w *world) ip(h *lab.Host, args string) {
	w.t.Helper()
	if out, err := h.Command(w.t.Context(), "ip", strings.Fields(args)...).CombinedOutput(); err != nil {
		w.t.Fatalf("ip %s: %v\n%s", args, err, out)
	}
}

// said requires that a problem of the status, and one of check, have a part.
func (w *world) said(part string) {
	w.t.Helper()
	w.eventually("the status says "+part, func() bool { return strings.Contains(strings.Join(w.status().Problems, "\n"), part) })
	if out, _, _ := w.run(w.Gate, "check", "-c", w.config); !strings.Contains(out, part) {
		w.t.Errorf("check does not say %q:\n%s", part, out)
	}
}

// A cluster's load balancer: an address on no interface, which the gate
// translates. It is open and named, or in "to" and a door.
func TestLoadBalancerOfACluster(t *testing.T) {
	t.Parallel()
	labtest.Need(t, "peers", "nft", "ip")
	w := newWorld(t, lab.Options{Inside: true})
	if _, err := w.Inside.Greet(netip.MustParseAddrPort("[::]:8080")); err != nil {
		t.Fatal(err)
	}
	balancer := netip.MustParseAddrPort("10.91.0.200:443")
	w.ip(w.Client, "route add 10.91.0.200 via "+w.Client.Gate4.String())
	w.nft(`add table inet cluster
		add chain inet cluster services { type nat hook prerouting priority -100; }
		add rule inet cluster services ip daddr 10.91.0.200 tcp dport 443 dnat ip to 203.0.113.2:8080`)
	web := strings.Replace(sshDoor, "tcp/22", "tcp/443", 1)
	w.configure(web)
	w.start()
	w.open(w.Client, "tcp", balancer)
	w.said("tcp/443 is translated at 10.91.0.200, no address of this host: there it is open")

	w.configure(web + "to = [\"10.91.0.200/32\"]\n")
	w.must(w.Gate, "reload", "-c", w.config)
	w.closed(w.Client, "tcp", balancer)
	if problems := strings.Join(w.status().Problems, "\n"); strings.Contains(problems, "translated") {
		t.Errorf("the status still says:\n%s", problems)
	}
	w.knock(w.Client, balancer.Addr(), sshKnocks...)
	w.open(w.Client, "tcp", balancer)
	w.ends(w.Client, "tcp", balancer)
}

// A port that leads to a door's service is a way around it.
func TestRedirectedPort(t *testing.T) {
	t.Parallel()
	labtest.Need(t, "peers", "nft")
	w := newWorld(t, lab.Options{})
	w.serve("tcp", 22)
	w.nft(`add table inet mine
		add chain inet mine pre { type nat hook prerouting priority -100; }
		add rule inet mine pre tcp dport 443 redirect to :22`)
	w.configure(sshDoor)
	w.start()
	w.closed(w.Client, "tcp", at(w.Client, 22))
	w.open(w.Client, "tcp", at(w.Client, 443))
	w.said("tcp/443 leads to tcp/22")
	w.configure(strings.Replace(sshDoor, `"tcp/22"`, `"tcp/22", "tcp/443"`, 1))
	w.must(w.Gate, "reload", "-c", w.config)
	w.closed(w.Client, "tcp", at(w.Client, 443))
}

// An address that is the host's own by a route only: its door is closed, and
// knocks count there.
func TestAddressByRoute(t *testing.T) {
	t.Parallel()
	labtest.Need(t, "peers", "ip")
	w := newGuarded(t, sshDoor)
	for _, own := range []netip.AddrPort{netip.MustParseAddrPort("10.92.0.5:22"), netip.MustParseAddrPort("10.92.7.9:22")} {
		w.ip(w.Client, "route add "+own.Addr().String()+" via "+w.Client.Gate4.String())
		w.knock(w.Client, own.Addr(), sshKnocks...)
	}
	w.eventually("what is not for the host is counted", func() bool { return w.status().Elsewhere >= 6 })
	w.ip(w.Gate, "route add local 10.92.0.5/32 dev to-client")
	w.ip(w.Gate, "route add local 10.92.7.0/24 dev lo")
	for _, own := range []netip.AddrPort{netip.MustParseAddrPort("10.92.0.5:22"), netip.MustParseAddrPort("10.92.7.9:22")} {
		w.closed(w.Client, "tcp", own)
		w.eventually("knocks at "+own.Addr().String()+" count", func() bool {
			w.knock(w.Client, own.Addr(), sshKnocks...)
			return w.probe(w.Client, "tcp", own) == lab.Open
		})
		w.ends(w.Client, "tcp", own)
	}
}

// Interfaces that are not there gate nothing, and that is said.
func TestGatedInterfaceThatIsNotThere(t *testing.T) {
	t.Parallel()
	w := newGuarded(t, "[gate]\ninterfaces = [\"bgs0\"]\n"+sshDoor)
	w.open(w.Client, "tcp", at(w.Client, 22))
	w.said("nothing is gated (no interface bgs0 here): every door is open")
	w.eventually("the log says it", func() bool { return strings.Contains(w.log.String(), "every door is open") })
	w.eventually("there is a finding", func() bool { return strings.Contains(w.must(w.Gate, "findings", "-c", w.config), "exposed") })
}
