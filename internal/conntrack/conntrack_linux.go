// Package conntrack ends connections that are under way, and tells when they
// begin and end. Sallyport leaves established connections alone when a grant
// ends; an administrator, or a program that has found a machine compromised, can
// ask for more. And the journal tells which connection has used a grant.
package conntrack

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/mdlayher/netlink"
	"github.com/ti-mo/conntrack"
	"golang.org/x/sys/unix"

	"sallyport/internal/packet"
)

// Cut ends every connection for whose peer and port on this side match returns
// true, and returns how many there were. Local TCP sockets are destroyed, which
// resets the connection at both ends; then the kernel forgets the flow, so that
// whatever else arrives in it is judged by the firewall as new. A UDP flow can
// come back if the service itself goes on sending. Needs CAP_NET_ADMIN.
func Cut(match func(source netip.Addr, port packet.Port) bool) (int, error) {
	table, err := conntrack.Dial(nil)
	if err != nil {
		return 0, fmt.Errorf("cut connections: reach connection tracking: %w", err)
	}
	defer table.Close()
	flows, err := table.Dump(nil)
	if err != nil {
		return 0, fmt.Errorf("cut connections: list flows: %w", err)
	}
	sockets, err := netlink.Dial(unix.NETLINK_SOCK_DIAG, nil)
	if err != nil {
		return 0, fmt.Errorf("cut connections: reach sockets: %w", err)
	}
	defer sockets.Close()
	n := 0
	for _, f := range flows {
		local, peer, ok := sides(f, match)
		if !ok {
			continue
		}
		if err := cut(table, sockets, f, local, peer); err != nil {
			return n, fmt.Errorf("cut the connection of %s with %s: %w", peer, local, err)
		}
		n++
	}
	return n, nil
}

// sides tells which end of a flow is the peer. A flow that the kernel first
// saw in the middle may have been recorded the other way round.
func sides(f conntrack.Flow, match func(netip.Addr, packet.Port) bool) (local, peer netip.AddrPort, ok bool) {
	o, r := f.TupleOrig, f.TupleReply
	proto := packet.Proto(o.Proto.Protocol)
	if match(o.IP.SourceAddress, packet.Port{Proto: proto, Number: o.Proto.DestinationPort}) {
		// The reply comes from where the connection ends, after any DNAT.
		return netip.AddrPortFrom(r.IP.SourceAddress, r.Proto.SourcePort),
			netip.AddrPortFrom(r.IP.DestinationAddress, r.Proto.DestinationPort), true
	}
	if match(o.IP.DestinationAddress, packet.Port{Proto: proto, Number: o.Proto.SourcePort}) {
		return netip.AddrPortFrom(o.IP.SourceAddress, o.Proto.SourcePort),
			netip.AddrPortFrom(o.IP.DestinationAddress, o.Proto.DestinationPort), true
	}
	return local, peer, false
}

// cut destroys the socket before the kernel forgets the flow: otherwise the
// socket could send in between and be tracked again.
func cut(table *conntrack.Conn, sockets *netlink.Conn, f conntrack.Flow, local, peer netip.AddrPort) error {
	if packet.Proto(f.TupleOrig.Proto.Protocol) == packet.TCP {
		if err := destroy(sockets, local, peer); err != nil {
			return err
		}
	}
	// The tuples name the flow; the kernel refuses some of what else a dump holds.
	err := table.Delete(conntrack.Flow{ID: f.ID, TupleOrig: f.TupleOrig, TupleReply: f.TupleReply, Zone: f.Zone})
	if errors.Is(err, unix.ENOENT) { // it has ended by itself
		return nil
	}
	return err
}

// destroy closes a local TCP socket whoever owns it (SOCK_DESTROY,
// net/ipv4/tcp_diag.c). A connection that ends elsewhere has no socket here, one
// that is closing has none that could be destroyed (EINVAL), and a kernel without
// CONFIG_INET_DIAG_DESTROY leaves the socket to time out.
func destroy(conn *netlink.Conn, local, peer netip.AddrPort) error {
	const sockDestroy = 21 // include/uapi/linux/sock_diag.h
	_, err := conn.Execute(netlink.Message{
		Header: netlink.Header{Type: sockDestroy, Flags: netlink.Request | netlink.Acknowledge},
		Data:   request(local, peer),
	})
	for _, harmless := range []error{unix.ENOENT, unix.EINVAL, unix.EOPNOTSUPP} {
		if errors.Is(err, harmless) {
			return nil
		}
	}
	return err
}

// request is a struct inet_diag_req_v2 (include/uapi/linux/inet_diag.h) that
// names one TCP socket.
func request(local, peer netip.AddrPort) []byte {
	b := make([]byte, 56)
	b[0] = unix.AF_INET6
	if local.Addr().Is4() {
		b[0] = unix.AF_INET
	}
	b[1] = unix.IPPROTO_TCP
	binary.NativeEndian.PutUint32(b[4:], ^uint32(0)) // any state
	binary.BigEndian.PutUint16(b[8:], local.Port())
	binary.BigEndian.PutUint16(b[10:], peer.Port())
	copy(b[12:28], local.Addr().AsSlice())
	copy(b[28:44], peer.Addr().AsSlice())
	for i := 48; i < 56; i++ {
		b[i] = 0xff // INET_DIAG_NOCOOKIE
	}
	return b
}
