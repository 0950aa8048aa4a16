//go:build linux

package measure

import (
	"context"
	"errors"
	"fmt"

	"sallyport/bench/internal/probe"
	"sallyport/bench/internal/report"
	"sallyport/bench/internal/stats"
	"sallyport/bench/peers"
)

// Section is what one benchmark found.
type Section struct {
	Systems []report.System
	Tables  []report.Table
}

// Latency measures the time from the last packet of a knock to the first
// answer from behind the door, while nothing else goes on.
func Latency(ctx context.Context, systems []peers.System, o Options) (section Section, err error) {
	f, err := enterAll(ctx, systems, o)
	if err != nil {
		return section, err
	}
	defer func() { err = errors.Join(err, f.leave()) }()

	took := map[*contestant][]float64{}
	failed := map[*contestant]int{}
	answers := map[*contestant]*answered{}
	for round := range o.Rounds {
		fmt.Fprintf(o.Progress, "latency: round %d of %d\n", round+1, o.Rounds)
		for _, c := range f.turns(round) {
			d, ok, err := c.knock(ctx, probe.Quick)
			if err != nil {
				return section, fmt.Errorf("%s: %w", c.system.Name(), err)
			}
			if !ok {
				failed[c]++
				continue
			}
			took[c] = append(took[c], milliseconds(d))
		}
		if err := askAll(ctx, f.turns(round), answers); err != nil {
			return section, err
		}
	}
	for _, c := range f.present {
		if err := c.allClosed(ctx); err != nil {
			return section, fmt.Errorf("%s: %w", c.system.Name(), err)
		}
	}
	return Section{f.abouts(), append([]report.Table{latencyTable(f, took, failed)}, answerTable(f, answers)...)}, nil
}

func latencyTable(f *field, took map[*contestant][]float64, failed map[*contestant]int) report.Table {
	t := report.Table{
		Key:     "latency",
		Title:   "last packet of the knock → first answer from behind the door",
		Columns: []string{"opened", "min", "p50", "p90", "p99", "p50 / floor", "stayed open"},
		Notes: []string{
			"before each knock the door is shown to be closed to its source, and at the end to all; stayed open: long after its one second",
			fmt.Sprintf("probes every %v from one thread; packets of a sequence %v apart", probe.Quick.Every, probe.Quick.Gap),
		},
	}
	floor := 0.0
	for c, samples := range took {
		if _, bare := c.system.(peers.Bare); bare {
			floor = stats.Of(samples).P50
		}
	}
	t.Rows = f.rows(func(c *contestant) []report.Cell {
		s := stats.Of(took[c])
		ratio := report.None()
		if floor > 0 && s.N > 0 {
			ratio = report.Number(s.P50/floor, "")
		}
		return []report.Cell{
			report.Share(s.N, s.N+failed[c]),
			report.Number(s.Min, "ms"),
			{Text: report.Number(s.P50, "ms").Text, Value: s},
			report.Number(s.P90, "ms"),
			report.Number(s.P99, "ms"),
			ratio,
			report.Count(c.stuck),
		}
	})
	return t
}
