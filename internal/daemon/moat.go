//go:build linux

package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/control"
	"sallyport/internal/daemon/pump"
	"sallyport/internal/event"
	"sallyport/internal/gate"
	"sallyport/internal/key"
	"sallyport/internal/moat"
	"sallyport/internal/netstate"
	"sallyport/internal/packet"
	"sallyport/internal/spa"
)

// keeper keeps the filter in the kernel up to date. It is an accelerator:
// whatever goes wrong with it is told, and stops nothing.
type keeper struct {
	*moat.Moat // nil where there is none
	log        *slog.Logger
	changed    chan struct{} // the policy is another one

	mu      sync.Mutex
	mode    config.MoatMode
	policy  moat.Policy
	opener  *spa.Opener // nil while SPA is off
	port    uint16
	skew    time.Duration
	taken   bool // somebody has a socket on the SPA port, who must get what is sent there
	problem string

	covers atomic.Bool // contacts are counted in the kernel
}

func newKeeper(log *slog.Logger, open func(*slog.Logger) (*moat.Moat, error)) *keeper {
	k := &keeper{log: log, changed: make(chan struct{}, 1)}
	m, err := open(log)
	if err != nil {
		k.problem = err.Error()
		log.Info("moat: off", "reason", err)
		return k
	}
	k.Moat = m
	return k
}

// configure takes a new configuration and the server keys of it.
func (k *keeper) configure(cfg *config.Config, ring key.Keyring) {
	k.mu.Lock()
	k.mode = cfg.Moat.Mode
	k.policy = moat.Policy{
		Off:        cfg.Moat.Mode == config.MoatOff,
		Native:     cfg.Moat.Mode == config.MoatNative,
		Generic:    cfg.Moat.Mode == config.MoatGeneric,
		Interfaces: cfg.Moat.Interfaces,
	}
	k.port, k.skew, k.opener = cfg.SPA.Port, cfg.SPA.ClockSkew, nil
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
func (k *keeper) refresh(now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.Moat == nil {
		return
	}
	keys := moat.Keys{Port: k.port, Skew: k.skew, Rate: gate.OpensPerSecond}
	if k.opener != nil && !k.taken {
		keys.Keys = k.opener.MoatKeys(now.Add(-moat.Margin), now.Add(moat.Ahead+moat.Margin))
	}
	k.note(k.SetKeys(now, keys))
}

// note keeps what went wrong last, and logs it once.
func (k *keeper) note(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text != k.problem && text != "" {
		k.log.Warn("the moat is not up to date", "error", err)
	}
	k.problem = text
}

// tell hands over what has changed about the host.
func (k *keeper) tell(h moat.Host) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.Moat != nil {
		k.note(k.SetHost(h))
	}
}

func (k *keeper) wanted() moat.Policy {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.policy
}

// counts tells whether contacts are counted in the kernel. It never blocks.
func (k *keeper) counts() bool { return k.covers.Load() }

// look finds out whether contacts are counted in the kernel from now on, and
// tells whether that has changed.
func (k *keeper) look() bool {
	covers := k.Covers()
	return k.covers.Swap(covers) != covers
}

// occupied looks whether somebody has a socket on the SPA port. Where that is
// in the range of outgoing connections, it can happen to any program.
func (k *keeper) occupied() {
	listeners, err := netstate.Listeners()
	if err != nil {
		return // the last view stays
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	taken := k.port != 0 && slices.Contains(listeners, packet.Port{Proto: packet.UDP, Number: k.port})
	if taken != k.taken {
		k.log.Info("moat: somebody else uses the SPA port, and gets all that is sent there", "port", k.port, "is so", taken)
	}
	k.taken = taken
}

// run follows the interfaces until the context ends. Where they cannot be
// watched, it tries again.
func (k *keeper) run(ctx context.Context) {
	for ctx.Err() == nil {
		if err := k.Run(ctx, k.wanted, k.changed); err != nil {
			k.log.Warn("moat", "error", err)
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
		}
	}
}

// watchMoat keeps the moat until the context ends.
func (d *Daemon) watchMoat(ctx context.Context) error {
	if d.moat.Moat == nil {
		return nil
	}
	var following sync.WaitGroup
	following.Go(func() { d.moat.run(ctx) })
	defer following.Wait()
	every := time.NewTicker(time.Second)
	defer every.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case now := <-every.C:
			if n%int(listenersEvery/time.Second) == 0 {
				d.moat.occupied()
			}
			d.moat.refresh(now)
			d.tellContacts(now)
			if d.moat.look() {
				d.updateHost(ctx)
			}
		}
	}
}

// tellContacts passes on who has touched closed ports in the last second.
func (d *Daemon) tellContacts(now time.Time) {
	list, rest, err := d.moat.Contacts(now, pump.MaxContacts)
	if err != nil {
		d.log.Warn("contacts with closed ports are not counted", "error", err)
		return
	}
	for _, c := range list {
		d.events.PutUnauthenticated(pump.ContactsOf(c.Source, c.Contacts))
	}
	if rest.Packets > 0 {
		d.events.PutUnauthenticated(pump.RestOf(rest))
	}
}

// moatHost is what the moat must know about the host. Closed is nil if it does not
// count contacts.
func (d *Daemon) moatHost(cfg *config.Config, closed func(packet.Port) bool) moat.Host {
	own := d.host.own()
	h := moat.Host{
		Own:    own.Addresses,
		To:     slices.Clone(own.Prefixes),
		Silent: cfg.Gate.Policy == config.PolicyAll && cfg.Gate.Closed == config.ClosedDrop,
		Closed: closed,
	}
	for _, door := range cfg.Doors {
		h.To = append(h.To, door.To...)
	}
	slices.SortFunc(h.To, netip.Prefix.Compare)
	h.To = slices.Compact(h.To)
	return h
}

// status tells how the interfaces are guarded.
func (k *keeper) status() control.Moat {
	k.mu.Lock()
	s := control.Moat{Mode: string(k.mode), Problem: k.problem, Contacts: k.counts(), Interfaces: []control.MoatInterface{}}
	if k.taken && k.problem == "" {
		s.Problem = fmt.Sprintf("somebody has a socket on udp/%d: nothing is dropped", k.port)
	}
	k.mu.Unlock()
	if k.Moat == nil {
		return s
	}
	for _, a := range k.Attachments() {
		s.Interfaces = append(s.Interfaces, control.MoatInterface{Name: a.Interface, Mode: a.Mode, Reason: a.Reason, Pinned: a.Pinned})
	}
	c, err := k.Counters()
	if err != nil {
		s.Problem = err.Error()
	}
	s.Dropped = map[event.Reason]uint64{event.BadTag: c.WrongTag, event.OverBudget: c.OverBudget}
	s.Passed = map[string]uint64{"tagged": c.Tagged, "sampled": c.Sampled, "unchecked": c.Unchecked}
	return s
}

// remove detaches the program from all interfaces.
func (k *keeper) remove() error {
	if k.Moat == nil {
		return nil
	}
	return k.Sync(moat.Policy{Off: true})
}

func (k *keeper) close() error {
	if k == nil || k.Moat == nil {
		return nil
	}
	return k.Close()
}
