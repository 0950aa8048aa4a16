//go:build linux

package daemon

import (
	"context"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/conntrack"
)

// watchUses listens to the kernel. Where it cannot, grants are given all the
// same; only their use is not known.
func (d *Daemon) watchUses(ctx context.Context) error {
	w, err := conntrack.NewWatcher(d.uses.Configure(d.config.Load()))
	if err != nil {
		d.log.Warn("the journal will not tell which connections use a grant", "error", err)
		return nil
	}
	defer w.Close()
	d.uses.SetWatcher(w)
	d.watchman.UsesWatched(true)
	d.watchman.Configure(d.config.Load())
	defer d.uses.SetWatcher(nil)
	defer d.watchman.UsesWatched(false)
	d.sessions.Watching()
	if err := w.Run(ctx, d.flow, func() { d.sessions.Reread(time.Now()) }); err != nil {
		d.sessions.Lost()
		d.log.Warn("the journal no longer tells which connections use a grant", "error", err)
	}
	return nil
}

// flow takes what the kernel reports of a connection.
func (d *Daemon) flow(f conntrack.Flow) {
	now := time.Now()
	d.sessions.Flow(now, f)
	d.uses.Flow(now, f)
}

// reconfigureUses carries new doors to the kernel's filter of connections.
func (d *Daemon) reconfigureUses(cfg *config.Config) {
	if err := d.uses.Reconfigure(cfg); err != nil {
		d.log.Warn("connections to new doors are not told", "error", err)
	}
}
