//go:build linux && !client_only

package main

import (
	"fmt"
	"net/netip"

	"sallyport/internal/inert"
)

// addressForPage refuses names: a browser would give each knock to its resolver first.
func addressForPage(host string) (netip.Addr, error) {
	a, err := netip.ParseAddr(host)
	if err != nil || a.Zone() != "" {
		return netip.Addr{}, usageError{hinted{fmt.Errorf("host %s is no address, and from a browser only addresses can be knocked at", inert.Text(host)),
			"sallyport client profile NAME --host ADDRESS, with the address by which clients reach the gate"}}
	}
	return a, nil
}
