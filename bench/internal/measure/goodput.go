//go:build linux

package measure

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"sallyport/bench/internal/flood"
	"sallyport/bench/internal/probe"
	"sallyport/bench/internal/report"
	"sallyport/bench/internal/stats"
	"sallyport/bench/peers"
)

// kind is a kind of junk. Its orders are nil for systems that it does not
// concern.
type kind struct {
	key, title string
	orders     func(*contestant) (*flood.Orders, error)
}

var kinds = []kind{
	{"first", "first packets: first knocks of the sequence, or for SPA random messages of the right form", func(c *contestant) (*flood.Orders, error) {
		return &flood.Orders{Junk: c.Junk}, nil
	}},
	{"scan", "TCP SYNs to random ports", func(*contestant) (*flood.Orders, error) {
		return &flood.Orders{Junk: flood.Junk{Scan: true}}, nil
	}},
	{"tagged", "messages with a right tag, which only holders of the server's public key can make", func(c *contestant) (*flood.Orders, error) {
		return c.pool(c.Forge, forgedJunk)
	}},
	{"replay", "messages overheard from another client, each accepted once before", (*contestant).overheard},
}

// Goodput offers honest knocks at a steady rate while junk of every kind
// arrives at every rate, and reports how many open the door, and how soon.
func Goodput(ctx context.Context, systems []peers.System, o Options) (section Section, err error) {
	f, err := enterAll(ctx, systems, o)
	if err != nil {
		return section, err
	}
	defer func() { err = errors.Join(err, f.leave()) }()
	for _, k := range kinds {
		found := map[*contestant]map[int]*goodput{}
		for turn, rate := range goodputRates(o) {
			for _, c := range f.turns(turn) {
				fmt.Fprintf(o.Progress, "goodput: %s at %s: %s\n", k.key, speed(rate), c.system.Name())
				g, err := c.offer(ctx, k, rate, o.Offered)
				if err != nil {
					return section, fmt.Errorf("%s: %w", c.system.Name(), err)
				}
				if g == nil {
					continue
				}
				if found[c] == nil {
					found[c] = map[int]*goodput{}
				}
				found[c][rate] = g
			}
		}
		section.Tables = append(section.Tables, goodputTable(f, k, o, found))
	}
	section.Systems = f.abouts()
	return section, nil
}

// quiet is the rate at which there is no junk at all.
const quiet = -1

func goodputRates(o Options) []int { return append([]int{quiet}, o.Rates...) }

// speed names a rate.
func speed(rate int) string {
	switch rate {
	case quiet:
		return "no junk"
	case 0:
		return "maximum"
	}
	return fmt.Sprintf("%d k/s", rate/1000)
}

// offer knocks n times within a second while junk arrives. It returns nil if
// the kind does not concern the system.
func (c *contestant) offer(ctx context.Context, k kind, rate, n int) (*goodput, error) {
	if c.Knock == nil {
		return nil, nil
	}
	orders, err := k.orders(c)
	if err != nil || orders == nil {
		return nil, err
	}
	var ready []attempt
	for range min(n, len(c.sources)) {
		a, err := c.prepare(ctx)
		if err != nil {
			return nil, err
		}
		ready = append(ready, a)
	}
	g := new(goodput)
	if rate == quiet {
		err = c.knockAll(ready, g)
	} else {
		orders.Rate, orders.Core, orders.For = rate, floodCore(), ramp+10*time.Second
		err = c.knockUnder(ctx, *orders, ready, g)
	}
	return g, errors.Join(err, c.idle(ctx), c.allClosed(ctx))
}

func (c *contestant) knockUnder(ctx context.Context, orders flood.Orders, ready []attempt, g *goodput) error {
	junk, err := flood.Start(ctx, c.lab, orders)
	if err != nil {
		return err
	}
	time.Sleep(ramp)
	errKnock := c.knockAll(ready, g)
	result, errStop := junk.Stop()
	g.rates = append(g.rates, result.Rate()/1000)
	return errors.Join(errKnock, errStop)
}

// knockAll sends the knocks spread over a second, whatever becomes of them.
func (c *contestant) knockAll(ready []attempt, g *goodput) error {
	var mu sync.Mutex
	var all sync.WaitGroup
	var errs []error
	every := time.NewTicker(time.Second / time.Duration(len(ready)))
	defer every.Stop()
	for _, a := range ready {
		all.Go(func() {
			took, ok, err := c.prober.Open(a.source, a.knock, probe.Crowded)
			mu.Lock()
			defer mu.Unlock()
			errs = append(errs, err)
			g.tried++
			if ok {
				g.opened++
				g.flood = append(g.flood, milliseconds(took))
			}
		})
		<-every.C
	}
	all.Wait()
	return errors.Join(errs...)
}

// pool is junk out of a list of datagrams.
func (c *contestant) pool(make func(int) ([][]byte, error), n int) (*flood.Orders, error) {
	if make == nil {
		return nil, nil
	}
	list, err := make(n)
	if err != nil {
		return nil, err
	}
	o := &flood.Orders{Junk: c.Junk}
	o.Pool = filepath.Join(c.dir, "junk")
	return o, os.WriteFile(o.Pool, bytes.Join(list, nil), 0o600)
}

// overheardMessages is how many valid messages someone has recorded.
const overheardMessages = 8

// overheard lets the second client knock, and sends its messages again.
func (c *contestant) overheard() (*flood.Orders, error) {
	if c.Replay == nil {
		return nil, nil
	}
	var list [][]byte
	orders, err := c.pool(func(n int) (_ [][]byte, err error) {
		list, err = c.Replay(n)
		return list, err
	}, overheardMessages)
	if err != nil {
		return nil, err
	}
	for i, message := range list {
		source := c.sources[i%len(c.sources)]
		knock := probe.Knock{{Port: c.Junk.Port, Payload: message}}
		_, ok, err := c.prober.Open(source, knock, probe.Calm)
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, errors.New("a message that is to be replayed did not open the door in the first place")
		}
		c.knocked[source] = true
	}
	return orders, nil
}

func goodputTable(f *field, k kind, o Options, found map[*contestant]map[int]*goodput) report.Table {
	t := report.Table{
		Key:   "goodput-" + k.key,
		Title: fmt.Sprintf("of %d honest knocks, one every %v, how many open the door within a second; median ms", o.Offered, (time.Second / time.Duration(o.Offered)).Round(time.Millisecond)),
		Notes: []string{"junk, from random sources: " + k.title, "last column: thousands of packets a second that the maximum was"},
	}
	for _, rate := range goodputRates(o) {
		t.Columns = append(t.Columns, speed(rate))
	}
	t.Columns = append(t.Columns, "maximum, k/s")
	t.Rows = withoutEmpty(f.rows(func(c *contestant) (cells []report.Cell) {
		if found[c] == nil {
			return nil
		}
		var most []float64
		for _, rate := range goodputRates(o) {
			cells = append(cells, goodputCell(found[c][rate]))
			if rate == 0 {
				most = found[c][rate].rates
			}
		}
		return append(cells, report.Spread(stats.Of(most), ""))
	}))
	return t
}

// goodputCell shows "30/30 0.61".
func goodputCell(g *goodput) report.Cell {
	s := stats.Of(g.flood)
	cell := report.Share(g.opened, g.tried)
	if s.N > 0 {
		cell.Text += " " + report.Number(s.P50, "").Text
	}
	cell.Value = map[string]any{"opened": g.opened, "tried": g.tried, "ms": s, "junk": stats.Of(g.rates)}
	return cell
}
