//go:build linux

package daemon

import (
	"context"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/daemon/keeper"
	"sallyport/internal/daemon/messages"
	"sallyport/internal/daemon/pump"
	"sallyport/internal/moat"
)

// updateHost informs the gate and the capture filter of what has changed.
func (d *Daemon) updateHost(ctx context.Context) {
	d.trial.Changing.Lock()
	defer d.trial.Changing.Unlock()
	cfg := d.config.Load()
	if seen, err := d.pump.SetHost(ctx, d.host.Gate(), d.view(cfg)); err == nil {
		d.moat.Know(d.saw(cfg, seen))
	}
}

// view says which packets are of interest to a configuration.
func (d *Daemon) view(cfg *config.Config) pump.View {
	return pump.View{
		Messages: messages.Filter(cfg, d.keys),
		Contacts: d.countsContacts(cfg),
		Closed:   cfg.Detect.Enabled && d.moat.Counts(),
	}
}

// saw returns what the moat must know yet, which may take longer. A filter
// that the kernel has no memory for leaves the one before; the next view, within
// seconds of any change of the host, tries again.
func (d *Daemon) saw(cfg *config.Config, seen pump.Seen) moat.Host {
	if seen.Filter != nil {
		d.problems.Fail("capture", "change the capture filter: "+seen.Filter.Error())
	} else {
		d.problems.Clear("capture")
	}
	return keeper.HostOf(cfg, d.host.Own(), seen.Closed)
}

// runPump runs the pump before everything else that wants the processor.
func (d *Daemon) runPump(ctx context.Context) error {
	if err := pump.RaisePriority(); err != nil {
		d.log.Info("in a flood knocks may be lost where the processor is busy", "error", err)
	}
	return d.pump.Run(ctx)
}

// watchRate samples while very many packets arrive.
func (d *Daemon) watchRate(ctx context.Context) error {
	every := time.NewTicker(time.Second)
	defer every.Stop()
	received, at := uint64(0), time.Now()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-every.C:
			stats, err := d.source.Stats()
			if err != nil {
				continue // watchDrops reports it
			}
			n := stats["knocks"].Received
			if d.pump.Adapt(n-received, now.Sub(at)) {
				d.updateHost(ctx)
			}
			received, at = n, now
		}
	}
}

// lookAround finds out by what doors are open on this host.
func (d *Daemon) lookAround() error { return d.exposure.Look(d.config.Load(), d.host.Own()) }
