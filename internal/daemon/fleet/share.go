//go:build linux

package fleet

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/event"
	"sallyport/internal/fleet/follow"
	"sallyport/internal/fleet/record"
	"sallyport/internal/fleet/roll"
	"sallyport/internal/fleet/store"
	"sallyport/internal/gate"
)

const (
	maxSharing = 1024             // grants that wait for etcd
	shareFor   = 10 * time.Minute // a record lasts, for gates that are slow; read later, it gives nothing
)

// Sharing returns what takes grants for other gates; nil: nothing does.
func (f *Fleet) Sharing() func(gate.Decision, []event.Grant) {
	if f == nil {
		return nil
	}
	return f.Share
}

// Share has the other gates of a door's group hear what was given here. It does not wait.
func (f *Fleet) Share(d gate.Decision, given []event.Grant) {
	cfg := f.InForce()
	for _, g := range given {
		door := cfg.Door(g.Door)
		if door == nil || door.Shared == "" || g.Single || !d.Bound && !door.SharedUnbound {
			continue
		}
		r := record.Grant{Client: g.Client, Door: g.Door, Source: g.Source, At: time.Now(), Until: g.Until, Message: string(d.Carried)}
		_, _ = rand.Read(r.ID[:]) // never fails
		select {
		case f.sharing <- r:
		default:
			f.Put(event.Event{Time: time.Now(), Kind: event.KindOverload, Source: g.Source, Door: g.Door, Client: g.Client, Detail: "too many grants are waiting for etcd: the other gates do not hear of this one"})
		}
	}
}

// shares writes what is to be shared, under a lease that ends by itself.
func (f *Fleet) shares(ctx context.Context, s store.Store) error {
	var lease store.Lease
	var made time.Time
	for {
		var r record.Grant
		select {
		case <-ctx.Done():
			return nil
		case r = <-f.sharing:
		}
		var err error
		if lease == 0 || time.Since(made) > shareFor/2 {
			made = time.Now()
			lease, err = s.Lease(ctx, shareFor)
		}
		if err == nil {
			err = f.share(ctx, s, lease, r)
		}
		if errors.Is(err, store.ErrNoLease) {
			lease = 0
		}
		if err != nil && ctx.Err() == nil { // the client knocks there, too
			f.Put(event.Event{Time: time.Now(), Kind: event.KindFailure, Source: r.Source, Door: r.Door, Client: r.Client, Detail: "the other gates do not hear of this grant: " + err.Error()})
		}
	}
}

func (f *Fleet) share(ctx context.Context, s store.Store, lease store.Lease, r record.Grant) error {
	var fleet roll.Hash
	f.look(func(v *follow.View) { fleet = v.Roll.Fleet })
	at := record.GrantedKey(f.gate, r.ID)
	_, err := s.Commit(ctx, nil, []store.Write{{Key: at, Value: record.Sign(f.signs(), fleet, at, r), Lease: lease}})
	return err
}

// heardGrant is a grant of another gate, and that gate.
type heardGrant struct {
	record.Grant
	by roll.Gate
}

// together reports whether a gate of the roll and this one open a door together. It holds
// mu.
func (f *Fleet) together(by roll.Gate, door *config.Door) bool {
	self, ok := f.view.Self()
	return ok && by.Name != f.gate && slices.Contains(self.Groups, door.Shared) && slices.Contains(by.Groups, door.Shared)
}

// give gives what another gate has given, if this one would have given it, too.
func (f *Fleet) give(h heardGrant) {
	cfg, at := f.InForce(), time.Now()
	door := cfg.Door(h.Door)
	if door == nil || door.Shared == "" {
		return
	}
	f.mu.Lock()
	together := f.together(h.by, door)
	f.mu.Unlock()
	if !together {
		return // a gate that says what it may not say
	}
	d := gate.Decision{Source: h.Source, Client: h.Client, Door: h.Door, Detail: "knocked at gate " + h.by.Name, Carried: []byte(h.Message), Grants: []event.Grant{{Until: h.Until}}}
	d = d.Here(cfg, h.by.Server, at)
	switch {
	case d.Kind == event.KindGrant:
		f.Give(at, d.Grants[0], d) // what is wrong with it is an event
	case d.Reason != event.StaleTime: // what was read long after is no news
		f.Decided(at, d)
	}
}
