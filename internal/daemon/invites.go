//go:build linux

package daemon

import (
	"context"
	"time"

	"sallyport/internal/control"
	"sallyport/internal/daemon/enrol"
	"sallyport/internal/event"
	"sallyport/internal/key"
)

// openEnrolled reads who is enrolled, before the first configuration comes into force.
func (d *Daemon) openEnrolled(stateDir string) {
	d.enrolled = enrol.Open(stateDir, enrol.Around{
		Changing: &d.trial.Changing, InForce: d.config.Load, Bring: d.bringLayers, Answer: d.answer, Put: d.events.Put, Decided: d.events.Decided, Problems: d.problems,
	})
}

// bringLayers puts the layers of enrolled clients and of the fleet into force as they are
// now, over the configuration that is: no trial ends with it, and nothing is read again.
// Changing is held.
func (d *Daemon) bringLayers(ctx context.Context) error {
	from := d.config.Load()
	to := d.over(from)
	seen, err := d.pump.Invites(ctx, to, d.enrolled.List(), d.view(to))
	if err != nil {
		return err // the daemon stops
	}
	d.config.Store(to)
	d.enrolled.Note(to)
	d.fleet.Note(to)
	d.watchman.Configure(to)
	d.moat.Know(d.saw(to, seen))
	d.ledger.EndOrphans(d.actor, to, from, event.ByReload)
	return nil
}

// Invite lets a device enrol itself.
func (d *Daemon) Invite(ctx context.Context, q control.InviteRequest) (control.InviteAnswer, error) {
	var held key.Held
	a, err := d.enrolled.Invite(ctx, q, func() (has bool) {
		held, has = d.keys.Of(key.X25519)
		return has
	})
	if err != nil {
		return a, err
	}
	cfg := d.config.Load()
	a.Issued, a.Port, a.Skew, a.ServerKey = time.Now().Truncate(time.Second), cfg.SPA.Port, control.Duration(cfg.SPA.ClockSkew), held.Current.Public().Text()
	for _, name := range q.Doors {
		one := control.InviteDoor{Name: name}
		if door := cfg.Door(name); door != nil {
			one.Open = control.Duration(door.OpenFor)
		}
		a.Doors = append(a.Doors, one)
	}
	return a, nil
}

// Remove removes a client that has enrolled itself, or takes back its invite.
func (d *Daemon) Remove(ctx context.Context, q control.RemoveRequest) (control.RemoveAnswer, error) {
	return d.enrolled.Remove(ctx, q)
}

// Label writes beside such a client who or what it is.
func (d *Daemon) Label(ctx context.Context, q control.LabelRequest) (control.RemoveAnswer, error) {
	return d.enrolled.Label(ctx, q)
}
