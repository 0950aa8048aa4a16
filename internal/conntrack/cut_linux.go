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

// Cut ends every connection that match accepts and returns those that it ended.
// Local TCP sockets are destroyed, which resets the connection at both ends; then
// the kernel forgets the flow, so that whatever else arrives in it is judged by
// the firewall as new. A UDP flow can come back if the service itself goes on
// sending. One failure keeps none of the others. Needs CAP_NET_ADMIN.
//
// Sockets and flows are looked up first and named by what belongs to them alone:
// cookie and id. Named by addresses and ports, a socket that is gone would stand
// for the listener of its service, and a flow for the next one with its ports.
func Cut(match func(Flow) bool) ([]Flow, error) {
	table, err := conntrack.Dial(nil)
	if err != nil {
		return nil, fmt.Errorf("cut connections: reach connection tracking: %w", err)
	}
	defer table.Close()
	flows, err := table.Dump(nil)
	if err != nil {
		return nil, fmt.Errorf("cut connections: list flows: %w", err)
	}
	var chosen []tracked
	for _, f := range flows {
		if t, ok := choose(f, match); ok {
			chosen = append(chosen, t)
		}
	}
	if len(chosen) == 0 {
		return nil, nil
	}
	c, err := newCutter()
	if err != nil {
		return nil, fmt.Errorf("cut connections: %w", err)
	}
	defer c.close()
	return c.cutAll(chosen)
}

// tracked is a flow that is to be cut, with the ends of its connection as this
// host knows them, after any DNAT.
type tracked struct {
	Flow
	raw         conntrack.Flow
	local, peer netip.AddrPort
}

// choose asks about a flow. One that the kernel first saw in the middle may have
// been recorded the other way round.
func choose(f conntrack.Flow, match func(Flow) bool) (tracked, bool) {
	o, r := f.TupleOrig, f.TupleReply
	if as := flowOf(f); match(as) {
		// The reply comes from where the connection ends, after any DNAT.
		return tracked{as, f, netip.AddrPortFrom(r.IP.SourceAddress, r.Proto.SourcePort),
			netip.AddrPortFrom(r.IP.DestinationAddress, r.Proto.DestinationPort)}, true
	}
	if as := reversed(f); match(as) {
		return tracked{as, f, netip.AddrPortFrom(o.IP.SourceAddress, o.Proto.SourcePort),
			netip.AddrPortFrom(o.IP.DestinationAddress, o.Proto.DestinationPort)}, true
	}
	return tracked{}, false
}

// cutter ends connections one by one.
type cutter struct {
	flows   *netlink.Conn
	diag    *netlink.Conn
	sockets map[ends][]socket
}

type ends struct{ local, peer netip.AddrPort }

// socket is one TCP socket as the kernel names it: its family, and a struct
// inet_diag_sockid (include/uapi/linux/inet_diag.h), which ends with the cookie
// that no other socket has.
type socket struct {
	family byte
	id     [48]byte
}

func newCutter() (*cutter, error) {
	flows, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		return nil, fmt.Errorf("reach connection tracking: %w", err)
	}
	diag, err := netlink.Dial(unix.NETLINK_SOCK_DIAG, nil)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("reach sockets: %w", err), flows.Close())
	}
	c := &cutter{flows: flows, diag: diag}
	if c.sockets, err = listSockets(diag); err != nil {
		c.close()
		return nil, fmt.Errorf("list sockets: %w", err)
	}
	return c, nil
}

func (c *cutter) close() { _, _ = c.flows.Close(), c.diag.Close() }

// mostErrors bounds what is said about many failures.
const mostErrors = 10

func (c *cutter) cutAll(chosen []tracked) (done []Flow, err error) {
	failed := 0
	for _, t := range chosen {
		if problem := c.cut(t); problem == nil {
			done = append(done, t.Flow)
		} else if failed++; failed <= mostErrors {
			err = errors.Join(err, fmt.Errorf("cut the connection of %s with %s: %w", t.peer, t.local, problem))
		}
	}
	if failed > mostErrors {
		err = errors.Join(err, fmt.Errorf("and %d more could not be cut", failed-mostErrors))
	}
	return done, err
}

// cut destroys the socket before the kernel forgets the flow: otherwise the
// socket could send in between and be tracked again.
func (c *cutter) cut(t tracked) error {
	if t.Port.Proto == packet.TCP {
		for _, s := range c.sockets[ends{t.local, t.peer}] {
			if err := destroy(c.diag, s); err != nil {
				return err
			}
		}
	}
	return forget(c.flows, t.raw)
}

// Socket states (include/net/tcp_states.h) that are no connection, or none that
// could be destroyed.
const (
	tcpTimeWait = 6
	tcpListen   = 10
)

// Sizes of structs of include/uapi/linux/inet_diag.h.
const (
	diagRequestLen = 56 // inet_diag_req_v2: its sockid begins at 8
	diagMessageLen = 72 // inet_diag_msg: its sockid begins at 4
)

// listSockets lists the TCP sockets of this host that have a peer.
func listSockets(conn *netlink.Conn) (map[ends][]socket, error) {
	list := make(map[ends][]socket)
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		request := make([]byte, diagRequestLen)
		request[0], request[1] = family, unix.IPPROTO_TCP
		binary.NativeEndian.PutUint32(request[4:], ^uint32(1<<tcpListen|1<<tcpTimeWait))
		messages, err := conn.Execute(netlink.Message{
			Header: netlink.Header{Type: unix.SOCK_DIAG_BY_FAMILY, Flags: netlink.Request | netlink.Dump}, Data: request})
		if err != nil {
			return nil, err
		}
		for _, m := range messages {
			if e, s, ok := readSocket(m.Data); ok {
				list[e] = append(list[e], s)
			}
		}
	}
	return list, nil
}

// readSocket reads a struct inet_diag_msg. IPv6 sockets speak IPv4 with mapped
// addresses.
func readSocket(b []byte) (e ends, s socket, ok bool) {
	if len(b) < diagMessageLen || b[1] == tcpListen || b[1] == tcpTimeWait {
		return e, s, false
	}
	address := func(at []byte) netip.Addr {
		if b[0] == unix.AF_INET {
			return netip.AddrFrom4([4]byte(at))
		}
		return netip.AddrFrom16([16]byte(at)).Unmap()
	}
	e.local = netip.AddrPortFrom(address(b[8:]), binary.BigEndian.Uint16(b[4:]))
	e.peer = netip.AddrPortFrom(address(b[24:]), binary.BigEndian.Uint16(b[6:]))
	return e, socket{b[0], [48]byte(b[4:52])}, e.peer.Port() != 0
}

// destroy closes a local TCP socket no matter who owns it (SOCK_DESTROY,
// net/ipv4/tcp_diag.c). The cookie is checked by the kernel: another socket that
// is found at the same place by now stays (ESTALE). One that is closing cannot be
// destroyed (EINVAL), and a kernel without CONFIG_INET_DIAG_DESTROY leaves it to
// time out.
func destroy(conn *netlink.Conn, s socket) error {
	const sockDestroy = 21 // include/uapi/linux/sock_diag.h
	request := make([]byte, diagRequestLen)
	request[0], request[1] = s.family, unix.IPPROTO_TCP
	binary.NativeEndian.PutUint32(request[4:], ^uint32(0)) // any state
	copy(request[8:], s.id[:])
	_, err := conn.Execute(netlink.Message{
		Header: netlink.Header{Type: sockDestroy, Flags: netlink.Request | netlink.Acknowledge}, Data: request})
	for _, harmless := range []error{unix.ENOENT, unix.ESTALE, unix.EINVAL, unix.EOPNOTSUPP} {
		if errors.Is(err, harmless) {
			return nil
		}
	}
	return err
}

// Attributes of a flow (include/uapi/linux/netfilter/nfnetlink_conntrack.h).
const (
	ctaTupleIP      = 1
	ctaID           = 12
	ctaZone         = 18
	ctaIPv4Source   = 1
	ctaIPv4Dest     = 2
	ctaIPv6Source   = 3
	ctaIPv6Dest     = 4
	ctaProtoNumber  = 1
	ctaProtoSrcPort = 2
)

// forget has the kernel drop a flow, if it is still the one with that id
// (ctnetlink_del_conntrack, net/netfilter/nf_conntrack_netlink.c). The library's
// own request leaves the id out, and would take any flow with these ports.
func forget(conn *netlink.Conn, f conntrack.Flow) error {
	a := netlink.NewAttributeEncoder()
	a.ByteOrder = binary.BigEndian
	a.Nested(ctaTupleOrig, func(n *netlink.AttributeEncoder) error {
		n.ByteOrder = binary.BigEndian
		return encodeTuple(n, f.TupleOrig)
	})
	if f.Zone != 0 {
		a.Uint16(ctaZone, f.Zone)
	}
	a.Uint32(ctaID, f.ID)
	attributes, err := a.Encode()
	if err != nil {
		return err
	}
	const ctDelete = 2 // enum cntl_msg_types
	family := byte(unix.AF_INET)
	if f.TupleOrig.IP.IsIPv6() {
		family = unix.AF_INET6
	}
	_, err = conn.Execute(netlink.Message{
		Header: netlink.Header{Type: unix.NFNL_SUBSYS_CTNETLINK<<8 | ctDelete, Flags: netlink.Request | netlink.Acknowledge},
		Data:   append([]byte{family, 0, 0, 0}, attributes...), // struct nfgenmsg
	})
	if errors.Is(err, unix.ENOENT) { // it has ended by itself
		return nil
	}
	return err
}

func encodeTuple(a *netlink.AttributeEncoder, t conntrack.Tuple) error {
	source, dest := uint16(ctaIPv4Source), uint16(ctaIPv4Dest)
	if t.IP.IsIPv6() {
		source, dest = ctaIPv6Source, ctaIPv6Dest
	}
	a.Nested(ctaTupleIP, func(n *netlink.AttributeEncoder) error {
		n.Bytes(source, t.IP.SourceAddress.AsSlice())
		n.Bytes(dest, t.IP.DestinationAddress.AsSlice())
		return nil
	})
	a.Nested(ctaTupleProto, func(n *netlink.AttributeEncoder) error {
		n.ByteOrder = binary.BigEndian
		n.Uint8(ctaProtoNumber, t.Proto.Protocol)
		n.Uint16(ctaProtoSrcPort, t.Proto.SourcePort)
		n.Uint16(ctaProtoDstPort, t.Proto.DestinationPort)
		return nil
	})
	return nil
}
