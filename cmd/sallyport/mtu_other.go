//go:build !linux

package main

import (
	"net"
	"net/netip"

	"sallyport/internal/sender"
)

// routeMTU returns the MTU of the interface that packets to an address leave
// by, or 0 if it is not known.
func routeMTU(to netip.AddrPort) (int, error) {
	local, err := sender.Source(to)
	if err != nil {
		return 0, err
	}
	interfaces, _ := net.Interfaces()
	for _, i := range interfaces {
		addrs, _ := i.Addrs()
		for _, a := range addrs {
			prefix, err := netip.ParsePrefix(a.String())
			if err == nil && prefix.Addr().Unmap() == local.WithZone("") {
				return i.MTU, nil
			}
		}
	}
	return 0, nil
}
