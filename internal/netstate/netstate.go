// Package netstate finds out what the gate must know about the network of the
// host it runs on: its own addresses, as they come and go, the ports on which
// something listens, the range from which the kernel takes ports for outgoing
// connections, and what links and routes there are.
//
// Everything is asked of the kernel over netlink, in the network namespace of
// the calling thread, and nothing is remembered. No privileges are needed.
// All functions may be called by several goroutines at once. Linux only:
// elsewhere each returns an error that wraps [errors.ErrUnsupported].
package netstate

import (
	"net/netip"
	"slices"

	"sallyport/internal/packet"
)

// Own is what is delivered to this host.
type Own struct {
	Addresses []netip.Addr
	Prefixes  []netip.Prefix // of more than one address, by local routes
}

func (o Own) equal(other Own) bool {
	return slices.Equal(o.Addresses, other.Addresses) && slices.Equal(o.Prefixes, other.Prefixes)
}

// Contains reports whether packets to an address come to this host.
func (o Own) Contains(a netip.Addr) bool {
	return slices.Contains(o.Addresses, a) || slices.ContainsFunc(o.Prefixes, func(p netip.Prefix) bool { return p.Contains(a) })
}

// All returns everything as prefixes.
func (o Own) All() []netip.Prefix {
	all := make([]netip.Prefix, 0, len(o.Addresses)+len(o.Prefixes))
	for _, a := range o.Addresses {
		all = append(all, netip.PrefixFrom(a, a.BitLen()))
	}
	return append(all, o.Prefixes...)
}

// Link is a network interface.
type Link struct {
	Name string
	Kind string // of a virtual one, such as "vrf" or "bridge"; "" of others
	Of   string // the bond, bridge or team that it is a part of: what arrives comes by that one
}

// Bridge is one to which containers are attached.
type Bridge struct {
	Name     string
	Networks []netip.Prefix // at least one
}

// Service is a port on which something listens.
type Service struct {
	Port packet.Port
	// Process is the name of the program that holds the socket, such as "sshd";
	// "" where this user may not know.
	Process string
}
