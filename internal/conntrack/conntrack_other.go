//go:build !linux

// Package conntrack ends connections that are under way, on Linux.
package conntrack

import (
	"context"
	"errors"
	"net/netip"

	"sallyport/internal/packet"
)

// Cut works on Linux only.
func Cut(func(netip.Addr, packet.Port) bool) (int, error) {
	return 0, errors.New("cut connections: only Linux can")
}

// Flow is a connection that the kernel has begun, or ceased, to track.
type Flow struct {
	ID     uint32
	Source netip.Addr
	Port   packet.Port
	Ended  bool
	Bytes  uint64
}

// Established works on Linux only.
func Established(func(packet.Port) bool) ([]Flow, error) {
	return nil, errors.New("list connections: only Linux can")
}

// Watcher works on Linux only.
type Watcher struct{}

var errLinuxOnly = errors.New("watch connections: only Linux can")

// NewWatcher works on Linux only.
func NewWatcher([]packet.Port) (*Watcher, error) { return nil, errLinuxOnly }

// SetPorts works on Linux only.
func (*Watcher) SetPorts([]packet.Port) error { return errLinuxOnly }

// Run works on Linux only.
func (*Watcher) Run(context.Context, func(Flow)) error { return errLinuxOnly }

// Close works on Linux only.
func (*Watcher) Close() error { return nil }
