//go:build linux

package measure

import (
	"context"
	"errors"
	"fmt"

	"sallyport/bench/internal/flood"
	"sallyport/bench/internal/report"
	"sallyport/bench/internal/usage"
	"sallyport/bench/peers"
	"sallyport/internal/control"
)

// sourceTable shows the daemon's memory while many sources send a first knock,
// each one once, and that an honest knock opens the door afterwards.
func sourceTable(ctx context.Context, ours peers.Sallyport, o Options) (t report.Table, err error) {
	c, err := enter(ctx, ours, o)
	if err != nil {
		return t, err
	}
	defer func() { err = errors.Join(err, c.leave()) }()
	fmt.Fprintf(o.Progress, "growth: %d sources send the first knock\n", o.Sources)
	idle, err := usage.RSS(c.PID)
	if err != nil {
		return t, err
	}
	before, err := c.control().Status(ctx)
	if err != nil {
		return t, err
	}
	result, err := c.everySource(ctx, o.Sources)
	if err != nil {
		return t, err
	}
	after, err := c.control().Status(ctx)
	if err != nil {
		return t, err
	}
	drowned, err := usage.RSS(c.PID)
	if err != nil {
		return t, err
	}
	if err := c.settle(ctx); err != nil {
		return t, err
	}
	received, lost := captured(before, after)
	return report.Table{
		Key:     "sources",
		Title:   fmt.Sprintf("memory of sallyport while %d sources send the first knock", result.Sent),
		Columns: []string{"idle, MB", "peak, MB", "after, MB", "thousands/s", "captured", "lost"},
		Notes:   []string{"resident memory; an honest knock opens the door afterwards"},
		Rows: []report.Row{{Name: c.system.Name(), Cells: []report.Cell{
			resident(idle),
			report.Number(megabytes(drowned.Peak), ""),
			resident(drowned),
			report.Number(result.Rate()/1000, ""),
			report.Number(received, ""),
			report.Number(lost, ""),
		}}},
	}, nil
}

// everySource lets n sources send the first knock, as fast as one core can.
func (c *contestant) everySource(ctx context.Context, n uint64) (flood.Result, error) {
	orders := flood.Orders{Junk: c.Junk, Max: n, Core: floodCore()}
	orders.Ordered = true
	junk, err := flood.Start(ctx, c.lab, orders)
	if err != nil {
		return flood.Result{}, err
	}
	result, err := junk.Wait()
	if err != nil {
		return result, err
	}
	return result, c.idle(ctx)
}

// captured returns what the rings of the daemon have received and lost.
func captured(before, after control.Status) (received, lost float64) {
	for name, ring := range after.Capture {
		received += float64(ring.Received - before.Capture[name].Received)
		lost += float64(ring.Lost - before.Capture[name].Lost)
	}
	return received, lost
}
