//go:build linux

package keeper

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/control"
	"sallyport/internal/daemon/contacts"
	"sallyport/internal/daemon/host"
	"sallyport/internal/event"
	"sallyport/internal/moat"
	"sallyport/internal/netstate"
	"sallyport/internal/packet"
)

// Run keeps the moat until the context ends. Put takes who touches closed ports;
// changed is called when it is counted elsewhere from now on.
func (k *Keeper) Run(ctx context.Context, put func(event.Event), changed func(context.Context)) error {
	if k.moat == nil {
		return nil
	}
	var following sync.WaitGroup
	following.Go(func() { k.follow(ctx) })
	defer following.Wait()
	every := time.NewTicker(time.Second)
	defer every.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case now := <-every.C:
			if n%int(host.ListenersEvery/time.Second) == 0 {
				if listeners, err := netstate.Listeners(); err == nil { // else the last view stays
					k.occupied(listeners)
				}
			}
			k.refresh(now)
			k.passContacts(now, put)
			if k.look() {
				changed(ctx)
			}
		}
	}
}

// passContacts passes on who has touched closed ports in the last second.
func (k *Keeper) passContacts(now time.Time, put func(event.Event)) {
	list, rest, err := k.moat.Contacts(now, contacts.Most)
	if err != nil {
		k.log.Warn("contacts with closed ports are not counted", "error", err)
		return
	}
	for _, c := range list {
		put(contacts.Of(c.Source, c.Contacts))
	}
	if rest.Packets > 0 {
		put(contacts.Rest(rest))
	}
}

// HostOf is what the moat must know about a host with these addresses. Closed is nil
// if it does not count contacts.
func HostOf(cfg *config.Config, own netstate.Own, closed func(packet.Port) bool) moat.Host {
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

// Status shows how the interfaces are guarded.
func (k *Keeper) Status() control.Moat {
	k.mu.Lock()
	s := control.Moat{Mode: string(k.mode), Problem: k.problem, Contacts: k.Counts(), Interfaces: []control.MoatInterface{}}
	if k.taken && s.Problem == "" {
		s.Problem = fmt.Sprintf("a program has a socket on udp/%d: nothing is dropped", k.port)
	}
	k.mu.Unlock()
	if k.moat == nil {
		return s
	}
	for _, a := range k.moat.Attachments() {
		s.Interfaces = append(s.Interfaces, control.MoatInterface{Name: a.Interface, Mode: a.Mode, Reason: a.Reason, Pinned: a.Pinned})
	}
	c, err := k.moat.Counters()
	if err != nil {
		s.Problem = err.Error()
	}
	s.Dropped = map[event.Reason]uint64{event.BadTag: c.WrongTag, event.OverBudget: c.OverBudget}
	s.Passed = map[string]uint64{"tagged": c.Tagged, "sampled": c.Sampled, "unchecked": c.Unchecked}
	return s
}
