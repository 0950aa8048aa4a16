//go:build linux

package daemon

import (
	"context"
	"slices"
	"sync"
	"time"

	"sallyport/internal/config"
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
	var changed moat.Host
	err := d.pump.do(ctx, func() {
		d.pump.gate.SetHost(d.host.gate())
		changed = d.look(d.config.Load())
	})
	if err == nil {
		d.moat.tell(changed)
	}
}

// look tells the capture, and whoever counts contacts, which packets are of
// interest now. It runs on the pump's goroutine, or before there is one, and
// returns what remains to be told to the moat, which may take longer. A filter
// that the kernel has no memory for leaves the one before; the next look, within
// seconds of any change of the host, tries again.
func (d *Daemon) look(cfg *config.Config) moat.Host {
	if err := d.source.SetFilter(d.filter(d.pump.gate, cfg, d.keys)); err != nil {
		d.failed("capture", "change the capture filter: "+err.Error())
	} else {
		d.problems.clear("capture")
	}
	d.countContacts(cfg)
	return d.moatHost(d.pump.gate, cfg)
}
