//go:build linux

package firewall

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	kerneltrack "github.com/ti-mo/conntrack"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"sallyport/internal/conntrack"
	"sallyport/internal/lab"
	"sallyport/internal/lab/labtest"
)

// A line of a provider: an interface for each session, that comes and goes.
func TestDoorsBehindPPP(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{})
	needLinks(w, "ppp")
	gate, client := w.hardware(w.Gate, toClient), w.hardware(w.Client, fromClient)
	w.do(func() error { return w.Gate.Do(func() error { return pppoe(t, toClient, client) }) })
	w.do(func() error { return w.Client.Do(func() error { return pppoe(t, fromClient, gate) }) })
	w.moves(w.Gate, toClient, "ppp0", []string{"link set ppp0 mtu 1492"})
	w.moves(w.Client, fromClient, "ppp0", []string{"link set ppp0 mtu 1492"})
	w.reaches()
	w.guards(nil)
	w.guards([]string{"ppp0"})
	w.guards([]string{"ppp*"})
	w.passes([]string{"to-attacker"})
}

func (w *world) hardware(h *lab.Host, name string) (mac net.HardwareAddr) {
	w.t.Helper()
	w.do(func() error {
		return h.Do(func() error {
			dev, err := netlink.LinkByName(name)
			if err == nil {
				mac = dev.Attrs().HardwareAddr
			}
			return err
		})
	})
	return mac
}

// pppoe makes the interface ppp0 over a link, for a session that both ends have
// agreed on (as pppd does in the end; Documentation/networking/ppp_generic.rst).
func pppoe(t *testing.T, over string, peer net.HardwareAddr) error {
	const pxProtoOE = 0 // include/uapi/linux/if_pppox.h
	session, err := unix.Socket(unix.AF_PPPOX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, pxProtoOE)
	if errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EPROTONOSUPPORT) {
		labtest.Lacking(t, "links", fmt.Errorf("this kernel has no PPPoE: %w", err))
	}
	if err != nil {
		return fmt.Errorf("make a session: %w", err)
	}
	t.Cleanup(func() { unix.Close(session) })
	if err := unix.Connect(session, &unix.SockaddrPPPoE{SID: 7, Remote: peer, Dev: over}); err != nil {
		return fmt.Errorf("join a session: %w", err)
	}
	number, err := unix.IoctlGetInt(session, unix.PPPIOCGCHAN)
	if err != nil {
		return fmt.Errorf("get the channel: %w", err)
	}
	channel, err := pppFile(t, unix.PPPIOCATTCHAN, number)
	if err != nil {
		return fmt.Errorf("attach to the channel: %w", err)
	}
	const unit = 0
	if _, err := pppFile(t, unix.PPPIOCNEWUNIT, unit); err != nil {
		return fmt.Errorf("make the interface: %w", err)
	}
	return unix.IoctlSetPointerInt(channel, unix.PPPIOCCONNECT, unit)
}

// pppFile opens the device of PPP and makes it the one with a number.
func pppFile(t *testing.T, request uint, n int) (int, error) {
	f, err := os.OpenFile("/dev/ppp", os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	t.Cleanup(func() { f.Close() })
	return int(f.Fd()), unix.IoctlSetPointerInt(int(f.Fd()), request, n)
}

// Interfaces in a VRF have a routing table of their own. Packets pass prerouting
// twice: as those of the interface, and as those of the VRF.
func TestDoorsInVRF(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{})
	needLinks(w, "vrf")
	w.moves(w.Gate, toClient, toClient, []string{"link add mgmt type vrf table 51", "link set mgmt up", "link set to-client master mgmt"})
	for _, name := range []string{"tcp_l3mdev_accept", "udp_l3mdev_accept"} { // services of all VRFs
		w.do(func() error { return w.Gate.Sysctl("net.ipv4."+name, "1") })
	}
	w.reaches()
	for _, interfaces := range [][]string{nil, {toClient}} {
		cfg := guarding(doorTo("ssh", "tcp/22"), doorTo("dns", "udp/53"))
		cfg.Gate.Interfaces = interfaces
		w.guardsWith(cfg)
		dns := []netip.AddrPort{at(w.Client.Gate4, 53), at(w.Client.Gate6, 53)}
		for _, to := range dns {
			w.closed(w.Client, "udp", to)
		}
		w.grantSingle("dns", w.Client)
		for _, to := range dns {
			w.open(w.Client, "udp", to)
			w.closed(w.Client, "udp", to)
		}
	}
}

// Networks lose packets, and deliver them twice and in another order. A single
// grant lets in one connection all the same, and that one whole.
func TestDoorsBehindBadNetwork(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{})
	w.spoil(w.Gate, toClient)
	w.spoil(w.Client, fromClient)
	w.apply(guarding(doorTo("ssh", "tcp/22")))
	for range 5 {
		for _, to := range w.ssh() {
			w.closed(w.Client, "tcp", to)
		}
		w.lendsOnce()
	}
}

// spoil makes an interface send badly.
func (w *world) spoil(h *lab.Host, name string) {
	w.t.Helper()
	err := h.Do(func() error {
		dev, err := netlink.LinkByName(name)
		if err != nil {
			return err
		}
		attrs := netlink.QdiscAttrs{LinkIndex: dev.Attrs().Index, Handle: netlink.MakeHandle(1, 0), Parent: netlink.HANDLE_ROOT}
		return netlink.QdiscAdd(netlink.NewNetem(attrs, netlink.NetemQdiscAttrs{
			Latency: 5000, Jitter: 3000, Duplicate: 30, ReorderProb: 25, Loss: 5,
		}))
	})
	if errors.Is(err, unix.ENOENT) {
		labtest.Lacking(w.t, "links", fmt.Errorf("this kernel has no netem: %w", err))
	}
	w.do(func() error { return err })
}

// A router can take connections that it forwards past all tables (flowtables). They
// begin and end like others: by a grant, by its withdrawal, by cutting.
func TestDoorsBehindFlowtable(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{Inside: true})
	w.do(func() error { _, err := w.Inside.Greet(at(netip.IPv6Unspecified(), 22)); return err })
	table := `table inet router { flowtable fast { hook ingress priority 0; devices = { to-client, to-inside }; }
		chain forward { type filter hook forward priority 0; ct state established flow add @fast; }; }`
	labtest.Need(t, "peers", "nft")
	if out, err := w.Gate.Command(t.Context(), "nft", table).CombinedOutput(); err != nil {
		labtest.Lacking(t, "links", fmt.Errorf("this kernel has no flowtables: %s", out))
	}
	ssh := doorTo("ssh", "tcp/22")
	ssh.To = prefixes("203.0.113.0/24", "2001:db8:3::/64")
	w.apply(guarding(ssh))
	for _, to := range []netip.AddrPort{at(w.Inside.IP4, 22), at(w.Inside.IP6, 22)} {
		w.closed(w.Client, "tcp", to)
		w.grant("ssh", w.Client, time.Hour)
		s := w.connect(w.Client, to)
		w.offloaded(s)
		w.revoke("ssh")
		w.closed(w.Client, "tcp", to)
		w.lives(s, "after the grant")
		w.do(func() error {
			return w.Gate.Do(func() error {
				done, err := conntrack.Cut(func(f conntrack.Flow) bool { return f.Port.Number == 22 })
				if err == nil && len(done) == 0 {
					err = errors.New("nothing was cut")
				}
				return err
			})
		})
		w.eventually("a connection that is cut ends", func() bool {
			s.SetDeadline(time.Now().Add(silence))
			if _, err := fmt.Fprintln(s, "still there?"); err != nil {
				return true
			}
			_, err := s.r.ReadString('\n')
			return err != nil
		})
	}
}

// offloaded waits until a session passes the tables no more.
func (w *world) offloaded(s *dialogue) {
	w.t.Helper()
	w.eventually("the flow is taken past the tables", func() (past bool) {
		w.lives(s, "on its way")
		w.do(func() error {
			return w.Gate.Do(func() error {
				table, err := kerneltrack.Dial(nil)
				if err != nil {
					return err
				}
				defer table.Close()
				flows, err := table.Dump(nil)
				past = slices.ContainsFunc(flows, func(f kerneltrack.Flow) bool { return f.Status.Offload() })
				return err
			})
		})
		return past
	})
}
