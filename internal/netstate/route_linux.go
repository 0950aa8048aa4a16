package netstate

import (
	"net/netip"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// localRoutes returns the destinations that the table local delivers to this
// host, those of addresses among them. The kernel picks them out: a router may
// hold a million other routes.
func localRoutes() ([]netip.Prefix, error) {
	var list []netip.Prefix
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		routes, err := dump(unix.NETLINK_ROUTE, routeRequest(family), parseRoute)
		if err != nil {
			return nil, err
		}
		list = append(list, routes...)
	}
	return list, nil
}

// routeRequest asks for the local routes of a family (struct rtmsg).
func routeRequest(family byte) netlink.Message {
	data := make([]byte, unix.SizeofRtMsg)
	data[0], data[4], data[7] = family, unix.RT_TABLE_LOCAL, unix.RTN_LOCAL
	return netlink.Message{Header: netlink.Header{Type: unix.RTM_GETROUTE}, Data: data}
}

// parseRoute reads the destination from a struct rtmsg and its attributes, if
// it is a local route of the table local that packets from outside can take.
// Other tables are consulted by rules only: what a transparent proxy delivers
// to itself (a local default route for marked packets) is no address of ours.
func parseRoute(data []byte) (p netip.Prefix, ok bool, err error) {
	if len(data) < unix.SizeofRtMsg {
		return p, false, errShort
	}
	family, bits := data[0], int(data[1])
	if data[4] != unix.RT_TABLE_LOCAL || data[7] != unix.RTN_LOCAL {
		return p, false, nil
	}
	addr := netip.IPv4Unspecified()
	switch family {
	case unix.AF_INET:
	case unix.AF_INET6:
		addr = netip.IPv6Unspecified()
	default:
		return p, false, nil // of multicast routing, for instance
	}
	attrs, err := netlink.NewAttributeDecoder(data[unix.SizeofRtMsg:])
	if err != nil {
		return p, false, err
	}
	for attrs.Next() {
		if attrs.Type() == unix.RTA_DST {
			if a, valid := netip.AddrFromSlice(attrs.Bytes()); valid {
				addr = a
			}
		}
	}
	if err := attrs.Err(); err != nil {
		return p, false, err
	}
	p, err = addr.Prefix(bits)
	return p, err == nil && !p.Addr().IsLoopback(), err
}
