//go:build linux

package measure

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"sallyport/bench/internal/flood"
	"sallyport/bench/internal/probe"
	"sallyport/bench/internal/report"
	"sallyport/bench/internal/stats"
	"sallyport/bench/internal/usage"
	"sallyport/bench/peers"
)

// maxTries is how often a client knocks, with a new message each second, before
// it gives up.
const maxTries = 8

// forgedJunk is how many different messages a holder of the public key sends.
const forgedJunk = 4000

// siege is a kind of junk, and who knocks meanwhile.
type siege struct {
	name   string
	forged bool // made by a holder of the server's public key
	rate   int  // packets a second; 0: as many as possible
	known  bool // the client has knocked before, so the daemon knows its address
}

var sieges = []siege{
	{name: "no key, as fast as possible"},
	{name: "public key, 20,000/s", forged: true, rate: 20_000},
	{name: "public key, as fast as possible", forged: true},
	{name: "public key, as fast as possible, known client", forged: true, known: true},
}

// besieged is what became of the clients.
type besieged struct {
	clients int
	tries   []int     // of those who got in
	took    []float64 // milliseconds from their first try
	rates   []float64 // thousands of packets of junk a second
	cores   []float64 // that the daemon kept busy
}

// retries lets clients knock, again and again, at the systems for which junk
// can be forged.
func retries(ctx context.Context, f *field, o Options) (tables []report.Table, err error) {
	for _, c := range f.turns(0) {
		if c.Forge == nil {
			continue
		}
		found := make([]besieged, len(sieges))
		for knock := range o.Knocks {
			for i, s := range sieges {
				fmt.Fprintf(o.Progress, "flood: retries, client %d of %d: %s, %s\n", knock+1, o.Knocks, c.system.Name(), s.name)
				if err := c.besiege(ctx, s, &found[i]); err != nil {
					return nil, fmt.Errorf("%s: %w", c.system.Name(), err)
				}
			}
		}
		tables = append(tables, retriesTable(c, found))
	}
	return tables, nil
}

// besiege starts the daemon again, so that it knows nobody, and lets one client
// knock while the junk arrives.
func (c *contestant) besiege(ctx context.Context, s siege, b *besieged) error {
	if err := c.restart(ctx); err != nil {
		return err
	}
	a, err := c.prepare(ctx)
	if err != nil {
		return err
	}
	if s.known {
		if err := c.introduce(ctx, a); err != nil {
			return err
		}
	}
	orders, err := c.orders(s)
	if err != nil {
		return err
	}
	junk, err := flood.Start(ctx, c.lab, orders)
	if err != nil {
		return err
	}
	errKnock := c.keepKnocking(ctx, a.source, b)
	result, errStop := junk.Stop()
	if err := errors.Join(errKnock, errStop); err != nil {
		return err
	}
	b.rates = append(b.rates, result.Rate()/1000)
	if err := c.idle(ctx); err != nil {
		return err
	}
	return c.allClosed(ctx)
}

func (c *contestant) restart(ctx context.Context) error {
	c.Stop()
	server, err := c.system.Start(ctx, peers.Site{Lab: c.lab, Dir: c.dir})
	if err != nil {
		return err
	}
	c.Server = server
	return nil
}

// introduce knocks, and waits until the door has closed again.
func (c *contestant) introduce(ctx context.Context, a attempt) error {
	_, ok, err := c.prober.Open(a.source, a.knock, probe.Calm)
	if err == nil && !ok {
		err = errors.New("no knock opens the door after a restart")
	}
	if err != nil {
		return err
	}
	closed, err := c.awaitClosed(ctx, a.source)
	if err == nil && !closed {
		err = errors.New("the door has stayed open")
	}
	return err
}

// orders prepares the packets: forged ones are good for a minute.
func (c *contestant) orders(s siege) (flood.Orders, error) {
	o := flood.Orders{Junk: c.Junk, Rate: s.rate, For: ramp + (maxTries+1)*time.Second, Core: floodCore()}
	if !s.forged {
		return o, nil
	}
	forged, err := c.Forge(forgedJunk)
	if err != nil {
		return o, err
	}
	o.Pool = filepath.Join(c.dir, "junk")
	return o, os.WriteFile(o.Pool, bytes.Join(forged, nil), 0o600)
}

// keepKnocking sends a new message each second until the door is open.
func (c *contestant) keepKnocking(ctx context.Context, source netip.Addr, b *besieged) error {
	time.Sleep(ramp)
	b.clients++
	begun := time.Now()
	before, err := usage.CPU(c.PID)
	if err != nil {
		return err
	}
	for try := 1; try <= maxTries; try++ {
		message, err := c.Knock(ctx, source)
		if err != nil {
			return err
		}
		_, ok, err := c.prober.Open(source, message, probe.Calm)
		if err != nil {
			return err
		}
		if ok {
			b.tries = append(b.tries, try)
			b.took = append(b.took, milliseconds(time.Since(begun)))
			break
		}
	}
	after, err := usage.CPU(c.PID)
	b.cores = append(b.cores, float64(after-before)/float64(time.Since(begun)))
	return err
}

func retriesTable(c *contestant, found []besieged) report.Table {
	t := report.Table{
		Key:     "retries-" + c.system.Name(),
		Title:   c.system.Name() + ": clients that get in, with a new message each second, while junk of the right length arrives",
		Columns: []string{"got in", "tries", "p50", "junk, thousands/s", "daemon, cores"},
		Notes: []string{
			fmt.Sprintf("junk: from random sources; with the public key: rightly tagged, %d different ones, and damaged at the end", forgedJunk),
			fmt.Sprintf("a client gives up after %d tries; tries: of those who got in, as tries × clients; p50: from the first try", maxTries),
			"the daemon is started afresh for each client, so that it knows neither its address nor its network",
		},
	}
	for i, s := range sieges {
		b := found[i]
		t.Rows = append(t.Rows, report.Row{Name: s.name, Cells: []report.Cell{
			report.Share(len(b.tries), b.clients),
			triesCell(b.tries),
			median(b.took, "ms"),
			report.Spread(stats.Of(b.rates), ""),
			report.Spread(stats.Of(b.cores), ""),
		}})
	}
	return t
}

// triesCell reports how many needed how many: "1×8 2×2".
func triesCell(tries []int) report.Cell {
	var count [maxTries + 1]int
	for _, n := range tries {
		count[n]++
	}
	var words []string
	for n, clients := range count {
		if clients > 0 {
			words = append(words, strconv.Itoa(n)+"×"+strconv.Itoa(clients))
		}
	}
	return report.Cell{Text: strings.Join(words, " "), Value: tries}
}
