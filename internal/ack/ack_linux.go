// Package ack sends acknowledgements: UDP datagrams from a port that no socket
// has bound, so that the port looks closed to everybody else.
//
// They go the way of a socket that is bound to their source: by rules for
// source addresses, as hosts with two providers have them; a mark that the
// host's own rules set at output is heeded too, as for every packet. Towards a
// link-local address they leave by the interface that the message came by.
//
// The source is always the address that the message was sent to, also where
// that is not one of this host but of one behind it (the prefixes "to" of a
// door). The client hears no other: its socket is connected to that address,
// and so is every NAT on the way. The host stands on the path to that
// address, so it speaks only for what is routed through it, and only to
// a client that has just proved a key.
package ack

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Sender sends datagrams with headers of its own making. It receives nothing.
// It is safe for concurrent use.
type Sender struct{ v4, v6 int }

// remedy names the usual reason why there is no such socket.
func remedy(err error) string {
	if errors.Is(err, unix.EPERM) {
		return " (needs CAP_NET_RAW: run as root, or with AmbientCapabilities=CAP_NET_ADMIN CAP_NET_RAW in the systemd unit)"
	}
	return ""
}

// Open makes a sender. Needs CAP_NET_RAW.
func Open() (*Sender, error) {
	v4, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.IPPROTO_RAW)
	if err != nil {
		return nil, fmt.Errorf("open raw socket for acknowledgements: %w%s", err, remedy(err))
	}
	v6, err := unix.Socket(unix.AF_INET6, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.IPPROTO_RAW)
	if errors.Is(err, unix.EAFNOSUPPORT) {
		return &Sender{v4, -1}, nil // a host without IPv6
	}
	if err == nil {
		// Sources that are the host's by route only, or not at all. A raw IPv4
		// socket with a header of its own may use them anyway.
		err = unix.SetsockoptInt(v6, unix.IPPROTO_IPV6, unix.IPV6_FREEBIND, 1)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open raw socket for acknowledgements: %w", err), unix.Close(v4))
	}
	return &Sender{v4, v6}, nil
}

// Send sends one datagram. Both addresses are of the same family and have no
// zone; in is the index of the interface to the other side, which matters for
// link-local addresses only.
func (s *Sender) Send(from, to netip.AddrPort, in int, payload []byte) error {
	var fd int
	var route []byte
	var target unix.Sockaddr
	if to.Addr().Is4() {
		fd, route, target = s.v4, source4(from.Addr()), &unix.SockaddrInet4{Addr: to.Addr().As4()}
	} else {
		if !to.Addr().IsLinkLocalUnicast() {
			in = 0 // any: the routes decide
		}
		fd, route, target = s.v6, source6(from.Addr(), in), &unix.SockaddrInet6{Addr: to.Addr().As16(), ZoneId: uint32(in)}
	}
	if err := unix.Sendmsg(fd, datagram(from, to, payload), route, target, 0); err != nil {
		return fmt.Errorf("send acknowledgement from %s to %s: %w", from.Addr(), to, err)
	}
	return nil
}

// source4 has the kernel look for the route of packets from an address (ip(7),
// IP_PKTINFO): it does not look at the header that we make.
func source4(from netip.Addr) []byte {
	return unix.PktInfo4(&unix.Inet4Pktinfo{Spec_dst: from.As4()})
}

// source6 does the same (RFC 3542, section 6).
func source6(from netip.Addr, in int) []byte {
	return unix.PktInfo6(&unix.Inet6Pktinfo{Addr: from.As16(), Ifindex: uint32(in)})
}

// Close ends the sender.
func (s *Sender) Close() error {
	err := unix.Close(s.v4)
	if s.v6 >= 0 {
		err = errors.Join(err, unix.Close(s.v6))
	}
	return err
}

// Header fields (RFC 791, RFC 8200, RFC 768).
const (
	ttl     = 64
	lenIPv4 = 20
	lenIPv6 = 40
	lenUDP  = 8
)

// datagram builds an IP packet. The kernel fills in the IPv4 header's length,
// identification and checksum (raw(7)).
func datagram(from, to netip.AddrPort, payload []byte) []byte {
	udp := binary.BigEndian.AppendUint16(nil, from.Port())
	udp = binary.BigEndian.AppendUint16(udp, to.Port())
	udp = binary.BigEndian.AppendUint16(udp, uint16(lenUDP+len(payload)))
	udp = binary.BigEndian.AppendUint16(udp, 0)
	udp = append(udp, payload...)
	binary.BigEndian.PutUint16(udp[6:], checksum(from.Addr(), to.Addr(), udp))

	if from.Addr().Is4() {
		ip := make([]byte, lenIPv4, lenIPv4+len(udp))
		ip[0], ip[8], ip[9] = 0x45, ttl, unix.IPPROTO_UDP
		copy(ip[12:], from.Addr().AsSlice())
		copy(ip[16:], to.Addr().AsSlice())
		return append(ip, udp...)
	}
	ip := make([]byte, lenIPv6, lenIPv6+len(udp))
	ip[0], ip[6], ip[7] = 0x60, unix.IPPROTO_UDP, ttl
	binary.BigEndian.PutUint16(ip[4:], uint16(len(udp)))
	copy(ip[8:], from.Addr().AsSlice())
	copy(ip[24:], to.Addr().AsSlice())
	return append(ip, udp...)
}

// checksum is that of UDP over the pseudo header (RFC 1071, RFC 8200 section
// 8.1). A result of zero is sent as all ones.
func checksum(from, to netip.Addr, udp []byte) uint16 {
	sum := uint32(unix.IPPROTO_UDP) + uint32(len(udp))
	for _, part := range [][]byte{from.AsSlice(), to.AsSlice(), udp} {
		for i, b := range part {
			if i%2 == 0 {
				sum += uint32(b) << 8
			} else {
				sum += uint32(b)
			}
		}
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	if sum == 0xffff {
		return 0xffff
	}
	return ^uint16(sum)
}
