//go:build linux

package firewall

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"sallyport/internal/config"
	"sallyport/internal/event"
	"sallyport/internal/lab"
	"sallyport/internal/lab/labtest"
)

// The gate's end of its link to the client, and the client's end of it.
const (
	toClient   = "to-client"
	fromClient = "eth0"
)

// kinds are what the link between gate and client can become: what is laid over its
// two ends, and by which interface packets then come.
var kinds = []struct {
	kind, by     string
	gate, client []string
}{
	{"vlan", "to-client.7",
		[]string{"link add link to-client name to-client.7 type vlan id 7"},
		[]string{"link add link eth0 name eth0.7 type vlan id 7"}},
	{"vlan", "inner",
		[]string{"link add link to-client name outer type vlan proto 802.1ad id 7", "link set outer up", "link add link outer name inner type vlan id 8"},
		[]string{"link add link eth0 name outer type vlan proto 802.1ad id 7", "link set outer up", "link add link outer name inner type vlan id 8"}},
	{"bond", "bond0",
		[]string{"link add bond0 type bond mode active-backup miimon 10", "link set to-client down", "link set to-client master bond0"}, nil},
	{"bridge", "vmbr0",
		[]string{"link add vmbr0 type bridge", "link set to-client master vmbr0"}, nil},
	{"bridge vlan", "vmbr0.7",
		[]string{"link add vmbr0 type bridge", "link set to-client master vmbr0", "link set vmbr0 up", "link add link vmbr0 name vmbr0.7 type vlan id 7"},
		[]string{"link add link eth0 name eth0.7 type vlan id 7"}},
	{"macvlan", "mac0",
		[]string{"link add link to-client name mac0 type macvlan mode bridge"}, nil},
	{"ipvlan", "ipv0",
		[]string{"link add link to-client name ipv0 type ipvlan mode l2"}, nil},
	{"gretap", "tap0",
		[]string{"addr add 10.91.0.1/30 dev to-client", "link add tap0 type gretap local 10.91.0.1 remote 10.91.0.2"},
		[]string{"addr add 10.91.0.2/30 dev eth0", "link add tap0 type gretap local 10.91.0.2 remote 10.91.0.1"}},
}

// Doors are closed by whatever packets come, and `interfaces` means the interface
// that has the address: not the one below it.
func TestDoorsBehindInterfaces(t *testing.T) {
	t.Parallel()
	for _, k := range kinds {
		t.Run(k.kind+" "+k.by, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, lab.Options{})
			needLinks(w, strings.Fields(k.kind)...)
			w.moves(w.Gate, toClient, k.by, k.gate)
			if len(k.client) > 0 {
				w.moves(w.Client, fromClient, nameOf(k.client), k.client)
			}
			w.reaches()
			w.guards(nil)
			w.guards([]string{k.by})
			w.guards([]string{k.by[:2] + "*"})
			w.passes([]string{"to-attacker"})
		})
	}
}

// nameOf returns the interface that the last of some lines makes.
func nameOf(lines []string) string {
	fields := strings.Fields(lines[len(lines)-1])
	return fields[slices.Index(fields, "type")-1]
}

// needLinks skips the test, or fails it where SALLYPORT_REQUIRE names "links",
// unless the kernel knows these kinds of interfaces.
func needLinks(w *world, kinds ...string) {
	w.t.Helper()
	for _, kind := range kinds {
		err := w.Gate.Do(func() error {
			attrs := netlink.NewLinkAttrs()
			attrs.Name, attrs.ParentIndex = "try", 1
			dev := &netlink.GenericLink{LinkAttrs: attrs, LinkType: kind}
			if err := netlink.LinkAdd(dev); err != nil {
				return err
			}
			return netlink.LinkDel(dev)
		})
		if errors.Is(err, unix.EOPNOTSUPP) { // others want to know more
			labtest.Lacking(w.t, "links", fmt.Errorf("this kernel has no %s", kind))
		}
	}
}

// ip runs lines of the program ip on a host.
func (w *world) ip(h *lab.Host, lines ...string) {
	w.t.Helper()
	labtest.Need(w.t, "peers", "ip")
	cmd := h.Command(w.t.Context(), "ip", "-batch", "-")
	cmd.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		w.t.Fatalf("ip on %s: %v\n%s%s", h.Name, err, strings.Join(lines, "\n"), out)
	}
}

// moves makes an interface over another, and moves the addresses there.
func (w *world) moves(h *lab.Host, from, to string, lines []string) {
	w.t.Helper()
	// Otherwise the interface below may answer for the address above.
	w.do(func() error { return h.Sysctl("net.ipv4.conf.all.arp_ignore", "1") })
	w.ip(h, slices.Concat(
		[]string{"addr flush dev " + from},
		lines,
		[]string{"link set " + from + " up", "link set " + to + " up",
			"addr add " + h.IP4.String() + "/24 dev " + to, "addr add " + h.IP6.String() + "/64 dev " + to + " nodad"},
	)...)
}

func (w *world) ssh() []netip.AddrPort {
	return []netip.AddrPort{at(w.Client.Gate4, 22), at(w.Client.Gate6, 22)}
}

// reaches waits until packets pass: a switch has to learn, a bond to look.
func (w *world) reaches() {
	w.t.Helper()
	for _, to := range w.ssh() {
		w.eventually("the client reaches "+to.String(), func() bool {
			answer, err := w.Client.Probe("tcp", to, silence) // "no route" in the beginning
			return err == nil && answer == lab.Open
		})
	}
}

// guards requires that a door is closed for the client without a grant.
func (w *world) guards(interfaces []string) {
	w.t.Helper()
	cfg := guarding(doorTo("ssh", "tcp/22"))
	cfg.Gate.Interfaces = interfaces
	w.guardsWith(cfg)
}

func (w *world) guardsWith(cfg *config.Config) {
	w.t.Helper()
	w.apply(cfg)
	for _, to := range w.ssh() {
		w.closed(w.Client, "tcp", to)
	}
	w.grant("ssh", w.Client, time.Hour)
	for _, to := range w.ssh() {
		w.open(w.Client, "tcp", to)
	}
	w.revoke("ssh")
	for _, to := range w.ssh() {
		w.closed(w.Client, "tcp", to)
	}
	w.lendsOnce()
}

// lendsOnce requires that single grants let in one connection.
func (w *world) lendsOnce() {
	w.t.Helper()
	w.grantSingle("ssh", w.Client)
	for _, to := range w.ssh() {
		s := w.connect(w.Client, to)
		w.closed(w.Client, "tcp", to)
		w.lives(s, "after a second was refused")
	}
}

// passes requires that a door is open for the client.
func (w *world) passes(interfaces []string) {
	w.t.Helper()
	cfg := guarding(doorTo("ssh", "tcp/22"))
	cfg.Gate.Interfaces = interfaces
	w.apply(cfg)
	for _, to := range w.ssh() {
		w.open(w.Client, "tcp", to)
	}
}

func (w *world) revoke(door string) {
	w.t.Helper()
	for _, source := range []netip.Addr{w.Client.IP4, w.Client.IP6} {
		w.do(func() error { return w.f.Revoke(event.Grant{Door: door, Source: source}) })
	}
}
