//go:build linux

package measure

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"sallyport/bench/internal/flood"
	"sallyport/bench/internal/probe"
	"sallyport/bench/internal/report"
	"sallyport/bench/internal/stats"
	"sallyport/bench/peers"
)

// Flood measures what becomes of honest knocks, and of the processors, while
// junk arrives that each system has to tell from an honest first packet.
func Flood(ctx context.Context, systems []peers.System, o Options) (section Section, err error) {
	f, err := enterAll(ctx, append(systems[:len(systems):len(systems)], peers.Nobody{}), o)
	if err != nil {
		return section, err
	}
	defer func() { err = errors.Join(err, f.leave()) }()

	through, err := honest(ctx, f, o)
	if err != nil {
		return section, err
	}
	section.Tables = append(section.Tables, honestTable(f, through))
	patient, err := retries(ctx, f, o)
	if err != nil {
		return section, err
	}
	section.Tables = append(section.Tables, patient...)
	for _, k := range kinds {
		for _, rate := range o.Rates {
			found, err := costs(ctx, f, o, k, rate)
			if err != nil {
				return section, err
			}
			section.Tables = append(section.Tables, costTable(f, k, rate, found))
		}
	}
	section.Systems = f.abouts()
	return section, nil
}

// goodput is what became of honest knocks.
type goodput struct {
	opened, tried int
	quiet, flood  []float64 // milliseconds until the door opened
	rates         []float64 // packets of junk a second
}

// floodCore is the processor that makes the junk: the last one.
func floodCore() int { return runtime.NumCPU() - 1 }

// knocksAtOnce is how many knocks are sent in one flood. Each needs a source of
// its own: there is no time to wait until a door has closed again.
const knocksAtOnce = 8

// honest knocks at each system while it is flooded, in turns.
func honest(ctx context.Context, f *field, o Options) (map[*contestant]*goodput, error) {
	turns := max(2, (o.Knocks+knocksAtOnce-1)/knocksAtOnce)
	found := map[*contestant]*goodput{}
	for turn := range turns {
		knocks := (o.Knocks + turn) / turns // adds up to o.Knocks
		for _, c := range f.turns(turn) {
			if c.Knock == nil {
				continue
			}
			fmt.Fprintf(o.Progress, "flood: honest knocks, turn %d of %d: %s\n", turn+1, turns, c.system.Name())
			if found[c] == nil {
				found[c] = new(goodput)
			}
			if err := c.underFlood(ctx, knocks, found[c]); err != nil {
				return nil, fmt.Errorf("%s: %w", c.system.Name(), err)
			}
		}
	}
	return found, nil
}

// ramp is how long the junk flows before the first honest knock.
const ramp = 300 * time.Millisecond

// underFlood knocks first without and then with junk. Like a real client it
// sends each packet once.
func (c *contestant) underFlood(ctx context.Context, knocks int, g *goodput) error {
	for range knocks {
		took, ok, err := c.knock(ctx, probe.Calm)
		if err != nil {
			return err
		}
		if ok {
			g.quiet = append(g.quiet, milliseconds(took))
		}
	}
	var prepared []attempt
	for range min(knocks, len(c.sources)) {
		a, err := c.prepare(ctx)
		if err != nil {
			return err
		}
		prepared = append(prepared, a)
	}
	bound := ramp + time.Duration(knocks+1)*(probe.Calm.Limit+100*time.Millisecond)
	junk, err := flood.Start(ctx, c.lab, flood.Orders{Junk: c.Junk, For: bound, Core: floodCore()})
	if err != nil {
		return err
	}
	time.Sleep(ramp)
	for _, p := range prepared {
		took, ok, errOpen := c.prober.Open(p.source, p.knock, probe.Calm)
		if errOpen != nil {
			err = errOpen
			break
		}
		g.tried++
		if ok {
			g.opened++
			g.flood = append(g.flood, milliseconds(took))
		}
	}
	result, errStop := junk.Stop()
	if err := errors.Join(err, errStop); err != nil {
		return err
	}
	g.rates = append(g.rates, result.Rate()/1000)
	if err := c.idle(ctx); err != nil {
		return err
	}
	return c.allClosed(ctx)
}

func honestTable(f *field, found map[*contestant]*goodput) report.Table {
	t := report.Table{
		Key:     "flood",
		Title:   "honest knocks that open the door within a second, while junk from random sources arrives",
		Columns: []string{"opened", "p50", "p90", "p50 without junk", "junk, thousands/s", "stayed open"},
		Notes: []string{
			"junk: first knocks of the sequence, or for SPA messages of the right form; made by one core as fast as it can",
			"every packet of a knock is sent once; each knock comes from another source, to which the door was closed",
		},
	}
	t.Rows = f.rows(func(c *contestant) []report.Cell {
		g := found[c]
		if g == nil {
			return nil
		}
		s := stats.Of(g.flood)
		cells := []report.Cell{report.Share(g.opened, g.tried), report.None(), report.None()}
		if s.N > 0 {
			cells[1] = report.Cell{Text: report.Number(s.P50, "ms").Text, Value: s}
			cells[2] = report.Number(s.P90, "ms")
		}
		return append(cells, median(g.quiet, "ms"), report.Spread(stats.Of(g.rates), ""), report.Count(c.stuck))
	})
	t.Rows = withoutEmpty(t.Rows)
	return t
}

// median shows the median, and keeps the rest in the value.
func median(samples []float64, unit string) report.Cell {
	s := stats.Of(samples)
	if s.N == 0 {
		return report.None()
	}
	return report.Cell{Text: report.Number(s.P50, unit).Text, Value: s}
}

// withoutEmpty drops the rows of systems that have no part in a table.
func withoutEmpty(rows []report.Row) (kept []report.Row) {
	for _, r := range rows {
		if r.Remark != "" || len(r.Cells) > 0 {
			kept = append(kept, r)
		}
	}
	return kept
}
