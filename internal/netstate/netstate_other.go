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
func Addresses() ([]netip.Addr, error) { return nil, errNotLinux }

// WatchAddresses works on Linux only.
func WatchAddresses(context.Context, func([]netip.Addr)) error { return errNotLinux }

// Listeners works on Linux only.
func Listeners() ([]packet.Port, error) { return nil, errNotLinux }

// Services works on Linux only.
func Services() ([]Service, error) { return nil, errNotLinux }

// EphemeralRange works on Linux only.
func EphemeralRange() (first, last uint16, err error) { return 0, 0, errNotLinux }
