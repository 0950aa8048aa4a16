//go:build !linux

package inspect

import (
	"errors"
	"fmt"

	"sallyport/internal/packet"
)

var errNotLinux = fmt.Errorf("inspect the host: %w: it is done on Linux only", errors.ErrUnsupported)

// CurrentSession works on Linux only.
func CurrentSession() (Session, bool) { return Session{}, false }

// SessionKey works on Linux only.
func SessionKey() (line string, ok bool) { return "", false }

// Firewalls works on Linux only.
func Firewalls() ([]Firewall, error) { return nil, errNotLinux }

// Published works on Linux only.
func Published() ([]Forwarded, error) { return nil, errNotLinux }

// Named works on Linux only.
func Named() ([]packet.Port, error) { return nil, errNotLinux }

// ShutPorts works on Linux only.
func ShutPorts([]packet.Port) ([]Shut, error) { return nil, errNotLinux }

// Untracked works on Linux only.
func Untracked([]packet.Port) ([]Shut, error) { return nil, errNotLinux }

// Guards works on Linux only.
func Guards() ([]Guard, error) { return nil, errNotLinux }

// Legacy works on Linux only.
func Legacy() bool { return false }

// Foreign finds nothing.
func Foreign(string, ...string) (owner uint32, names []string) { return 0, nil }
