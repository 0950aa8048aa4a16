//go:build linux

package daemon

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/event"
)

// restore reads back the grants that were in force before this start. It runs
// beside the gate: the kernel enforces them in any case, and takes seconds to
// list a hundred thousand. A failure leaves them to the kernel, which ends them
// in time.
func (d *Daemon) restore(ctx context.Context) error {
	defer close(d.restored)
	now := time.Now()
	grants, err := d.firewall.Grants(now)
	if err != nil {
		d.events.Put(event.Event{Time: now, Kind: event.KindFailure, Detail: "read back the grants in force: " + err.Error()})
		return nil
	}
	ended, err := d.book.Restore(grants, now)
	d.sessions.Reread(now) // before any of them ends: who has come by it would not be known
	_ = d.pump.Began(ctx, d.book.Live(now)) // fails at the end only
	d.actor.Report(now, event.KindRevocation, event.ByOperator, ended)
	d.endOrphans(d.config.Load(), nil, event.ByReload) // the configuration may have changed while we were away
	d.actor.FailedToEnd(now, "", err)
	d.actor.Wake()
	if n := len(grants) - len(ended); n > 0 {
		d.events.Put(event.Event{Time: time.Now(), Kind: event.KindStart, Detail: fmt.Sprintf("%d grants of an earlier time go on", n)})
	}
	return nil
}

const (
	// kernelLists is how many grants the kernel lists at once: what that takes
	// grows with the square of their number.
	kernelLists = 20_000
	// restorePatience is how long somebody who asks for the grants waits until
	// those of an earlier time are in the book.
	restorePatience = 3 * time.Second
)

// grants returns the grants in force, one for each owner: of those in the book the
// ones that the kernel has, and what else it has. Of so many that it would take long
// to list them, it returns what the book has: with single ones that have been used.
// While those of an earlier time are missing, all is false.
func (d *Daemon) grants(ctx context.Context, now time.Time) (list []event.Grant, all bool, err error) {
	d.noteOwners()
	select {
	case <-d.restored:
		all = true
	case <-ctx.Done():
	case <-time.After(restorePatience):
	}
	if list = d.book.Live(now); !all || len(list) > kernelLists {
		return list, all, nil
	}
	elements, err := d.firewall.Grants(now)
	return inForce(list, elements), all, err
}

// inForce returns what the kernel has, as the book knows it: the kernel does not
// know who asked for a grant to a prefix, nor all whose a grant is.
func inForce(book, kernel []event.Grant) []event.Grant {
	type element struct {
		door   string
		from   netip.Prefix
		single bool
	}
	of := func(g event.Grant) element { return element{g.Door, g.From(), g.Single} }
	has := make(map[element]bool, len(kernel)) // true: the book knows it
	for _, g := range kernel {
		has[of(g)] = false
	}
	var list []event.Grant
	for _, g := range book {
		if _, there := has[of(g)]; there {
			has[of(g)] = true
			list = append(list, g)
		}
	}
	for _, g := range kernel {
		if !has[of(g)] {
			list = append(list, g)
		}
	}
	return list
}

// noteOwners reports that owners are not kept for the next start.
func (d *Daemon) noteOwners() {
	for subject, err := range map[string]error{"owners": d.book.Problem(), "sessions": d.sessions.Problem()} {
		if err != nil {
			d.problems.Note(subject, err.Error()+": after a restart, ending the grants of one ends those of others too")
		}
	}
}

// undone notes what the firewall has failed to end, until nothing is left.
func (d *Daemon) undone(err error) {
	if err == nil {
		d.problems.Clear("revocations")
		return
	}
	d.problems.Note("revocations", "grants that were to end are still in force: "+err.Error()+"; this is tried again until it is done")
}

// endedPatience is how long the end of a grant may wait for the gate. Without
// it, the gate counts the grant until its time is over.
const endedPatience = time.Second

// ended informs the gate which grants have ended before their time.
func (d *Daemon) ended(grants []event.Grant) {
	cfg := d.config.Load()
	counted := slices.ContainsFunc(cfg.Clients, func(c config.Client) bool {
		return c.Most != 0 && slices.ContainsFunc(grants, func(g event.Grant) bool { return g.Client == c.Name })
	})
	if !counted {
		return
	}
	ctx, stop := context.WithTimeout(context.Background(), endedPatience)
	defer stop()
	_ = d.pump.Ended(ctx, grants)
}
