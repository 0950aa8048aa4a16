package sender

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
)

// sendDatagram sends one datagram of one byte from a socket of its own, so
// that what an earlier port answered (ICMP) cannot fail this one.
func sendDatagram(source netip.Addr, to netip.AddrPort) error {
	conn, err := net.DialUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(source, 0)), net.UDPAddrFromAddrPort(to))
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = conn.Write([]byte{0})
	return err
}

// explain says in words what the usual errors of a host that cannot send mean.
func explain(err error) error {
	switch {
	case errors.Is(err, errNetUnreachable), errors.Is(err, errHostUnreachable):
		return fmt.Errorf("this host has no route there: %w", Cause(err))
	case errors.Is(err, errNotPermitted), errors.Is(err, errNoAccess):
		return fmt.Errorf("the firewall or the routes of this host forbid it: %w", Cause(err))
	case errors.Is(err, errNoAddress):
		return fmt.Errorf("this host has no address, or no free port, to send it from: %w", Cause(err))
	}
	return Cause(err)
}
