//go:build !linux

package netstate

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"sallyport/internal/packet"
)

var errNotLinux = fmt.Errorf("read the state of the network: %w: it is done on Linux only", errors.ErrUnsupported)

// Addresses works on Linux only.
func Addresses() (Own, error) { return Own{}, errNotLinux }

// WatchAddresses works on Linux only.
func WatchAddresses(context.Context, func(Own)) error { return errNotLinux }

// Links works on Linux only.
func Links() ([]Link, error) { return nil, errNotLinux }

// Bridges works on Linux only.
func Bridges() ([]Bridge, error) { return nil, errNotLinux }

// Routed works on Linux only.
func Routed(netip.Addr) (bool, error) { return false, errNotLinux }

// Listeners works on Linux only.
func Listeners() ([]packet.Port, error) { return nil, errNotLinux }

// Services works on Linux only.
func Services() ([]Service, error) { return nil, errNotLinux }

// EphemeralRange works on Linux only.
func EphemeralRange() (first, last uint16, err error) { return 0, 0, errNotLinux }
