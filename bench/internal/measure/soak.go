//go:build linux

package measure

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"sallyport/bench/internal/flood"
	"sallyport/bench/internal/probe"
	"sallyport/bench/internal/report"
	"sallyport/bench/internal/stats"
	"sallyport/bench/internal/usage"
	"sallyport/bench/peers"
)

const (
	soakSamples = 20                     // of memory, goroutines and descriptors
	soakJunk    = 5000                   // packets a second
	soakKnocks  = 100 * time.Millisecond // between honest ones
	soakReload  = 10 * time.Second
)

// Soak lets Sallyport live through mixed traffic for a while: honest knocks,
// junk of one kind after the other, and reloads. Nothing of what it holds may
// grow.
func Soak(ctx context.Context, systems []peers.System, o Options) (section Section, err error) {
	var ours []peers.System
	for _, s := range systems {
		switch s.(type) {
		case peers.Sallyport, peers.Rotating, peers.SPA:
			ours = append(ours, s)
		}
	}
	f, err := enterAll(ctx, ours, o)
	if err != nil {
		return section, err
	}
	defer func() { err = errors.Join(err, f.leave()) }()
	group, ctxGroup := errgroup.WithContext(ctx)
	soaked := map[*contestant]*soak{}
	for _, c := range f.present {
		s := &soak{contestant: c, begun: time.Now(), length: o.Soak}
		soaked[c] = s
		group.Go(func() error { return s.run(ctxGroup) })
	}
	fmt.Fprintf(o.Progress, "soak: %s of mixed traffic\n", o.Soak)
	if err := group.Wait(); err != nil {
		return section, err
	}
	return Section{Systems: f.abouts(), Tables: []report.Table{soakTable(f, o, soaked)}}, nil
}

// soak is one system's.
type soak struct {
	*contestant
	begun  time.Time
	length time.Duration

	opened, tried                   int
	memory, goroutines, descriptors []float64
}

func (s *soak) run(ctx context.Context) error {
	ctx, cancel := context.WithDeadline(ctx, s.begun.Add(s.length))
	defer cancel()
	group, ctx := errgroup.WithContext(ctx)
	for _, task := range []func(context.Context) error{s.junk, s.honest, s.reload, s.sample} {
		group.Go(func() error {
			if err := task(ctx); err != nil && ctx.Err() == nil {
				return fmt.Errorf("%s: %w", s.system.Name(), err)
			}
			return nil
		})
	}
	return group.Wait()
}

// junk sends each kind in turn.
func (s *soak) junk(ctx context.Context) error {
	orders := []flood.Orders{{Junk: s.Junk}, {Junk: flood.Junk{Scan: true}}}
	if s.Forge != nil {
		forged, err := s.pool(s.Forge, forgedJunk)
		if err != nil {
			return err
		}
		orders = append(orders, *forged)
	}
	for i := 0; ctx.Err() == nil; i++ {
		o := orders[i%len(orders)]
		o.Rate, o.Core, o.For = soakJunk, floodCore(), 5*time.Second
		junk, err := flood.Start(ctx, s.lab, o)
		if err != nil {
			return err
		}
		if _, err := junk.Wait(); err != nil {
			return err
		}
	}
	return nil
}

func (s *soak) honest(ctx context.Context) error {
	return every(ctx, soakKnocks, func() error {
		_, ok, err := s.knock(ctx, probe.Calm)
		if err != nil {
			return err
		}
		s.tried++
		if ok {
			s.opened++
		}
		return nil
	})
}

func (s *soak) reload(ctx context.Context) error {
	return every(ctx, soakReload, func() error { return s.control().Reload(ctx) })
}

func (s *soak) sample(ctx context.Context) error {
	return every(ctx, s.length/(soakSamples+1), func() error {
		memory, err := usage.RSS(s.PID)
		if err != nil {
			return err
		}
		files, err := usage.Descriptors(s.PID)
		if err != nil {
			return err
		}
		status, err := s.control().Status(ctx)
		if err != nil {
			return err
		}
		s.memory = append(s.memory, megabytes(memory.Resident))
		s.descriptors = append(s.descriptors, float64(files))
		s.goroutines = append(s.goroutines, float64(status.Goroutines))
		return nil
	})
}

// every does something at an interval until the context ends.
func every(ctx context.Context, interval time.Duration, do func() error) error {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			if err := do(); err != nil {
				return err
			}
		}
	}
}

func soakTable(f *field, o Options, soaked map[*contestant]*soak) report.Table {
	t := report.Table{
		Key:     "soak",
		Title:   fmt.Sprintf("what the daemon holds during %s of mixed traffic: the second quarter → the last quarter", o.Soak),
		Columns: []string{"opened", "resident, MB", "goroutines", "open files"},
		Notes: []string{
			fmt.Sprintf("an honest knock every %s, %d packets of junk a second of one kind after the other, a reload every %s", soakKnocks, soakJunk, soakReload),
			"medians; all samples are in the JSON",
		},
	}
	t.Rows = f.rows(func(c *contestant) []report.Cell {
		s := soaked[c]
		return []report.Cell{report.Share(s.opened, s.tried), trend(s.memory), trend(s.goroutines), trend(s.descriptors)}
	})
	return t
}

// trend shows how a figure has changed after everything had warmed up.
func trend(samples []float64) report.Cell {
	n := len(samples)
	if n < 4 {
		return report.Cell{Text: "too short", Value: samples}
	}
	early, late := stats.Of(samples[n/4:n/2]), stats.Of(samples[3*n/4:])
	return report.Cell{Text: report.Number(early.P50, "").Text + " → " + report.Number(late.P50, "").Text, Value: samples}
}
