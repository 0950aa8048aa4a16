//go:build linux

package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/control"
	"sallyport/internal/daemon/ban"
	"sallyport/internal/daemon/fleet"
	"sallyport/internal/event"
	"sallyport/internal/fleet/certs"
	"sallyport/internal/fleet/follow"
	"sallyport/internal/fleet/store"
	"sallyport/internal/fleet/store/etcd"
	"sallyport/internal/gate"
	"sallyport/internal/key"
	"sallyport/internal/phrase"
)

// openFleet reads what the gate knows of its fleet, before the first configuration comes
// into force. A gate that stands alone has none.
func (d *Daemon) openFleet(cfg *config.Config) {
	d.fleet = fleet.Open(cfg, fleet.Around{
		Changing: &d.trial.Changing, InForce: d.config.Load, Bring: d.bringLayers, End: d.endFor, Put: d.events.Put, Decided: d.events.Decided, Give: d.giveElsewhere, Problems: d.problems, Live: d.live,
		Follow: func(now time.Time, e ban.Elsewhere) error { return d.bans.Follow(now, e) }, Unfollow: func(now time.Time, e ban.Elsewhere) error { return d.bans.Unfollow(now, e) },
		Keys: func() key.Keyring { return d.keys }, Open: d.system.fleet, Version: d.opts.Version,
	})
}

// live returns what is open, as the book has it.
func (d *Daemon) live(context.Context) []event.Grant { return d.book.Live(time.Now()) }

// reachFleet connects to the etcd of a fleet. The certificates are read each time, so that
// those count that have been renewed.
func reachFleet(f config.Fleet) (store.Store, []certs.Cert, error) {
	conf, list, err := certs.Load(certs.Files{CA: f.CA, Cert: f.Cert, Key: f.Key})
	if err != nil {
		return nil, list, err
	}
	s, err := etcd.Open(etcd.Options{Endpoints: f.Endpoints, TLS: conf})
	if err != nil {
		return nil, list, err
	}
	return s, list, nil
}

// over returns a configuration with the layers over it: the clients that have enrolled
// themselves here, and then those of the fleet, so that what is here wins.
func (d *Daemon) over(cfg *config.Config) *config.Config {
	return d.fleet.Over(d.enrolled.Over(d.fleet.Under(cfg)))
}

// prepareFleet takes a configuration into account.
func (d *Daemon) prepareFleet(_ context.Context, c *change) (step, error) {
	return step{commit: func() {
		d.fleet.Rekey()
		d.fleet.Note(c.to)
	}}, nil
}

// fixedFleet keeps where etcd is, and what this gate is called there.
func (d *Daemon) fixedFleet(old, cfg *config.Config) (waiting []string) {
	if old.Fleet.On() != cfg.Fleet.On() || old.Fleet.CA != cfg.Fleet.CA || old.Fleet.Cert != cfg.Fleet.Cert || old.Fleet.Key != cfg.Fleet.Key || old.Fleet.Address != cfg.Fleet.Address || !slices.Equal(old.Fleet.Endpoints, cfg.Fleet.Endpoints) {
		waiting = append(waiting, "[fleet]")
	}
	cfg.Fleet = old.Fleet
	return waiting
}

// runFleet follows the fleet, where there is one.
func (d *Daemon) runFleet(ctx context.Context) error {
	if d.fleet == nil {
		<-ctx.Done()
		return nil
	}
	return d.fleet.Run(ctx)
}

// endFor ends grants because the fleet says so, and, where they are to be cut, the
// connections that they have let in. To look for these first would keep the door open for
// as long as the kernel takes to list all that it tracks; what has begun just now is known
// by the grant for a while after its end.
func (d *Daemon) endFor(why event.Reason, cut bool, match func(event.Grant) bool) {
	_, _ = d.actor.Revoke(time.Now(), why, match) // a failure is an event already, and is tried again
	if cut {
		d.sessions.Order(func(o event.Owner) bool {
			return match(event.Grant{Client: o.Client, Holder: o.Holder, Message: o.Message})
		})
	}
}

// takenWithin is how long the answer to a revocation waits for etcd.
const takenWithin = 2 * time.Second

// Revoke ends grants, and keeps a client of the fleet out everywhere if that is asked.
func (d *Daemon) Revoke(ctx context.Context, q control.RevokeRequest) (control.RevokeAnswer, error) {
	if !q.Fleet {
		return d.Operator.Revoke(ctx, q)
	}
	switch {
	case !control.RightsOf(ctx).Has(control.Act): // to end grants is less than to keep a client out
		return control.RevokeAnswer{}, &control.Error{Text: "the token for ending grants keeps nobody out of a fleet", Remedy: "use one with the right act"}
	case q.Client == "" || q.Door != "" || q.Source.IsValid() || q.All:
		return control.RevokeAnswer{}, control.Wrong("name a client, and nothing else", "a fleet keeps out clients")
	case !d.fleet.Knows(q.Client):
		return control.RevokeAnswer{}, control.Wrong("sallyport fleet status names its gates; a client of this gate alone is revoked without the fleet", "there is no client %q in a fleet that this gate knows", q.Client)
	}
	q.Cut = true
	answer, err := d.Operator.Revoke(ctx, q)
	if wrong := (*control.Error)(nil); errors.As(err, &wrong) { // it does not knock here
		answer, err = control.RevokeAnswer{Grants: []event.Grant{}}, nil
	}
	if problem := d.fleet.Revoke(ctx, q.Client, control.Asker(ctx)); problem != nil {
		return answer, errors.Join(err, &control.Error{Text: problem.Error(), Remedy: "an operator can revoke the client in the roll"})
	}
	answer.Waiting = !d.fleet.Taken(ctx, takenWithin)
	return answer, err
}

// Ban keeps a source out, at all gates if that is asked.
func (d *Daemon) Ban(ctx context.Context, q control.BanRequest) (event.Ban, error) {
	if !q.Fleet {
		return d.Operator.Ban(ctx, q)
	}
	if err := d.forFleet(); err != nil {
		return event.Ban{}, err
	}
	if q.For == 0 {
		q.For = control.Duration(min(d.config.Load().Ban.For, follow.LongestBan))
	}
	if time.Duration(q.For) > follow.LongestBan {
		return event.Ban{}, control.Wrong("ban for less, or at this gate alone", "a fleet bans for %s at most", phrase.Duration(follow.LongestBan))
	}
	b, err := d.Operator.Ban(ctx, q)
	if err == nil {
		err = unheard(d.fleet.Ban(ctx, b.Source, b.Until, "ordered by "+control.Asker(ctx)))
	}
	return b, err
}

// Unban ends a ban, at all gates if that is asked.
func (d *Daemon) Unban(ctx context.Context, q control.UnbanRequest) (struct{}, error) {
	if !q.Fleet {
		return d.Operator.Unban(ctx, q)
	}
	if err := d.forFleet(); err != nil {
		return struct{}{}, err
	}
	source := q.Source.Unmap()
	if !source.IsValid() {
		return struct{}{}, control.Wrong("give an address", "%q is no source", q.Source)
	}
	was, err := d.bans.Lift(time.Now(), control.Asker(ctx), source)
	if err != nil {
		return struct{}{}, err
	}
	n, err := d.fleet.Unban(ctx, source, "ordered by "+control.Asker(ctx))
	if err == nil && n == 0 && !was {
		err = &control.Error{Text: fmt.Sprintf("%s is not banned", source), Remedy: "sallyport ban list shows who is"}
	}
	return struct{}{}, unheard(err)
}

// forFleet refuses what is for all gates, where there is no fleet.
func (d *Daemon) forFleet() error {
	if d.fleet == nil {
		return control.Wrong("sallyport fleet join makes it one of a fleet", "this gate belongs to no fleet")
	}
	return nil
}

// unheard says what there is to do about what the other gates have not heard.
func unheard(err error) error {
	if fleet.Unheard(err) {
		return &control.Error{Text: "it holds here, and " + err.Error(), Remedy: "once etcd is back, say it again"}
	}
	return err
}

// giveElsewhere gives what another gate of the fleet has given. The gate counts it from
// now on.
func (d *Daemon) giveElsewhere(now time.Time, g event.Grant, decision gate.Decision) {
	opened, err := d.actor.Open(now, g, decision)
	if err != nil {
		return // which is an event
	}
	ctx, stop := context.WithTimeout(context.Background(), endedPatience)
	defer stop()
	_ = d.pump.Began(ctx, []event.Grant{opened})
}
