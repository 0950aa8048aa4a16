//go:build linux && !client_only

package main

import (
	"fmt"
	"net/netip"

	"sallyport/client"
	"sallyport/internal/sender"
)

// checkHost refuses what cannot be the name or address of a server, in any
// script. An address in other digits is a slip of the keyboard.
func checkHost(host string) error {
	name, err := sender.ASCII(host)
	if err != nil {
		return usageError{fmt.Errorf("--host: %w", err)}
	}
	if err := client.CheckHost(name); err != nil {
		return usageError{fmt.Errorf("--host %q: %w", host, err)}
	}
	if _, err := netip.ParseAddr(name); err == nil && name != host {
		return usageError{fmt.Errorf("--host %q: want plain ASCII digits: %s", host, name)}
	}
	return nil
}
