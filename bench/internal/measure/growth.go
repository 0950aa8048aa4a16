//go:build linux

package measure

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"sallyport/bench/internal/flood"
	"sallyport/bench/internal/probe"
	"sallyport/bench/internal/report"
	"sallyport/bench/internal/stats"
	"sallyport/bench/internal/usage"
	"sallyport/bench/peers"
	"sallyport/internal/control"
	"sallyport/internal/key"
)

// Growth measures Sallyport alone: what becomes of latency, memory, start and
// reload as doors, grants and hostile sources grow in number.
func Growth(ctx context.Context, systems []peers.System, o Options) (section Section, err error) {
	var ours peers.Sallyport
	var spa peers.SPA
	for _, s := range systems {
		switch s := s.(type) {
		case peers.Sallyport:
			if s.Policy == "" {
				ours = s
			}
		case peers.SPA:
			if s.Suite == key.Hybrid && !s.Moat {
				spa = s
			}
		}
	}
	if missing := peers.Missing(ours); missing != "" {
		section.Tables = []report.Table{{Key: "growth", Title: "growth of sallyport", Rows: []report.Row{{Name: ours.Name(), Remark: missing}}}}
		return section, nil
	}
	var sizes []size
	for _, doors := range o.Doors {
		ours.Doors = doors
		sizes = append(sizes, size{name: plural(doors, "door"), system: ours})
	}
	ours.Doors = 1
	for _, grants := range o.Grants {
		sizes = append(sizes, size{name: "1 door, " + plural(grants, "active grant"), system: ours, grants: grants})
	}
	if peers.Missing(spa) == "" {
		for _, clients := range o.Clients {
			spa.Clients = clients
			sizes = append(sizes, size{name: "SPA, " + plural(clients, "client"), system: spa})
		}
	}
	grown, err := grow(ctx, sizes, o)
	if err != nil {
		return section, err
	}
	drowned, err := sourceTable(ctx, ours, o)
	return Section{Tables: []report.Table{grown, drowned}}, err
}

// size is one row: a daemon of its own.
type size struct {
	name   string
	system peers.System
	grants int

	*contestant
	calm                    usage.Memory // right after the start
	took                    []float64    // milliseconds from knock to open
	failed                  int
	start, restart, reloads []float64 // milliseconds
}

// grow measures all sizes, taking turns.
func grow(ctx context.Context, sizes []size, o Options) (table report.Table, err error) {
	defer func() {
		for i := range sizes {
			if sizes[i].contestant != nil {
				err = errors.Join(err, sizes[i].leave())
			}
		}
	}()
	for i := range sizes {
		fmt.Fprintf(o.Progress, "growth: set up %s\n", sizes[i].name)
		if err := sizes[i].setUp(ctx, o); err != nil {
			return table, fmt.Errorf("%s: %w", sizes[i].name, err)
		}
	}
	for round := range o.Rounds {
		fmt.Fprintf(o.Progress, "growth: round %d of %d\n", round+1, o.Rounds)
		for i := range sizes {
			s := &sizes[(i+round)%len(sizes)]
			d, ok, err := s.knock(ctx, probe.Quick)
			if err != nil {
				return table, fmt.Errorf("%s: %w", s.name, err)
			}
			if ok {
				s.took = append(s.took, milliseconds(d))
			} else {
				s.failed++
			}
		}
	}
	for repeat := range o.Repeats {
		fmt.Fprintf(o.Progress, "growth: restart and reload, turn %d of %d\n", repeat+1, o.Repeats)
		for i := range sizes {
			if err := sizes[i].reloadAndRestart(ctx); err != nil {
				return table, fmt.Errorf("%s: %w", sizes[i].name, err)
			}
		}
	}
	return growthTable(sizes), nil
}

func (s *size) setUp(ctx context.Context, o Options) (err error) {
	if s.contestant, err = enter(ctx, s.system, o); err != nil {
		return err
	}
	s.start = append(s.start, milliseconds(s.Ready))
	if err := s.fill(ctx); err != nil {
		return err
	}
	if err := s.settle(ctx); err != nil {
		return err
	}
	s.calm, err = usage.RSS(s.PID)
	return err
}

func (c *contestant) control() *control.Conn {
	return control.Dial(filepath.Join(c.dir, peers.SocketName))
}

// fill gives grants to sources that nobody uses, and checks that they count.
func (s *size) fill(ctx context.Context) error {
	const workers, long = 4, control.Duration(time.Hour)
	group, ctxGroup := errgroup.WithContext(ctx)
	for w := range workers {
		group.Go(func() error {
			conn := s.control()
			for i := w; i < s.grants; i += workers {
				first := flood.Sources.Addr().As4()
				source := netip.AddrFrom4([4]byte{first[0], byte(i >> 16), byte(i >> 8), byte(i)})
				if _, err := conn.Open(ctxGroup, control.OpenRequest{Door: "door", Source: source, For: long}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("give grants: %w", err)
	}
	return s.checkGrants(ctx)
}

// checkGrants waits until the daemon knows of all grants: after a restart it
// reads back very many for a while, and works meanwhile.
func (s *size) checkGrants(ctx context.Context) error {
	patience := time.Minute + time.Duration(s.grants)*time.Millisecond
	for deadline := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		status, err := s.control().Status(ctx)
		if err != nil {
			return err
		}
		n := len(status.Grants)
		if n >= s.grants {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%d grants are in force, want %d", n, s.grants)
		}
	}
}

// reloadAndRestart shows after the restart that the grants still count and
// that the door still opens.
func (s *size) reloadAndRestart(ctx context.Context) error {
	begun := time.Now()
	if err := s.control().Reload(ctx); err != nil {
		return err
	}
	s.reloads = append(s.reloads, milliseconds(time.Since(begun)))

	s.Stop()
	server, err := s.system.Start(ctx, peers.Site{Lab: s.lab, Dir: s.dir})
	if err != nil {
		return err
	}
	s.Server = server
	s.restart = append(s.restart, milliseconds(s.Ready))
	_, ok, err := s.knock(ctx, probe.Calm)
	if err == nil && !ok {
		err = errors.New("no knock opens the door after a restart")
	}
	return errors.Join(err, s.checkGrants(ctx))
}

func growthTable(sizes []size) report.Table {
	t := report.Table{
		Key:     "growth",
		Title:   "sallyport as it grows",
		Columns: []string{"opened", "p50", "p90", "p99", "first start, ms", "restart, ms", "reload, ms", "resident, MB"},
		Notes: []string{
			"knocks open the last door of the configuration; start: until the daemon says that it is ready",
			"a restart finds the table, and the grants, of the daemon before it, which was killed",
		},
	}
	for _, s := range sizes {
		sum := stats.Of(s.took)
		t.Rows = append(t.Rows, report.Row{Name: s.name, Cells: []report.Cell{
			report.Share(sum.N, sum.N+s.failed),
			median(s.took, "ms"),
			report.Number(sum.P90, "ms"),
			report.Number(sum.P99, "ms"),
			report.Spread(stats.Of(s.start), ""),
			report.Spread(stats.Of(s.restart), ""),
			report.Spread(stats.Of(s.reloads), ""),
			resident(s.calm),
		}})
	}
	return t
}

func resident(m usage.Memory) report.Cell {
	return report.Cell{Text: report.Number(megabytes(m.Resident), "").Text, Value: m}
}

func megabytes(bytes uint64) float64 { return float64(bytes) / (1 << 20) }

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}
