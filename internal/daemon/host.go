//go:build linux

package daemon

import (
	"context"
	"slices"
	"sync"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/daemon/messages"
	"sallyport/internal/daemon/pump"
	"sallyport/internal/gate"
	"sallyport/internal/moat"
	"sallyport/internal/netstate"
	"sallyport/internal/packet"
)

// listenersEvery is how often the listening ports are read: the kernel tells
// nobody when a socket begins to listen.
const listenersEvery = 5 * time.Second

// host is what the daemon knows about the machine.
type host struct {
	mu        sync.Mutex
	addresses netstate.Own
	listeners []packet.Port
	ephemeral [2]uint16
}

// read learns everything for the first time.
func (h *host) read() error {
	addresses, err := netstate.Addresses()
	if err != nil {
		return err
	}
	first, last, err := netstate.EphemeralRange()
	if err != nil {
		return err
	}
	h.addresses, h.ephemeral = addresses, [2]uint16{first, last}
	h.listeners, err = h.listening()
	return err
}

// listening returns the listening ports that matter: a UDP socket on an
// ephemeral port waits for replies, and there are new ones all the time.
func (h *host) listening() ([]packet.Port, error) {
	all, err := netstate.Listeners()
	return slices.DeleteFunc(all, func(p packet.Port) bool {
		return p.Proto == packet.UDP && h.ephemeral[0] <= p.Number && p.Number <= h.ephemeral[1]
	}), err
}

// own returns the host's addresses.
func (h *host) own() netstate.Own {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.addresses
}

// gate returns what the gate must know.
func (h *host) gate() gate.Host {
	h.mu.Lock()
	defer h.mu.Unlock()
	return gate.Host{Addresses: slices.Clone(h.addresses.Addresses), Prefixes: slices.Clone(h.addresses.Prefixes), Listeners: slices.Clone(h.listeners), Ephemeral: h.ephemeral}
}

// watchAddresses keeps the gate's view of the host's own addresses current.
func (d *Daemon) watchAddresses(ctx context.Context) error {
	err := netstate.WatchAddresses(ctx, func(addresses netstate.Own) {
		d.host.mu.Lock()
		d.host.addresses = addresses
		d.host.mu.Unlock()
		d.updateHost(ctx)
	})
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// watchListeners keeps the gate's view of listening ports current: contacts
// with them are no knocks. A failure leaves the last view in place.
func (d *Daemon) watchListeners(ctx context.Context) error {
	every := time.NewTicker(listenersEvery)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-every.C:
		}
		listeners, err := d.host.listening()
		if err != nil {
			d.log.Warn("the view of listening ports is out of date", "error", err)
			continue
		}
		d.host.mu.Lock()
		changed := !slices.Equal(d.host.listeners, listeners)
		d.host.listeners = listeners
		d.host.mu.Unlock()
		if changed {
			d.updateHost(ctx)
		}
	}
}

// updateHost tells the gate and the capture filter what has changed.
func (d *Daemon) updateHost(ctx context.Context) {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	cfg := d.config.Load()
	if seen, err := d.pump.SetHost(ctx, d.host.gate(), d.view(cfg)); err == nil {
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

// saw returns what remains to be told to the moat, which may take longer. A filter
// that the kernel has no memory for leaves the one before; the next view, within
// seconds of any change of the host, tries again.
func (d *Daemon) saw(cfg *config.Config, seen pump.Seen) moat.Host {
	if seen.Filter != nil {
		d.problems.Fail("capture", "change the capture filter: "+seen.Filter.Error())
	} else {
		d.problems.Clear("capture")
	}
	return d.moatHost(cfg, seen.Closed)
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
