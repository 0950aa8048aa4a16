package netstate

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// link is one interface as the kernel describes it.
type link struct {
	Link
	index, master uint32
	partKind      string // what kind the master is
}

// Links returns all network interfaces.
func Links() ([]Link, error) {
	request := netlink.Message{
		Header: netlink.Header{Type: unix.RTM_GETLINK},
		Data:   make([]byte, unix.SizeofIfInfomsg),
	}
	links, err := dump(unix.NETLINK_ROUTE, request, parseLink)
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	names := make(map[uint32]string)
	for _, l := range links {
		names[l.index] = l.Name
	}
	list := make([]Link, len(links))
	for i, l := range links {
		if l.partKind != "" && l.partKind != "vrf" { // there it is the interface that counts
			l.Of = names[l.master]
		}
		list[i] = l.Link
	}
	return list, nil
}

// parseLink reads one struct ifinfomsg and its attributes.
func parseLink(data []byte) (l link, ok bool, err error) {
	if len(data) < unix.SizeofIfInfomsg {
		return l, false, errShort
	}
	l.index = binary.NativeEndian.Uint32(data[4:])
	attrs, err := netlink.NewAttributeDecoder(data[unix.SizeofIfInfomsg:])
	if err != nil {
		return l, false, err
	}
	for attrs.Next() {
		switch attrs.Type() {
		case unix.IFLA_IFNAME:
			l.Name = attrs.String()
		case unix.IFLA_MASTER:
			l.master = attrs.Uint32()
		case unix.IFLA_LINKINFO:
			attrs.Nested(func(info *netlink.AttributeDecoder) error {
				for info.Next() {
					switch info.Type() {
					case unix.IFLA_INFO_KIND:
						l.Kind = info.String()
					case unix.IFLA_INFO_SLAVE_KIND:
						l.partKind = info.String()
					}
				}
				return nil
			})
		}
	}
	return l, l.Name != "", attrs.Err()
}

// Routed reports whether a route leads to a destination, or is a local one.
func Routed(to netip.Addr) (bool, error) {
	conn, err := netlink.Dial(unix.NETLINK_ROUTE, nil)
	if err != nil {
		return false, fmt.Errorf("look up a route: %w", err)
	}
	defer conn.Close()
	attrs := netlink.NewAttributeEncoder()
	attrs.Bytes(unix.RTA_DST, to.AsSlice())
	encoded, err := attrs.Encode()
	if err != nil {
		return false, fmt.Errorf("look up a route: %w", err)
	}
	data := make([]byte, unix.SizeofRtMsg, unix.SizeofRtMsg+len(encoded))
	data[0], data[1] = unix.AF_INET, byte(to.BitLen())
	if to.Is6() {
		data[0] = unix.AF_INET6
	}
	_, err = conn.Execute(netlink.Message{
		Header: netlink.Header{Type: unix.RTM_GETROUTE, Flags: netlink.Request},
		Data:   append(data, encoded...),
	})
	for _, none := range []error{unix.ENETUNREACH, unix.EHOSTUNREACH, unix.EACCES, unix.EINVAL} {
		if errors.Is(err, none) {
			return false, nil // there is none, or one that refuses (fib_props in net/ipv4/fib_semantics.c)
		}
	}
	if err != nil {
		return false, fmt.Errorf("look up a route to %s: %w", to, err)
	}
	return true, nil
}
