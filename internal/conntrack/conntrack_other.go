//go:build !linux

// Package conntrack ends connections that are under way, on Linux.
package conntrack

import (
	"errors"
	"net/netip"

	"sallyport/internal/packet"
)

// Cut works on Linux only.
func Cut(func(netip.Addr, packet.Port) bool) (int, error) {
	return 0, errors.New("cut connections: only Linux can")
}
