//go:build !linux

package firewall

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/event"
)

var errLinux = errors.New("the firewall needs Linux")

// Firewall exists on Linux only.
type Firewall struct{}

// New fails: the firewall needs Linux.
func New(*slog.Logger, Options) (*Firewall, error) { return nil, errLinux }

// Apply fails.
func (*Firewall) Apply(*config.Config) error { return errLinux }

// Try fails.
func (*Firewall) Try(_, _ *config.Config, _ time.Duration) error { return errLinux }

// Present fails.
func (*Firewall) Present() (bool, error) { return false, errLinux }

// Grant fails.
func (*Firewall) Grant(event.Grant, time.Time) error { return errLinux }

// GrantAll fails.
func (*Firewall) GrantAll([]event.Grant, time.Time) error { return errLinux }

// Revoke fails.
func (*Firewall) Revoke(event.Grant) error { return errLinux }

// Grants fails.
func (*Firewall) Grants(time.Time) ([]event.Grant, error) { return nil, errLinux }

// Counters fails.
func (*Firewall) Counters() (Counters, error) { return Counters{}, errLinux }

// Watch fails.
func (*Firewall) Watch(context.Context, func()) error { return errLinux }

// Owned returns false.
func (*Firewall) Owned() bool { return false }

// Ban fails.
func (*Firewall) Ban(netip.Addr, time.Time, time.Time) error { return errLinux }

// Unban fails.
func (*Firewall) Unban(netip.Addr) error { return errLinux }

// Bans fails.
func (*Firewall) Bans(time.Time) ([]event.Ban, error) { return nil, errLinux }

// Down fails.
func (*Firewall) Down() error { return errLinux }

// Close does nothing.
func (*Firewall) Close() error { return nil }
