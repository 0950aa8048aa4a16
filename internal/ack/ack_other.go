//go:build !linux

// Package ack sends acknowledgements, on Linux.
package ack

import (
	"errors"
	"net/netip"
)

// Sender sends datagrams.
type Sender struct{}

var errNotLinux = errors.New("acknowledgements can be sent on Linux only")

// Open fails.
func Open() (*Sender, error) { return nil, errNotLinux }

// Send fails.
func (*Sender) Send(netip.AddrPort, netip.AddrPort, int, []byte) error { return errNotLinux }

// Close does nothing.
func (*Sender) Close() error { return nil }
