//go:build linux

package drill

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/config"
	"sallyport/internal/control"
	"sallyport/internal/event"
	"sallyport/internal/journal"
	"sallyport/internal/lab"
	"sallyport/internal/packet"
	"sallyport/internal/served"
)

const (
	// glance is how long a silent port is given to answer.
	glance = 300 * time.Millisecond

	// patience is how long what must happen may take on a busy machine.
	patience = 20 * time.Second

	// settling is for how long doors are tried at least: the daemon may not have
	// judged the last packets yet.
	settling = 600 * time.Millisecond
)

// ground is where one attack happens: a lab with the real daemon on its gate.
type ground struct {
	*plan
	lab       *lab.Lab
	served    served.Options
	daemon    *served.Daemon
	control   *control.Conn
	undo      []func() error // what was done to the files
	wire      int            // a raw socket of the outer host
	outsiders []netip.Addr
	home      map[netip.Addr]bool // addresses that the outer host has
}

// prepare builds the lab and starts the daemon. Close it in any case.
func prepare(p *plan, opts Options) (g *ground, err error) {
	g = &ground{plan: p, wire: -1, home: make(map[netip.Addr]bool)}
	spoofed := []netip.Prefix{p.pool}
	for i := range p.Clients {
		if a, ok := p.plainHome(&p.Clients[i]); ok {
			spoofed = append(spoofed, netip.PrefixFrom(a, a.BitLen()))
		}
	}
	if g.lab, err = lab.New(lab.Options{Spoofed: spoofed}); err != nil {
		return g, err
	}
	dir, err := os.MkdirTemp("", "sallyport-drill-")
	if err != nil {
		return g, err
	}
	g.served = served.Options{Gate: g.lab.Gate, Executable: opts.Executable, Env: opts.Env, Dir: dir, Log: opts.Log}
	if g.served.Config, err = p.write(dir); err != nil {
		return g, err
	}
	g.control = control.Dial(filepath.Join(dir, "control.sock"))
	if err := g.openWire(); err != nil {
		return g, err
	}
	if err := g.serve(); err != nil {
		return g, err
	}
	return g, g.start()
}

// plainHome is the address of a client that may not knock from the pool.
func (p *plan) plainHome(c *config.Client) (netip.Addr, bool) {
	if c.From.IsZero() {
		return netip.Addr{}, false
	}
	a, ok := p.homeOf(c)
	return a, ok && !p.pool.Contains(a)
}

func (g *ground) start() (err error) {
	g.daemon, err = served.Start(g.served)
	return err
}

func (g *ground) kill() {
	if g.daemon != nil {
		g.daemon.Kill()
		g.daemon = nil
	}
}

func (g *ground) close() error {
	g.kill()
	var errs []error
	if g.wire >= 0 {
		errs = append(errs, unix.Close(g.wire))
	}
	if g.lab != nil {
		errs = append(errs, g.lab.Close())
	}
	for _, f := range g.undo {
		errs = append(errs, f())
	}
	if g.served.Dir != "" {
		errs = append(errs, os.RemoveAll(g.served.Dir))
	}
	return errors.Join(errs...)
}

// serve runs a service behind the first port of each door.
func (g *ground) serve() error {
	for _, d := range g.tried() {
		at := netip.AddrPortFrom(netip.IPv6Unspecified(), d.Ports[0].Number)
		var err error
		if d.Ports[0].Proto == packet.TCP {
			_, err = g.lab.Gate.Greet(at)
		} else {
			_, err = g.lab.Gate.Echo(at)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// tried are the doors that are tried: trying hundreds would take minutes.
func (g *ground) tried() []config.Door { return g.Doors[:min(len(g.Doors), 24)] }

// gate is the address that is attacked.
func (g *ground) gate() netip.Addr {
	if g.six {
		return g.lab.Attacker.Gate6
	}
	return g.lab.Attacker.Gate4
}

// outsider is a stranger for whom no door must open.
func (g *ground) outsider() netip.Addr {
	a := g.stranger()
	g.outsiders = append(g.outsiders, a)
	return a
}

// live makes an address one that connections can be made from.
func (g *ground) live(a netip.Addr) error {
	if g.home[a] {
		return nil
	}
	g.home[a] = true
	return g.lab.Attacker.AddAddress("eth0", netip.PrefixFrom(a, a.BitLen()))
}

// try connects to a port, as a client or a scanner would.
func (g *ground) try(from netip.Addr, port packet.Port) (lab.Answer, error) {
	if err := g.live(from); err != nil {
		return "", err
	}
	return g.lab.Attacker.ProbeFrom(from, port.Proto.String(), netip.AddrPortFrom(g.gate(), port.Number), glance)
}

// opened lists the doors that are open for an address. They are tried side by
// side: silence takes its time.
func (g *ground) opened(from netip.Addr) (list []string, err error) {
	if err := g.live(from); err != nil {
		return nil, err
	}
	doors := g.tried()
	answers, errs := make([]lab.Answer, len(doors)), make([]error, len(doors))
	var wg sync.WaitGroup
	for i, d := range doors {
		wg.Go(func() { answers[i], errs[i] = g.try(from, d.Ports[0]) })
	}
	wg.Wait()
	for i, d := range doors {
		if answers[i] == lab.Open {
			list = append(list, d.Name)
		}
	}
	return list, errors.Join(errs...)
}

// letIn waits until a door opens, which it has to.
func (g *ground) letIn(ctx context.Context, from netip.Addr, door string) error {
	d := g.Door(door)
	if d == nil || slices.IndexFunc(g.tried(), func(t config.Door) bool { return t.Name == door }) < 0 {
		return fmt.Errorf("door %q is not in the drill", door)
	}
	for deadline := time.Now().Add(patience / 4); ; {
		answer, err := g.try(from, d.Ports[0])
		if err != nil {
			return err
		}
		if answer == lab.Open {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if time.Now().After(deadline) {
			return shut{fmt.Errorf("door %q does not open for those who may open it", door)}
		}
	}
}

// shutsOut waits until nothing is open any more for one who had been let in, as long as a
// busy gate may take to judge what makes it so, and counts him among the outsiders from
// then on.
func (g *ground) shutsOut(ctx context.Context, from netip.Addr) error {
	for deadline := time.Now().Add(patience / 4); time.Now().Before(deadline) && ctx.Err() == nil; {
		open, err := g.opened(from)
		if err != nil {
			return err
		}
		if len(open) == 0 {
			break
		}
	}
	g.outsiders = append(g.outsiders, from)
	return ctx.Err()
}

// shut is the error of a gate that keeps the right ones out: what it is graded
// for, and not a drill that could not be carried out.
type shut struct{ error }

// ends ends all grants.
func (g *ground) ends(ctx context.Context) error {
	_, err := g.control.Revoke(ctx, control.RevokeRequest{All: true, Cut: true})
	return err
}

// findings returns what the daemon has found so far.
func (g *ground) findings(ctx context.Context) ([]event.Finding, error) {
	r, err := journal.OpenReader(filepath.Join(g.served.State(), "journal.db"))
	if errors.Is(err, journal.ErrNoJournal) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return r.Findings(ctx, true)
}

// banned reports whether an address is kept out.
func (g *ground) banned(ctx context.Context, a netip.Addr) (bool, error) {
	bans, err := g.control.Bans(ctx)
	return slices.ContainsFunc(bans, func(b event.Ban) bool { return b.Source.Contains(a) }), err
}

// hear sends a datagram from an ordinary socket and waits for an answer.
func (g *ground) hear(from netip.Addr, port uint16, payload []byte) (answered bool, err error) {
	if err := g.live(from); err != nil {
		return false, err
	}
	conn, err := g.lab.Attacker.ListenPacket("udp", netip.AddrPortFrom(from, 0).String())
	if err != nil {
		return false, err
	}
	defer conn.Close()
	if _, err := conn.WriteTo(payload, net.UDPAddrFromAddrPort(netip.AddrPortFrom(g.gate(), port))); err != nil {
		return false, err
	}
	if err := conn.SetReadDeadline(time.Now().Add(glance)); err != nil {
		return false, err
	}
	_, _, err = conn.ReadFrom(make([]byte, 2048))
	return err == nil, nil
}
