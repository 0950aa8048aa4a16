//go:build linux

package measure

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sallyport/bench/internal/flood"
	"sallyport/bench/internal/report"
	"sallyport/bench/internal/stats"
	"sallyport/bench/internal/usage"
)

// cost is processor time for a million packets, in milliseconds.
type cost struct {
	daemon, machine []float64
	rates           []float64 // thousands of packets a second
	rest            []float64 // cores that were busy just before
}

// costs floods all systems in turns with a kind of junk, at rate packets a
// second (0: as fast as possible), and looks what it costs. Systems that the kind
// does not concern are left out.
func costs(ctx context.Context, f *field, o Options, k kind, rate int) (map[*contestant]*cost, error) {
	found := map[*contestant]*cost{}
	for turn := range o.Repeats {
		for _, c := range f.turns(turn) {
			fmt.Fprintf(o.Progress, "flood: processor time, %s at %s, turn %d of %d: %s\n", k.key, speed(rate), turn+1, o.Repeats, c.system.Name())
			orders, err := k.orders(c)
			if err == nil && orders != nil {
				orders.Rate, orders.For, orders.Core = rate, o.Burst, floodCore()
				if found[c] == nil {
					found[c] = new(cost)
				}
				err = c.burst(ctx, *orders, found[c])
			}
			if err != nil {
				return nil, fmt.Errorf("%s: %w", c.system.Name(), err)
			}
		}
	}
	return found, nil
}

func (c *contestant) burst(ctx context.Context, orders flood.Orders, found *cost) error {
	rest, err := background(ctx, orders.For/2)
	if err != nil {
		return err
	}
	begun := time.Now()
	before, err := c.used()
	if err != nil {
		return err
	}
	junk, err := flood.Start(ctx, c.lab, orders)
	if err != nil {
		return err
	}
	result, err := junk.Wait()
	if err != nil {
		return err
	}
	if result.Sent == 0 {
		return errors.New("the flood sent nothing")
	}
	// What still waits in buffers is work that the junk has caused.
	if err := c.idle(ctx); err != nil {
		return err
	}
	after, err := c.used()
	if err != nil {
		return err
	}
	machine := after.machine - before.machine - time.Duration(rest*float64(time.Since(begun)))
	millions := float64(result.Sent) / 1e6
	found.daemon = append(found.daemon, milliseconds(after.daemon-before.daemon)/millions)
	found.machine = append(found.machine, milliseconds(machine)/millions)
	found.rates = append(found.rates, result.Rate()/1000)
	found.rest = append(found.rest, rest)
	return nil
}

// background returns how many cores are busy while nothing is measured, as
// seen for that length of time.
func background(ctx context.Context, length time.Duration) (float64, error) {
	before, err := usage.Machine()
	if err != nil {
		return 0, err
	}
	begun := time.Now()
	select {
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-time.After(length):
	}
	after, err := usage.Machine()
	return float64(after-before) / float64(time.Since(begun)), err
}

// consumed is processor time since some moment.
type consumed struct{ daemon, machine time.Duration }

func (c *contestant) used() (u consumed, err error) {
	if c.PID != 0 {
		if u.daemon, err = usage.CPU(c.PID); err != nil {
			return u, err
		}
	}
	u.machine, err = usage.Machine()
	return u, err
}

// idle waits until the daemon has done with the junk: until it uses less than
// a tenth of a core. It goes on after a while in any case: some daemons never
// are.
func (c *contestant) idle(ctx context.Context) error {
	const interval, patience = 100 * time.Millisecond, 5 * time.Second
	if c.PID == 0 {
		return nil
	}
	last, err := usage.CPU(c.PID)
	if err != nil {
		return err
	}
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(interval):
		}
		now, err := usage.CPU(c.PID)
		if err != nil || now-last < interval/10 {
			return err
		}
		last = now
	}
	return nil
}

func costTable(f *field, k kind, rate int, found map[*contestant]*cost) report.Table {
	key, pace := fmt.Sprintf("cpu-%s-%d", k.key, rate), speed(rate)
	if rate == 0 {
		key, pace = "cpu-"+k.key+"-max", "as fast as one core makes them"
	}
	t := report.Table{
		Key:     key,
		Title:   "processor time for a million packets of junk, " + pace,
		Columns: []string{"daemon, ms", "whole machine, ms", "junk, thousands/s"},
		Notes: []string{
			"junk, from random sources: " + k.title,
			"median (least–greatest); a daemon that loses packets does not work on them, one that is woken for each pays for that",
			"the whole machine includes making the junk and the kernel's way to the gate: compare with “nobody listens”;",
			"what the machine did just before, without junk, has been taken off",
		},
	}
	t.Rows = withoutEmpty(f.rows(func(c *contestant) []report.Cell {
		if found[c] == nil {
			return nil
		}
		daemon := report.Text("none (kernel)")
		if c.PID != 0 {
			daemon = report.Spread(stats.Of(found[c].daemon), "")
		}
		return []report.Cell{daemon, report.Spread(stats.Of(found[c].machine), ""), report.Spread(stats.Of(found[c].rates), "")}
	}))
	if busy := busiest(found); busy > tolerable {
		t.Notes = append(t.Notes, fmt.Sprintf(
			"up to %.1f cores were busy with something else: the figures of the whole machine mean nothing, those of daemons little", busy))
	}
	return t
}

// tolerable is how many cores may be busy before a run for its figures to count.
const tolerable = 0.1

func busiest(found map[*contestant]*cost) (cores float64) {
	for _, c := range found {
		cores = max(cores, stats.Of(c.rest).Max)
	}
	return cores
}
