//go:build linux

package measure

import (
	"context"
	"fmt"

	"sallyport/bench/internal/probe"
	"sallyport/bench/internal/report"
	"sallyport/bench/internal/stats"
)

// answered is how knocks were answered.
type answered struct {
	tried int
	took  []float64 // milliseconds
}

// askAll knocks once at every system that answers.
func askAll(ctx context.Context, contestants []*contestant, found map[*contestant]*answered) error {
	for _, c := range contestants {
		if !c.Answers {
			continue
		}
		a, err := c.prepare(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", c.system.Name(), err)
		}
		took, ok, err := c.prober.Ask(a.source, a.knock[0], probe.Quick.Limit)
		if err != nil {
			return fmt.Errorf("%s: %w", c.system.Name(), err)
		}
		if found[c] == nil {
			found[c] = new(answered)
		}
		found[c].tried++
		if ok {
			found[c].took = append(found[c].took, milliseconds(took))
		}
	}
	return nil
}

// answerTable has the systems that answer; without any there is no table.
func answerTable(f *field, found map[*contestant]*answered) []report.Table {
	if len(found) == 0 {
		return nil
	}
	t := report.Table{
		Key:     "answer",
		Title:   "message sent → acknowledgement that the door is open",
		Columns: []string{"answered", "min", "p50", "p90", "p99"},
		Notes:   []string{"of other messages than those above, and without probes; the other systems answer nothing"},
	}
	for _, s := range f.all {
		c := f.present[s.Name()]
		if found[c] == nil {
			continue
		}
		sum := stats.Of(found[c].took)
		t.Rows = append(t.Rows, report.Row{Name: s.Name(), Cells: []report.Cell{
			report.Share(sum.N, found[c].tried),
			report.Number(sum.Min, "ms"),
			median(found[c].took, "ms"),
			report.Number(sum.P90, "ms"),
			report.Number(sum.P99, "ms"),
		}})
	}
	return []report.Table{t}
}
