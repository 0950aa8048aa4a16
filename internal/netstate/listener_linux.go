package netstate

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"sallyport/internal/packet"
)

// Socket states and message layout of include/net/tcp_states.h and
// include/uapi/linux/inet_diag.h.
const (
	stateUnconnected = 1 << 7  // TCP_CLOSE: for UDP, bound but not connected
	stateListen      = 1 << 10 // TCP_LISTEN

	diagRequestLen = 56 // struct inet_diag_req_v2
	diagMessageLen = 72 // struct inet_diag_msg
)

// Listeners returns the ports on which the host takes TCP connections or UDP
// datagrams from elsewhere, sorted, each once, over all addresses and both
// families. Sockets bound to a loopback address and UDP sockets connected to
// one peer do not count. The kernel picks them out, so that a host with many
// connections is answered as quickly as an idle one.
func Listeners() ([]packet.Port, error) {
	sockets, err := listening()
	if err != nil {
		return nil, err
	}
	ports := make([]packet.Port, 0, len(sockets))
	for _, s := range sockets {
		ports = append(ports, s.port)
	}
	slices.SortFunc(ports, comparePorts)
	return slices.Compact(ports), nil
}

func comparePorts(a, b packet.Port) int {
	return cmp.Or(cmp.Compare(a.Proto, b.Proto), cmp.Compare(a.Number, b.Number))
}

// socket is one that takes something from elsewhere.
type socket struct {
	port  packet.Port
	inode uint32
}

func listening() ([]socket, error) {
	var list []socket
	for _, ask := range []struct {
		proto  packet.Proto
		states uint32
		module string
	}{
		{packet.TCP, stateListen, "tcp_diag"},
		{packet.UDP, stateUnconnected, "udp_diag"},
	} {
		for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
			sockets, err := dump(unix.NETLINK_SOCK_DIAG, diagRequest(family, ask.proto, ask.states), parseSocket)
			if errors.Is(err, unix.ENOENT) {
				err = fmt.Errorf("%w (load the kernel module %s)", err, ask.module)
			}
			if err != nil {
				return nil, fmt.Errorf("list %s listeners: %w", ask.proto, err)
			}
			for _, s := range sockets {
				s.port.Proto = ask.proto
				list = append(list, s)
			}
		}
	}
	return list, nil
}

func diagRequest(family byte, proto packet.Proto, states uint32) netlink.Message {
	data := make([]byte, diagRequestLen)
	data[0], data[1] = family, byte(proto)
	binary.NativeEndian.PutUint32(data[4:], states)
	return netlink.Message{
		Header: netlink.Header{Type: unix.SOCK_DIAG_BY_FAMILY},
		Data:   data,
	}
}

// parseSocket reads the local port and the inode from one struct
// inet_diag_msg, unless its local address is a loopback address.
func parseSocket(data []byte) (s socket, ok bool, err error) {
	if len(data) < diagMessageLen {
		return s, false, errShort
	}
	local := netip.AddrFrom4([4]byte(data[8:12]))
	if data[0] == unix.AF_INET6 {
		local = netip.AddrFrom16([16]byte(data[8:24])).Unmap()
	}
	s.port.Number = binary.BigEndian.Uint16(data[4:6])
	s.inode = binary.NativeEndian.Uint32(data[68:72])
	return s, s.port.Number != 0 && !local.IsLoopback(), nil
}
