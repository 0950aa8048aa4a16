package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// Dial connects from this host, as [net.Dialer.DialContext] does. The address
// must be numeric: a lab has no names.
func (h *Host) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	var conn net.Conn
	err := h.Do(func() (err error) {
		conn, err = new(net.Dialer).DialContext(ctx, network, address)
		return err
	})
	return conn, err
}

// Listen listens on this host, as [net.Listen] does.
func (h *Host) Listen(network, address string) (net.Listener, error) {
	var ln net.Listener
	err := h.Do(func() (err error) {
		ln, err = net.Listen(network, address)
		return err
	})
	return ln, err
}

// ListenPacket opens a datagram socket on this host, as [net.ListenPacket] does.
func (h *Host) ListenPacket(network, address string) (net.PacketConn, error) {
	var conn net.PacketConn
	err := h.Do(func() (err error) {
		conn, err = net.ListenPacket(network, address)
		return err
	})
	return conn, err
}

// Answer is how a port answered a probe.
type Answer string

// The answers. A dropped packet is Silent; a closed port, and a door that
// rejects, are Refused. Where a firewall says "prohibited", or nobody has the
// address, a port is Unreachable.
const (
	Open        Answer = "open"
	Refused     Answer = "refused"
	Silent      Answer = "silent"
	Unreachable Answer = "unreachable"
)

// Probe looks at a port from this host, the way a scanner would: "tcp" with a
// connection, which is closed again, "udp" with one datagram to a service that
// answers. It waits at most timeout. An error means that nothing was learnt.
func (h *Host) Probe(network string, port netip.AddrPort, timeout time.Duration) (Answer, error) {
	return h.ProbeFrom(netip.Addr{}, network, port, timeout)
}

// ProbeFrom is Probe from one of the addresses of this host; the zero one is any.
func (h *Host) ProbeFrom(from netip.Addr, network string, port netip.AddrPort, timeout time.Duration) (Answer, error) {
	deadline := time.Now().Add(timeout)
	dialer := net.Dialer{Deadline: deadline}
	switch {
	case from.IsValid() && network == "udp":
		dialer.LocalAddr = net.UDPAddrFromAddrPort(netip.AddrPortFrom(from, 0))
	case from.IsValid():
		dialer.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))
	}
	var conn net.Conn
	err := h.Do(func() (err error) {
		conn, err = dialer.Dial(network, port.String())
		return err
	})
	if err == nil {
		defer conn.Close()
		if network == "udp" {
			err = exchange(conn, deadline)
		}
	}
	answer, err := classify(err)
	if err != nil {
		return "", fmt.Errorf("probe %s %s from host %q: %w", network, port, h.Name, err)
	}
	return answer, nil
}

// exchange sends one datagram and waits for one.
func exchange(conn net.Conn, deadline time.Time) error {
	if err := conn.SetDeadline(deadline); err != nil {
		return err
	}
	if _, err := conn.Write([]byte("probe")); err != nil {
		return err
	}
	_, err := conn.Read(make([]byte, 64))
	return err
}

func classify(err error) (Answer, error) {
	timeout := net.Error(nil)
	switch {
	case err == nil:
		return Open, nil
	case errors.Is(err, unix.ECONNREFUSED):
		return Refused, nil
	case errors.Is(err, unix.EHOSTUNREACH), errors.Is(err, unix.EACCES):
		// What becomes of "prohibited": icmp_err_convert of net/ipv4/icmp.c, tab_unreach of net/ipv6/icmp.c.
		return Unreachable, nil
	case errors.As(err, &timeout) && timeout.Timeout():
		return Silent, nil
	}
	return "", err
}
