//go:build linux

package daemon

import (
	"context"
	"fmt"
	"slices"
	"time"

	"sallyport/internal/event"
	"sallyport/internal/phrase"
)

// watchFirewall puts the table back when another program has removed or
// changed it.
func (d *Daemon) watchFirewall(ctx context.Context) error {
	return d.firewall.Watch(ctx, func() {
		if err := d.repair(); err != nil {
			d.events.Put(event.Event{Time: time.Now(), Kind: event.KindFailure, Detail: "the firewall table was changed and could not be put back: " + err.Error()})
		}
	})
}

// repair restores rules and lasting grants. A single grant may have been used
// up; if it is gone it is not given a second time.
func (d *Daemon) repair() error {
	d.trial.Changing.Lock()
	defer d.trial.Changing.Unlock()
	if d.isDown() {
		return nil
	}
	now := time.Now()
	present, err := d.firewall.Present()
	if err != nil {
		return err
	}
	if err := d.trial.Install(d.config.Load()); err != nil {
		return err
	}
	ev := event.Event{Time: now, Kind: event.KindRepair, Detail: "another program changed the firewall table"}
	if !present {
		gone := d.book.Forget(func(g event.Grant) bool { return g.Single }, now)
		ev.Detail = "another program had removed the firewall table; " + phrase.Count(len(gone), "single grant") + " ended"
	}
	kept := slices.DeleteFunc(d.book.Elements(now), func(g event.Grant) bool { return g.Single })
	if err := d.firewall.GrantAll(kept, now); err != nil {
		return err
	}
	if err := d.bans.Restore(now); err != nil {
		return err
	}
	ev.Detail += "; put back, with " + phrase.Count(len(kept), "grant")
	if !present {
		if n := d.sessions.Expel(d.config.Load()); n > 0 {
			ev.Detail += fmt.Sprintf("; %s cut that had begun without it", phrase.Count(n, "connection"))
		}
	}
	d.problems.Note("firewall", ev.Detail+" at "+now.Format(time.DateTime))
	d.events.Put(ev)
	return nil
}
