//go:build linux && !client_only

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"sallyport/internal/atomicfile"
	"sallyport/internal/config"
	"sallyport/internal/conntrack"
	"sallyport/internal/control"
	"sallyport/internal/netstate"
	"sallyport/internal/observe"
	"sallyport/internal/packet"
	"sallyport/internal/phrase"
	"sallyport/internal/sender"
	"sallyport/internal/setup"
)

func newObserve(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "observe [--for TIME]",
		Short:   "Count who uses which port, before anything is closed",
		GroupID: "server",
		Long: `Counts who uses which port of this host, and closes nothing: it protects nothing. Afterwards
"sallyport observe report" says who would be shut out, which ports nobody uses, and which doors and
clients to make; "sallyport init --from-observed" proposes those doors.

It is no mode of the gate: it reads the kernel's table of connections, needs no configuration, and
touches no firewall. It adds to what was observed before.`,
		Example: "  sallyport observe --for 7d\n  sallyport observe report",
		Args:    args(cobra.NoArgs),
	}
	o := observer{seen: make(map[conntrack.Flow]struct{})}
	cmd.Flags().StringVar(&o.file, "file", defaultObserved, "`FILE` that keeps what was observed")
	cmd.Flags().StringVar(&o.socket, "socket", config.DefaultSocket, "`PATH` of the control socket, to see that no gate runs")
	limit := addDuration(cmd, "for", 0, "how long; 0s: until it is interrupted")
	cmd.PreRunE = noneEmpty
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return o.observe(cmd.Context(), std, *limit) }
	cmd.AddCommand(newObserveReport(std))
	return cmd
}

// maxSeen is how many connections are remembered as counted.
const maxSeen = 1 << 16

// observer puts connections into a record.
type observer struct {
	file, socket string

	mu     sync.Mutex
	record *observe.Record
	own    netstate.Own
	ports  []packet.Port
	seen   map[conntrack.Flow]struct{} // counted, and not ended yet
	saved  time.Time
}

func (o *observer) observe(ctx context.Context, std stdio, limit time.Duration) (err error) {
	if err := nothingRuns(ctx, o.socket); err != nil {
		return err
	}
	if o.record, err = readObserved(o.file); errors.Is(err, fs.ErrNotExist) {
		o.record, err = &observe.Record{Since: time.Now()}, nil
	}
	if err != nil {
		return advise(err)
	}
	if err := tracks(ctx); err != nil {
		return advise(err)
	}
	if err := o.look(); err != nil {
		return err
	}
	o.saved = time.Now()
	if err := o.save(); err != nil {
		return err
	}
	if limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	if err := o.run(ctx, std); err != nil {
		return err
	}
	fmt.Fprintf(std.out, "%s. See sallyport observe report.\n", sayNothingClosed)
	return nil
}

// nothingRuns refuses to observe beside a gate: what that closes is not seen,
// and would be taken for what nobody uses.
func nothingRuns(ctx context.Context, socket string) error {
	_, err := control.Dial(socket).Status(ctx)
	if err == nil {
		return hinted{errors.New("the gate runs, and what it closes cannot be observed"), "sallyport report and sallyport why say what it refuses"}
	}
	return nil
}

func (o *observer) run(ctx context.Context, std stdio) (err error) {
	w, err := conntrack.NewWatcher(o.ports)
	if err != nil {
		return advise(err)
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	if err := o.underWay(); err != nil {
		return err
	}
	fmt.Fprintf(std.out, "%s. Observing %s.\n", sayNothingClosed, phrase.Count(len(o.ports), "port"))
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	kept := make(chan error, 1)
	go func() {
		err := o.keep(ctx, w)
		cancel()
		kept <- err
	}()
	err = w.Run(ctx, o.take, o.lost)
	cancel()
	return errors.Join(err, <-kept, o.underWay(), o.save())
}

// underWay takes the connections that there are: those that began before the
// first report, and those whose report came too late for the end.
func (o *observer) underWay() error {
	flows, err := conntrack.Established(func(packet.Port) bool { return true })
	for _, f := range flows {
		f.Answered = true
		o.take(f)
	}
	return err
}

// keep saves once a minute, and looks for what has begun to listen.
func (o *observer) keep(ctx context.Context, w *conntrack.Watcher) error {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := errors.Join(o.look(), w.SetPorts(o.ports), o.save()); err != nil {
				return err
			}
		}
	}
}

// look finds out what listens, and which addresses are our own.
func (o *observer) look() error {
	host, err := setup.Look()
	if err != nil {
		return err
	}
	own, err := netstate.Addresses()
	if err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.own, o.ports = own, nil
	for _, s := range host.Services {
		if o.record.Listen(s.Port, s.Door) {
			o.ports = append(o.ports, s.Port)
		}
	}
	return nil
}

// take counts a connection from elsewhere once.
func (o *observer) take(f conntrack.Flow) {
	o.mu.Lock()
	defer o.mu.Unlock()
	name := f.Name()
	_, counted := o.seen[name]
	switch {
	case f.Ended:
		delete(o.seen, name)
	case !f.Answered, counted, f.Source.IsLoopback(), o.own.Contains(f.Source):
	default:
		if len(o.seen) == maxSeen {
			clear(o.seen) // some may be counted twice; memory stays bounded
		}
		o.seen[name] = struct{}{}
		o.record.Connection(time.Now(), f.Source, f.Port)
	}
}

func (o *observer) lost() {
	o.mu.Lock()
	o.record.Lost++
	o.mu.Unlock()
}

func (o *observer) save() error {
	o.mu.Lock()
	now := time.Now()
	o.record.Watch += now.Sub(o.saved)
	o.record.Latest, o.saved = now, now
	text, err := o.record.Encode()
	o.mu.Unlock()
	if err != nil {
		return err
	}
	return advise(atomicfile.Replace(o.file, text, atomicfile.Options{}))
}

// tracks makes sure that the kernel tracks connections here, with one of our own:
// it does so only where some firewall asks for it, and otherwise silence would be
// taken for what nobody uses.
func tracks(ctx context.Context) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("try whether connections are tracked: %w", sender.Cause(err))
	}
	defer listener.Close()
	at := listener.Addr().(*net.TCPAddr).AddrPort()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", at.String())
	if err != nil {
		return fmt.Errorf("try whether connections are tracked: %w", sender.Cause(err))
	}
	defer conn.Close()
	from := netip.MustParseAddrPort(conn.LocalAddr().String())
	flows, err := conntrack.List(func(p packet.Port) bool { return p.Number == at.Port() })
	if err != nil {
		return err
	}
	for _, f := range flows {
		if f.From == from.Port() {
			return nil
		}
	}
	return hinted{errors.New("the kernel does not track connections on this host, so nobody's could be counted"),
		"any firewall whose rules ask for the state of connections makes it do so; docs/OPERATIONS.md has three lines for nft"}
}
