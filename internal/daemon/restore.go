//go:build linux

package daemon

import (
	"context"
	"fmt"
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
		d.events.put(event.Event{Time: now, Kind: event.KindFailure, Detail: "read back the grants in force: " + err.Error()})
		return nil
	}
	ended, err := d.book.Restore(grants, now)
	d.began(ctx, d.book.Live(now))
	d.actor.tell(now, event.KindRevocation, event.ByOperator, ended)
	d.endOrphans(d.config.Load(), event.ByReload) // the configuration may have changed while we were away
	if err != nil {
		d.events.put(event.Event{Time: now, Kind: event.KindFailure, Detail: "restore grants: " + err.Error()})
	}
	d.actor.rouse()
	if n := len(grants) - len(ended); n > 0 {
		d.events.put(event.Event{Time: time.Now(), Kind: event.KindStart, Detail: fmt.Sprintf("%d grants of an earlier time go on", n)})
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

// grants returns the grants in force as the kernel has them, or, of so many that
// it would take long to list them, as the book has them: with single ones that
// have been used. While those of an earlier time are missing, all is false.
func (d *Daemon) grants(ctx context.Context, now time.Time) (list []event.Grant, all bool, err error) {
	select {
	case <-d.restored:
		all = true
	case <-ctx.Done():
	case <-time.After(restorePatience):
	}
	if list = d.book.Live(now); !all || len(list) > kernelLists {
		return list, all, nil
	}
	list, err = d.firewall.Grants(now)
	return list, all, err
}

// began tells the gate which grants are in force that count.
func (d *Daemon) began(ctx context.Context, grants []event.Grant) {
	_ = d.pump.do(ctx, func() { d.pump.gate.Began(grants) }) // fails at the end only
}

// endedPatience is how long the end of a grant may wait for the gate. Without
// it, the gate counts the grant until its time is over.
const endedPatience = time.Second

// ended tells the gate which grants have ended before their time.
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
	_ = d.pump.do(ctx, func() { d.pump.gate.Ended(grants) })
}
