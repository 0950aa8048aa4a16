//go:build linux

// Package measure holds the benchmarks: knock-to-open latency, honest knocks
// under a flood, and growth. Each builds labs, one for every system, and takes
// turns between the systems, so that whatever else the machine does meets all
// of them alike.
package measure

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"time"

	"sallyport/bench/internal/flood"
	"sallyport/bench/internal/probe"
	"sallyport/bench/internal/report"
	"sallyport/bench/peers"
	"sallyport/internal/lab"
)

// Options say how much is measured.
type Options struct {
	Rounds    int           // of latency, for each system
	Knocks    int           // honest ones during a flood
	Repeats   int           // of each measurement of processor time
	Burst     time.Duration // of junk in each such measurement
	Rates     []int         // of junk in packets a second; 0: as many as possible
	Offered   int           // honest knocks in each cell of the goodput section, within a second
	Doors     []int         // sizes of the configuration
	Clients   []int         // numbers of them
	Grants    []int         // numbers of active ones
	Soak      time.Duration // of the soak section
	Sources   uint64        // spoofed ones that send a first knock
	Sallyport string        // the program
	Progress  io.Writer     // one line for each step
	Settle    time.Duration // for a system to open its first door, and to close any
}

// contestant is a system on a lab of its own.
type contestant struct {
	*peers.Server
	system  peers.System
	lab     *lab.Lab
	dir     string
	prober  *probe.Prober
	echo    *probe.Echo
	sources []netip.Addr
	turn    int // counts the knocks, to take the sources in turn
	knocked map[netip.Addr]bool
	stuck   int           // doors that never closed again
	settles time.Duration // as in Options
}

// sources is how many addresses the client of a lab has, so that the doors
// which some have opened can close while others knock.
const sources = 36

// closedPace is how a door is shown to be closed: five probes in 10 ms, of
// which an open door would answer the first in less than 1 ms.
var closedPace = probe.Pace{Every: 2 * time.Millisecond, Limit: 10 * time.Millisecond}

// enter sets a system up.
func enter(ctx context.Context, s peers.System, o Options) (c *contestant, err error) {
	c = &contestant{system: s, settles: o.Settle, knocked: map[netip.Addr]bool{}}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("set up %q: %w", s.Name(), err), c.leave())
			c = nil
		}
	}()
	if c.dir, err = os.MkdirTemp("", "sallyport-bench-"); err != nil {
		return c, err
	}
	if c.lab, err = lab.New(lab.Options{Spoofed: []netip.Prefix{flood.Sources}}); err != nil {
		return c, err
	}
	if err = c.addSources(); err != nil {
		return c, err
	}
	if c.echo, err = probe.NewEcho(c.lab.Gate, peers.Door); err != nil {
		return c, err
	}
	c.prober = probe.New(c.lab.Client, peers.Door)
	c.Server, err = s.Start(ctx, peers.Site{Lab: c.lab, Dir: c.dir})
	return c, err
}

func (c *contestant) addSources() error {
	address := c.lab.Client.IP4
	for range sources {
		address = address.Next()
		if err := c.lab.Client.AddAddress("eth0", netip.PrefixFrom(address, 24)); err != nil {
			return err
		}
		c.sources = append(c.sources, address)
	}
	return nil
}

func (c *contestant) leave() error {
	var errs []error
	if c.Server != nil {
		c.Stop()
	}
	if c.echo != nil {
		errs = append(errs, c.echo.Close())
	}
	if c.lab != nil {
		errs = append(errs, c.lab.Close())
	}
	return errors.Join(append(errs, os.RemoveAll(c.dir))...)
}

// attempt is a knock that is ready to be sent.
type attempt struct {
	source netip.Addr
	knock  probe.Knock
}

// knock shows the door closed to the next source, knocks, and reports how long
// the door took to open, if it did.
func (c *contestant) knock(ctx context.Context, pace probe.Pace) (took time.Duration, ok bool, err error) {
	a, err := c.prepare(ctx)
	if err != nil {
		return 0, false, err
	}
	return c.prober.Open(a.source, a.knock, pace)
}

// prepare makes a knock for the next source to which the door is closed.
func (c *contestant) prepare(ctx context.Context) (attempt, error) {
	if len(c.sources) == 0 {
		return attempt{}, errors.New("the door has stayed open to every source")
	}
	c.turn++
	source := c.sources[c.turn%len(c.sources)]
	closed, err := c.awaitClosed(ctx, source)
	if err != nil {
		return attempt{}, err
	}
	if !closed {
		return c.prepare(ctx)
	}
	c.knocked[source] = true
	k, err := c.Knock(ctx, source)
	return attempt{source, k}, err
}

// awaitClosed waits until a door of one second has closed. Systems that look at
// their timers once a second need two. Where a door stays open it says so, and
// the source is not used again; a door that was open to begin with is an error.
func (c *contestant) awaitClosed(ctx context.Context, source netip.Addr) (closed bool, err error) {
	for deadline := time.Now().Add(c.settles); time.Now().Before(deadline); {
		closed, err := c.prober.Closed(source, closedPace)
		if err != nil || closed {
			return closed, err
		}
		if err := ctx.Err(); err != nil {
			return false, err
		}
	}
	if !c.knocked[source] {
		return false, fmt.Errorf("the door is open to %s, which has not knocked", source)
	}
	c.stuck++
	c.sources = slices.DeleteFunc(slices.Clone(c.sources), func(a netip.Addr) bool { return a == source })
	return false, nil
}

// allClosed looks whether every door that was opened has closed again.
func (c *contestant) allClosed(ctx context.Context) error {
	for _, source := range c.sources {
		if _, err := c.awaitClosed(ctx, source); err != nil {
			return err
		}
	}
	return nil
}

// settle knocks until the door opens for the first time: some daemons do not
// tell when they begin to listen.
func (c *contestant) settle(ctx context.Context) error {
	patient := probe.Calm
	patient.Limit = 500 * time.Millisecond
	for deadline := time.Now().Add(c.settles); ; {
		_, ok, err := c.knock(ctx, patient)
		if err != nil || ok {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return errors.New("no knock opens the door")
		}
	}
}

// field is the systems that take part, and why others do not.
type field struct {
	all     []peers.System
	present map[string]*contestant
	remarks map[string]string
}

// enterAll sets up every system that is installed. A system that does not
// work is an error: a row of failures would look like a measurement.
func enterAll(ctx context.Context, systems []peers.System, o Options) (*field, error) {
	f := &field{all: systems, present: map[string]*contestant{}, remarks: map[string]string{}}
	for _, s := range systems {
		if missing := peers.Missing(s); missing != "" {
			f.remarks[s.Name()] = missing
			continue
		}
		c, err := enter(ctx, s, o)
		if err != nil {
			return nil, errors.Join(err, f.leave())
		}
		f.present[s.Name()] = c
		if c.Knock == nil {
			continue
		}
		if err := c.settle(ctx); err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", s.Name(), err), f.leave())
		}
	}
	return f, nil
}

func (f *field) leave() error {
	var errs []error
	for _, c := range f.present {
		errs = append(errs, c.leave())
	}
	return errors.Join(errs...)
}

// turns returns the contestants in another order for each round, so that
// nobody always comes after the same one.
func (f *field) turns(round int) []*contestant {
	var order []*contestant
	for i := range f.all {
		s := f.all[(i+round)%len(f.all)]
		if c := f.present[s.Name()]; c != nil {
			order = append(order, c)
		}
	}
	return order
}

// rows makes a row for each system, in the order of the tables.
func (f *field) rows(cells func(*contestant) []report.Cell) []report.Row {
	var rows []report.Row
	for _, s := range f.all {
		row := report.Row{Name: s.Name(), Remark: f.remarks[s.Name()]}
		if c := f.present[s.Name()]; c != nil {
			row.Cells = cells(c)
		}
		rows = append(rows, row)
	}
	return rows
}

// abouts tells version and configuration of all systems, or why they do not
// take part.
func (f *field) abouts() []report.System {
	var abouts []report.System
	for _, s := range f.all {
		about := report.System{Name: s.Name(), Missing: f.remarks[s.Name()]}
		if c := f.present[s.Name()]; c != nil {
			about = c.About
		}
		abouts = append(abouts, about)
	}
	return abouts
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
