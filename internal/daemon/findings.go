//go:build linux

package daemon

import (
	"context"
	"fmt"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/daemon/services"
	"sallyport/internal/event"
	"sallyport/internal/journald"
	"sallyport/internal/sshlog"
)

// found passes a finding on. What has only been counted further is no event.
func (d *Daemon) found(f event.Finding, news bool) {
	f = d.consent.Finding(f.Last, f)
	d.journal.PutFinding(f)
	if news {
		d.events.Put(event.Event{Time: f.Last, Kind: event.KindFinding, Door: f.Door, Client: f.Client, Source: f.Source, Finding: &f,
			Detail: fmt.Sprintf("%s (%s): %s", f.Rule, f.Severity, f.Explanation)})
	}
}

// loginServices report who logs in behind the doors, where the configuration says
// what has it.
func (d *Daemon) loginServices(c *change) []services.Service {
	path := c.to.Detect.SSHLog
	if path == "" {
		return nil
	}
	troubled := func(err error) {
		d.events.Put(event.Event{Time: time.Now(), Kind: event.KindFailure, Detail: err.Error()})
	}
	follow := func(ctx context.Context) error {
		if path == config.SSHJournal {
			journald.Follow(ctx, d.logged, troubled)
		} else {
			sshlog.Follow(ctx, path, d.events.PutUnauthenticated, troubled)
		}
		return nil
	}
	return []services.Service{{Subject: "ssh_log", Key: "logins in " + path, Open: func() (services.Opened, error) {
		return services.Opened{Run: follow, Close: func() error { return nil }}, nil
	}}}
}

// logged takes an entry of the journal of systemd. Everybody may write to it,
// under any name; sshd runs as root.
func (d *Daemon) logged(e journald.Entry) {
	if ev, ok := sshlog.Said(time.Now(), e.Identifier, e.Message); ok && e.UID == "0" {
		d.events.PutUnauthenticated(ev)
	}
}

// countsContacts reports whether packets to closed ports are counted by the
// daemon, and not in the kernel.
func (d *Daemon) countsContacts(cfg *config.Config) bool {
	return cfg.Detect.Enabled && !d.moat.Counts()
}

// settleContacts passes on what was counted when no further packet does it.
func (d *Daemon) settleContacts(ctx context.Context) error {
	every := time.NewTicker(time.Second)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-every.C:
			if d.pump.Settle(ctx, now) != nil {
				return nil // the daemon stops
			}
		}
	}
}
