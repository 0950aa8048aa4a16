//go:build linux

// Package keeper keeps the moat up to date: with the configuration and its keys, with
// what changes on the host, and with who touches closed ports. The moat is an
// accelerator: what goes wrong with it is reported, and stops nothing.
package keeper

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/gate"
	"sallyport/internal/key"
	"sallyport/internal/moat"
	"sallyport/internal/packet"
	"sallyport/internal/spa"
)

// Keeper keeps the filter in the kernel up to date.
type Keeper struct {
	moat    *moat.Moat // nil where there is none
	log     *slog.Logger
	changed chan struct{} // the policy is another one

	mu      sync.Mutex
	mode    config.MoatMode
	policy  moat.Policy
	opener  *spa.Opener // nil while SPA is off
	port    uint16
	skew    time.Duration
	stun    bool // messages come in STUN
	taken   bool // another program has a socket on the SPA port, who must get what is sent there
	problem string

	covers atomic.Bool // contacts are counted in the kernel
}

// New returns a keeper of what open returns. Without a moat it does nothing.
func New(log *slog.Logger, open func(*slog.Logger) (*moat.Moat, error)) *Keeper {
	k := &Keeper{log: log, changed: make(chan struct{}, 1)}
	m, err := open(log)
	if err != nil {
		k.problem = err.Error()
		log.Info("moat: off", "reason", err)
		return k
	}
	k.moat = m
	return k
}

// Configure takes a new configuration and the server keys of it.
func (k *Keeper) Configure(cfg *config.Config, ring key.Keyring) {
	k.mu.Lock()
	k.mode = cfg.Moat.Mode
	k.policy = moat.Policy{
		Off:        cfg.Moat.Mode == config.MoatOff,
		Native:     cfg.Moat.Mode == config.MoatNative,
		Generic:    cfg.Moat.Mode == config.MoatGeneric,
		Interfaces: cfg.Moat.Interfaces,
	}
	k.port, k.skew, k.stun, k.opener = cfg.SPA.Port, cfg.SPA.ClockSkew, cfg.TakesSTUN(), nil
	if cfg.SPA.Port != 0 && !ring.Current().IsZero() {
		k.opener = spa.NewOpener(ring, cfg.SPA.ClockSkew)
	}
	k.mu.Unlock()
	k.refresh(time.Now())
	select {
	case k.changed <- struct{}{}:
	default:
	}
}

// refresh hands the moat keys of a time, and of the time to come, to the kernel.
func (k *Keeper) refresh(now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.moat == nil {
		return
	}
	keys := moat.Keys{Port: k.port, Skew: k.skew, STUN: k.stun, Rate: gate.OpensPerSecond}
	if k.opener != nil && !k.taken {
		keys.Keys = k.opener.MoatKeys(now.Add(-moat.Margin), now.Add(moat.Ahead+moat.Margin))
	}
	k.note(k.moat.SetKeys(now, keys))
}

// note keeps what went wrong last, and logs it once.
func (k *Keeper) note(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text != k.problem && text != "" {
		k.log.Warn("the moat is not up to date", "error", err)
	}
	k.problem = text
}

// Know takes what has changed about the host.
func (k *Keeper) Know(h moat.Host) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.moat != nil {
		k.note(k.moat.SetHost(h))
	}
}

func (k *Keeper) wanted() moat.Policy {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.policy
}

// Counts reports whether contacts are counted in the kernel. It never blocks.
func (k *Keeper) Counts() bool { return k.covers.Load() }

// look finds out whether contacts are counted in the kernel from now on, and
// reports whether that has changed.
func (k *Keeper) look() bool {
	covers := k.moat.Covers()
	return k.covers.Swap(covers) != covers
}

// occupied finds out whether another program has a socket on the SPA port. Where that is
// in the range of outgoing connections, it can happen to any program.
func (k *Keeper) occupied(listeners []packet.Port) {
	k.mu.Lock()
	defer k.mu.Unlock()
	taken := k.port != 0 && slices.Contains(listeners, packet.Port{Proto: packet.UDP, Number: k.port})
	if taken != k.taken {
		k.log.Info("moat: another program uses the SPA port, and gets all that is sent there", "port", k.port, "is so", taken)
	}
	k.taken = taken
}

// follow follows the interfaces until the context ends. Where they cannot be
// watched, it tries again.
func (k *Keeper) follow(ctx context.Context) {
	for ctx.Err() == nil {
		if err := k.moat.Run(ctx, k.wanted, k.changed); err != nil {
			k.log.Warn("moat", "error", err)
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
		}
	}
}

// Remove detaches the program from all interfaces.
func (k *Keeper) Remove() error {
	if k.moat == nil {
		return nil
	}
	return k.moat.Sync(moat.Policy{Off: true})
}

// Shut releases the program; it stays attached.
func (k *Keeper) Shut() error {
	if k == nil || k.moat == nil {
		return nil
	}
	return k.moat.Close()
}
