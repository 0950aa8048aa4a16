//go:build linux

package daemon

import (
	"context"
	"log/slog"
	"net/netip"
	"time"

	"sallyport/internal/ack"
	"sallyport/internal/capture"
	"sallyport/internal/config"
	"sallyport/internal/daemon/host"
	"sallyport/internal/daemon/pump"
	"sallyport/internal/event"
	"sallyport/internal/firewall"
	"sallyport/internal/fleet/certs"
	"sallyport/internal/fleet/store"
	"sallyport/internal/grant"
	"sallyport/internal/moat"
)

// system is the machine as the daemon reaches it; a test has one of its own.
type system struct {
	firewall func(*slog.Logger, firewall.Options) (table, error)
	capture  func(capture.Options) (pump.Source, error)
	answers  func() (*ack.Sender, error)
	moat     func(*slog.Logger) (*moat.Moat, error)
	host     func() (host.Facts, error)
	fleet    func(config.Fleet) (store.Store, []certs.Cert, error)
}

// linux is the real one.
func linux() system {
	return system{
		firewall: func(log *slog.Logger, opts firewall.Options) (table, error) { return firewall.New(log, opts) },
		capture:  func(opts capture.Options) (pump.Source, error) { return capture.Open(opts) },
		answers:  ack.Open,
		moat:     func(log *slog.Logger) (*moat.Moat, error) { return moat.New(moat.DefaultDir, log) },
		host:     host.Read,
		fleet:    reachFleet,
	}
}

// table is the firewall, see package firewall.
type table interface {
	installer
	granter
	banner
	Counters() (firewall.Counters, error)
	Watch(ctx context.Context, changed func()) error
	Close() error
}

// installer closes and opens ports.
type installer interface {
	Apply(*config.Config) error
	Try(old, cfg *config.Config, left time.Duration) error
	Present() (bool, error)
	Down() error
}

// granter knows the grants in force.
type granter interface {
	grant.Firewall
	GrantAll(list []event.Grant, now time.Time) error
	Grants(now time.Time) ([]event.Grant, error)
}

// banner keeps sources out.
type banner interface {
	Ban(source netip.Prefix, until, now time.Time) error
	Unban(source netip.Prefix) error
	Bans(now time.Time) ([]event.Ban, error)
}
