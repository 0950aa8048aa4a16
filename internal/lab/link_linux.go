package lab

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"sallyport/internal/phrase"
)

// hostLink is the name of the one interface of every host but the gate.
const hostLink = "eth0"

// link joins one host to the gate.
type link struct {
	host       *Host
	name       string // at the gate
	net4, net6 netip.Prefix
}

// plan lays out the links. All prefixes are for documentation (RFC 5737, RFC 3849), and
// those of more hosts for laboratories (RFC 2544).
func (l *Lab) plan() {
	type place struct {
		host       *Host
		net4, net6 string
	}
	places := []place{
		{l.Client, "192.0.2.0/24", "2001:db8:1::/64"},
		{l.Attacker, "198.51.100.0/24", "2001:db8:2::/64"},
		{l.Inside, "203.0.113.0/24", "2001:db8:3::/64"},
	}
	for i, h := range l.More {
		places = append(places, place{h, fmt.Sprintf("198.18.%d.0/24", i+1), fmt.Sprintf("2001:db8:1%02x::/64", i+1)})
	}
	for _, p := range places {
		if p.host == nil {
			continue
		}
		k := link{p.host, "to-" + p.host.Name, netip.MustParsePrefix(p.net4), netip.MustParsePrefix(p.net6)}
		p.host.Gate4, p.host.Gate6 = k.net4.Addr().Next(), k.net6.Addr().Next()
		p.host.IP4, p.host.IP6 = p.host.Gate4.Next(), p.host.Gate6.Next()
		l.links = append(l.links, k)
	}
	g, c := l.Gate, l.Client
	g.IP4, g.IP6, g.Gate4, g.Gate6 = c.Gate4, c.Gate6, c.Gate4, c.Gate6
}

func (l *Lab) linkOf(h *Host) (link, error) {
	i := slices.IndexFunc(l.links, func(k link) bool { return k.host == h })
	if i < 0 {
		return link{}, fmt.Errorf("host %q has no link to the gate", h.Name)
	}
	return l.links[i], nil
}

// Connect makes the link between h and the gate, or as much of it as is
// missing: interfaces, addresses, routes. It undoes Disconnect and Remove.
func (l *Lab) Connect(h *Host) error {
	k, err := l.linkOf(h)
	if err != nil {
		return err
	}
	err = l.Gate.Do(func() error { return k.create(l.opts.MTU) })
	if err == nil {
		err = l.Gate.Do(func() error { return k.setUpGate(l) })
	}
	if err == nil {
		err = h.Do(k.setUpHost)
	}
	if err == nil {
		err = h.Do(func() error { return waitRunning(hostLink) })
	}
	if err == nil {
		err = l.Gate.Do(func() error { return errors.Join(waitRunning(k.name), waitLocal(k.name, h.Gate6)) })
	}
	if err == nil {
		err = h.Do(func() error { return waitLocal(hostLink, h.IP6) })
	}
	if err != nil {
		return fmt.Errorf("connect host %q: %w", h.Name, err)
	}
	return nil
}

// Disconnect takes the gate's interface towards h down.
func (l *Lab) Disconnect(h *Host) error {
	return l.change(h, "disconnect", netlink.LinkSetDown)
}

// Remove deletes the interfaces between h and the gate.
func (l *Lab) Remove(h *Host) error {
	return l.change(h, "remove the link of", netlink.LinkDel)
}

func (l *Lab) change(h *Host, verb string, f func(netlink.Link) error) error {
	k, err := l.linkOf(h)
	if err != nil {
		return err
	}
	err = l.Gate.Do(func() error {
		dev, err := netlink.LinkByName(k.name)
		if err != nil {
			return err
		}
		return f(dev)
	})
	if err != nil {
		return fmt.Errorf("%s host %q: %w", verb, h.Name, err)
	}
	return nil
}

// AddAddress gives the host one more address, on the interface named link.
// It is usable at once.
func (h *Host) AddAddress(link string, address netip.Prefix) error {
	err := h.Do(func() error { return errors.Join(addAddress(link, address), waitLocal(link, address.Addr())) })
	if err != nil {
		return fmt.Errorf("host %q: add address %s to %s: %w", h.Name, address, link, err)
	}
	return nil
}

// RemoveAddress takes an address away, with the prefix it was added with.
func (h *Host) RemoveAddress(link string, address netip.Prefix) error {
	err := h.Do(func() error {
		dev, err := netlink.LinkByName(link)
		if err != nil {
			return err
		}
		return netlink.AddrDel(dev, &netlink.Addr{IPNet: ipNet(address)})
	})
	if err != nil {
		return fmt.Errorf("host %q: remove address %s from %s: %w", h.Name, address, link, err)
	}
	return nil
}

// create makes the veth pair unless it is there.
func (k link) create(mtu int) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU = k.name, mtu
	err := netlink.LinkAdd(&netlink.Veth{
		LinkAttrs:     attrs,
		PeerName:      hostLink,
		PeerMTU:       uint32(mtu),
		PeerNamespace: netlink.NsFd(k.host.ns.Fd()),
	})
	if errors.Is(err, unix.EEXIST) {
		return nil
	}
	return err
}

func (k link) setUpGate(l *Lab) error {
	if err := setUp(k.name, prefixOf(k.host.Gate4, k.net4), prefixOf(k.host.Gate6, k.net6)); err != nil {
		return err
	}
	if k.host != l.Attacker {
		return nil
	}
	for _, p := range l.opts.Spoofed {
		if err := routeTo(k.name, p, via(p.Addr(), k.host.IP4, k.host.IP6)); err != nil {
			return err
		}
	}
	return nil
}

func (k link) setUpHost() error {
	if err := setUp(hostLink, prefixOf(k.host.IP4, k.net4), prefixOf(k.host.IP6, k.net6)); err != nil {
		return err
	}
	for _, everything := range []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()} {
		gateway := via(everything, k.host.Gate4, k.host.Gate6)
		if err := routeTo(hostLink, netip.PrefixFrom(everything, 0), gateway); err != nil {
			return err
		}
	}
	return nil
}

// setUp brings an interface of the calling thread's namespace up, with addresses.
func setUp(name string, addresses ...netip.Prefix) error {
	dev, err := netlink.LinkByName(name)
	if err != nil {
		return fmt.Errorf("find interface %s: %w", name, err)
	}
	if err := netlink.LinkSetUp(dev); err != nil {
		return fmt.Errorf("bring interface %s up: %w", name, err)
	}
	for _, a := range addresses {
		if err := addAddress(name, a); err != nil {
			return fmt.Errorf("add address %s to %s: %w", a, name, err)
		}
	}
	return nil
}

// carrierDelay is how long the kernel may take to notice a carrier. It
// handles such changes in the background, sometimes once a second only (see
// net/core/link_watch.c), and drops packets until then.
const carrierDelay = 5 * time.Second

// waitRunning waits until packets pass through an interface.
func waitRunning(name string) error {
	for deadline := time.Now().Add(carrierDelay); ; time.Sleep(time.Millisecond) {
		dev, err := netlink.LinkByName(name)
		if err != nil {
			return fmt.Errorf("find interface %s: %w", name, err)
		}
		if dev.Attrs().OperState == netlink.OperUp {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("interface %s has no carrier after %v", name, phrase.Duration(carrierDelay))
		}
	}
}

// waitLocal waits until packets to an IPv6 address of a running interface are taken.
// The kernel makes the route for it in the background, without duplicate address
// detection too (addrconf_dad_start in net/ipv6/addrconf.c), and drops packets, and
// questions of neighbours, until then.
func waitLocal(name string, address netip.Addr) error {
	dev, err := netlink.LinkByName(name)
	if err != nil || !address.Is6() || dev.Attrs().OperState != netlink.OperUp {
		return err
	}
	for deadline := time.Now().Add(carrierDelay); ; time.Sleep(time.Millisecond) {
		routes, err := netlink.RouteGet(address.AsSlice())
		if err == nil && len(routes) > 0 && routes[0].Type == unix.RTN_LOCAL {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("address %s of %s takes no packets after %v", address, name, phrase.Duration(carrierDelay))
		}
	}
}

func addAddress(name string, address netip.Prefix) error {
	dev, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	flags := 0
	if address.Addr().Is6() {
		flags = unix.IFA_F_NODAD
	}
	return netlink.AddrReplace(dev, &netlink.Addr{IPNet: ipNet(address), Flags: flags})
}

func routeTo(name string, p netip.Prefix, gateway netip.Addr) error {
	dev, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	err = netlink.RouteReplace(&netlink.Route{
		LinkIndex: dev.Attrs().Index,
		Dst:       ipNet(p.Masked()),
		Gw:        gateway.AsSlice(),
	})
	if err != nil {
		return fmt.Errorf("route %s through %s: %w", p, gateway, err)
	}
	return nil
}

// via picks the gateway of the same family as dst.
func via(dst, v4, v6 netip.Addr) netip.Addr {
	if dst.Is4() {
		return v4
	}
	return v6
}

func prefixOf(a netip.Addr, network netip.Prefix) netip.Prefix {
	return netip.PrefixFrom(a, network.Bits())
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
