//go:build !client_only

package main

import (
	"net/netip"

	"sallyport/internal/inspect"
)

// sessionSource is where the SSH session of this process comes from.
func sessionSource() (netip.Addr, error) {
	s, ok := inspect.CurrentSession()
	if !ok {
		return netip.Addr{}, errSession
	}
	return s.Client.Addr().Unmap(), nil
}
