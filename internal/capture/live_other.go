//go:build !linux

package capture

import "errors"

// Live is a capture of the packets that arrive at this host; Linux only.
type Live struct{}

var errNotLinux = errors.New("capture: packets can be captured on Linux only")

// Open fails.
func Open(Options) (*Live, error) { return nil, errNotLinux }

// SetFilter fails.
func (*Live) SetFilter(Filter) error { return errNotLinux }

// Receive fails.
func (*Live) Receive(Handler) error { return errNotLinux }

// Unasked returns 0.
func (*Live) Unasked() int { return 0 }

// Wake does nothing.
func (*Live) Wake() {}

// Stats fails.
func (*Live) Stats() (Stats, error) { return nil, errNotLinux }

// Close does nothing.
func (*Live) Close() error { return nil }
