//go:build client_only

package main

import "net/netip"

// sessionSource is of use on servers only.
func sessionSource() (netip.Addr, error) { return netip.Addr{}, errSession }
