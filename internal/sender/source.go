package sender

import (
	"fmt"
	"net"
	"net/netip"
)

// Source returns the address of this host that packets to an address leave
// from, without sending any. Where several routes are as good, it may be
// another one each time, and by the port too: what belongs together asks once
// and binds its sockets to the answer.
func Source(to netip.AddrPort) (netip.Addr, error) {
	if _, err := zoneIndex(to.Addr().Zone()); err != nil {
		return netip.Addr{}, fmt.Errorf("zone of %s: %w", to.Addr(), err)
	}
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
	if err != nil {
		return netip.Addr{}, err
	}
	defer conn.Close()
	local, ok := conn.LocalAddr().(*net.UDPAddr)
	if !ok {
		return netip.Addr{}, fmt.Errorf("find the source of packets to %s", to.Addr())
	}
	return local.AddrPort().Addr().Unmap(), nil
}
