//go:build linux

// Package host is what the daemon knows about its machine: addresses, listening ports,
// and what leads to doors from around them. None of it is the daemon's, and other
// programs change it, so it looks again and again.
package host

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"sallyport/internal/gate"
	"sallyport/internal/netstate"
	"sallyport/internal/packet"
)

// ListenersEvery is how often the listening ports are read: the kernel tells
// nobody when a socket begins to listen.
const ListenersEvery = 5 * time.Second

// Facts are what the gate must know of the machine.
type Facts struct {
	Addresses netstate.Own
	Listeners []packet.Port // that matter, see listening
	Ephemeral [2]uint16     // the first and the last port of outgoing connections
}

// Read learns everything for the first time.
func Read() (Facts, error) {
	addresses, err := netstate.Addresses()
	if err != nil {
		return Facts{}, err
	}
	first, last, err := netstate.EphemeralRange()
	if err != nil {
		return Facts{}, err
	}
	f := Facts{Addresses: addresses, Ephemeral: [2]uint16{first, last}}
	f.Listeners, err = f.listening()
	return f, err
}

// listening returns the listening ports that matter: a UDP socket on an
// ephemeral port waits for replies, and there are new ones all the time.
func (f *Facts) listening() ([]packet.Port, error) {
	all, err := netstate.Listeners()
	return slices.DeleteFunc(all, func(p packet.Port) bool {
		return p.Proto == packet.UDP && f.Ephemeral[0] <= p.Number && p.Number <= f.Ephemeral[1]
	}), err
}

// Host is the machine as it was seen last. Its methods may be called by several
// goroutines at once.
type Host struct {
	mu    sync.Mutex
	facts Facts
}

// Set takes the first view of the machine.
func (h *Host) Set(f Facts) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.facts = f
}

// Own returns the host's addresses.
func (h *Host) Own() netstate.Own {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.facts.Addresses
}

// Gate returns what the gate must know.
func (h *Host) Gate() gate.Host {
	h.mu.Lock()
	defer h.mu.Unlock()
	return gate.Host{Addresses: slices.Clone(h.facts.Addresses.Addresses), Prefixes: slices.Clone(h.facts.Addresses.Prefixes), Listeners: slices.Clone(h.facts.Listeners), Ephemeral: h.facts.Ephemeral}
}

// WatchAddresses keeps the view of the machine's own addresses current until the
// context ends. Changed is called after each change.
func (h *Host) WatchAddresses(ctx context.Context, changed func(context.Context)) error {
	err := netstate.WatchAddresses(ctx, func(addresses netstate.Own) {
		h.mu.Lock()
		h.facts.Addresses = addresses
		h.mu.Unlock()
		changed(ctx)
	})
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// WatchListeners keeps the view of listening ports current until the context ends:
// contacts with them are no knocks. A failure leaves the last view in place.
func (h *Host) WatchListeners(ctx context.Context, log *slog.Logger, changed func(context.Context)) error {
	every := time.NewTicker(ListenersEvery)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-every.C:
		}
		listeners, err := h.facts.listening() // by what never changes
		if err != nil {
			log.Warn("the view of listening ports is out of date", "error", err)
			continue
		}
		h.mu.Lock()
		another := !slices.Equal(h.facts.Listeners, listeners)
		h.facts.Listeners = listeners
		h.mu.Unlock()
		if another {
			changed(ctx)
		}
	}
}
