//go:build linux

package daemon

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/control"
	"sallyport/internal/daemon/host"
	"sallyport/internal/daemon/pump"
	"sallyport/internal/event"
	"sallyport/internal/moat"
	"sallyport/internal/netstate"
	"sallyport/internal/packet"
)

// watchMoat keeps the moat until the context ends.
func (d *Daemon) watchMoat(ctx context.Context) error {
	if d.moat.Moat == nil {
		return nil
	}
	var following sync.WaitGroup
	following.Go(func() { d.moat.Follow(ctx) })
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
					d.moat.Occupied(listeners)
				}
			}
			d.moat.Refresh(now)
			d.passContacts(now)
			if d.moat.Look() {
				d.updateHost(ctx)
			}
		}
	}
}

// passContacts passes on who has touched closed ports in the last second.
func (d *Daemon) passContacts(now time.Time) {
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
	own := d.host.Own()
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

// moatStatus shows how the interfaces are guarded.
func (d *Daemon) moatStatus() control.Moat {
	k := d.moat
	is := k.State()
	s := control.Moat{Mode: string(is.Mode), Problem: is.Problem, Contacts: is.Counts, Interfaces: []control.MoatInterface{}}
	if !is.There {
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
