package main

import (
	"net"
	"net/netip"

	"golang.org/x/sys/unix"
)

// routeMTU returns the size of packets that the route to an address takes, as
// the kernel knows it (ip(7), ipv6(7)).
func routeMTU(to netip.AddrPort) (mtu int, err error) {
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	level, option := unix.IPPROTO_IP, unix.IP_MTU
	if to.Addr().Is6() {
		level, option = unix.IPPROTO_IPV6, unix.IPV6_MTU
	}
	var failed error
	err = raw.Control(func(fd uintptr) { mtu, failed = unix.GetsockoptInt(int(fd), level, option) })
	if err == nil {
		err = failed
	}
	return mtu, err
}
