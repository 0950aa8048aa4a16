package daemon

import (
	"context"
	"fmt"
	"time"

	"sallyport/internal/gate"
)

// restore reads back the grants that were in force before this start. It runs
// beside the gate: the kernel enforces them in any case, and takes seconds to
// list a hundred thousand. A failure leaves them to the kernel, which ends them
// in time.
func (d *Daemon) restore(context.Context) error {
	now := time.Now()
	grants, err := d.firewall.Grants(now)
	if err != nil {
		d.events.put(gate.Event{Time: now, Kind: gate.KindFailure, Detail: "read back the grants in force: " + err.Error()})
		return nil
	}
	ended, err := d.book.Restore(grants, now)
	d.actor.tell(now, gate.KindRevocation, gate.ByOperator, ended)
	if err != nil {
		d.events.put(gate.Event{Time: now, Kind: gate.KindFailure, Detail: "restore grants: " + err.Error()})
	}
	d.actor.rouse()
	if n := len(grants) - len(ended); n > 0 {
		d.events.put(gate.Event{Time: time.Now(), Kind: gate.KindStart, Detail: fmt.Sprintf("%d grants of an earlier time go on", n)})
	}
	return nil
}
