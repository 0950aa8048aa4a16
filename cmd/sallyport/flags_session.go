//go:build !client_only

package main

import (
	"net/netip"

	"sallyport/internal/inspect"
)

// sshSession is the SSH session of this process, and its key the one that authenticated
// it, as far as sshd reveals that.
func sshSession() (inspect.Session, bool) { return inspect.CurrentSession() }
func sshKey() (string, bool)              { return inspect.SessionKey() }

// sessionSource is where the SSH session of this process comes from.
func sessionSource() (netip.Addr, error) {
	s, ok := sshSession()
	if !ok {
		return netip.Addr{}, errSession
	}
	return s.Client.Addr().Unmap(), nil
}
