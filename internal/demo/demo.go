//go:build linux

// Package demo shows the main job on real packets: a door that is closed, a
// scan that finds nothing, a knock, an open door, and a door that closes by
// itself although the daemon has been killed. It builds a lab, runs the real
// daemon in it, and checks each thing it says; whatever does not hold is an
// error. Nothing outside the lab is touched.
package demo

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"time"

	"sallyport/internal/lab"
	"sallyport/internal/packet"
	"sallyport/internal/phrase"
	"sallyport/internal/sender"
	"sallyport/internal/served"
)

// Options say how the story is run.
type Options struct {
	Out        io.Writer
	Color      bool
	Executable string    // the sallyport program
	Env        []string  // more environment for it
	Log        io.Writer // the daemon's log; nil: nowhere
	NoDaemon   bool      // for tests: leave the daemon out, so that the story must fail
}

// openFor is long enough to be seen and short enough to be waited for.
const openFor = 4 * time.Second

// door is where the guarded service is.
const door = 22

// story is one run. Call lab.Enter before.
type story struct {
	opts     Options
	print    printer
	lab      *lab.Lab
	dir      string
	sequence []packet.Port
	daemon   *served.Daemon
	session  net.Conn
	greeting *bufio.Reader
	opened   time.Time
}

// Run runs the whole story. The error names the step that did not hold.
func Run(ctx context.Context, opts Options) (err error) {
	d := &story{opts: opts, print: printer{opts.Out, opts.Color}}
	defer func() { err = errors.Join(err, d.close()) }()
	if err := d.setUp(); err != nil {
		return fmt.Errorf("set up the lab: %w", err)
	}
	began := time.Now()
	for i, step := range d.steps() {
		d.print.title(i+1, step.title)
		if err := step.do(ctx); err != nil {
			d.print.failed(err)
			return fmt.Errorf("step %d, %s: %w", i+1, step.title, err)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	d.print.end(time.Since(began))
	return nil
}

type step struct {
	title string
	do    func(context.Context) error
}

func (d *story) steps() []step {
	return []step{
		{"the door is closed", d.closedDoor},
		{"an attacker scans, and finds nothing", d.scan},
		{"the client knocks, and gets in", d.knock},
		{"the attacker is still outside", d.stillOutside},
		{"the kernel counts down", d.countdown},
		{"the daemon is killed; the door closes by itself", d.killed},
		{"the session that was let in lives on", d.livesOn},
		{"the daemon starts again; the door stayed closed", d.again},
	}
}

func (d *story) setUp() (err error) {
	if d.lab, err = lab.New(lab.Options{}); err != nil {
		return err
	}
	if d.dir, err = os.MkdirTemp("", "sallyport-demo-"); err != nil {
		return err
	}
	if _, err = d.lab.Gate.Greet(netip.AddrPortFrom(netip.IPv6Unspecified(), door)); err != nil {
		return err
	}
	if d.sequence, err = randomSequence(); err != nil {
		return err
	}
	if err := d.writeConfig(); err != nil {
		return err
	}
	d.print.intro(d)
	if d.opts.NoDaemon {
		return nil
	}
	d.daemon, err = served.Start(d.served())
	return err
}

func (d *story) close() error {
	var errs []error
	if d.session != nil {
		errs = append(errs, d.session.Close())
	}
	if d.daemon != nil {
		d.daemon.Kill()
	}
	if d.lab != nil {
		errs = append(errs, d.lab.Close())
	}
	if d.dir != "" {
		errs = append(errs, os.RemoveAll(d.dir))
	}
	return errors.Join(errs...)
}

// at is the door as a host sees it.
func at(h *lab.Host) netip.AddrPort { return netip.AddrPortFrom(h.Gate4, door) }

// glance is how long a silent port is given to answer.
const glance = 300 * time.Millisecond

// want requires that the door answers a host in one way.
func (d *story) want(h *lab.Host, want lab.Answer) error {
	got, err := h.Probe("tcp", at(h), glance)
	if err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("tcp/%d is %s for the %s, want %s", door, got, h.Name, want)
	}
	d.print.line("%-8s → tcp/%d: %s", h.Name, door, got)
	return nil
}

func (d *story) closedDoor(context.Context) error {
	for _, h := range []*lab.Host{d.lab.Client, d.lab.Attacker} {
		if err := d.want(h, lab.Silent); err != nil {
			return err
		}
	}
	return d.kernelSays()
}

func (d *story) scan(ctx context.Context) error {
	ports := scanOrder(d.sequence)
	open, err := scan(ctx, d.lab.Attacker, ports)
	if err != nil {
		return err
	}
	if len(open) > 0 {
		return fmt.Errorf("the scan found %v open", open)
	}
	d.print.line("%d ports scanned, the right knocks among them, in order: nothing open", len(ports))
	if err := d.want(d.lab.Attacker, lab.Silent); err != nil {
		return err
	}
	return d.kernelSays()
}

func (d *story) knock(ctx context.Context) error {
	err := d.lab.Client.Do(func() error {
		_, err := sender.Send(ctx, sender.Options{Host: d.lab.Client.Gate4.String(), Sequence: d.sequence, Gap: sender.DefaultGap})
		return err
	})
	if err != nil {
		return err
	}
	sent := time.Now()
	if err := d.connect(ctx); err != nil {
		return err
	}
	d.opened = sent
	d.print.line("%s", words(d.sequence))
	d.print.line("connected %.1f ms after the last knock; the service says %q", float64(time.Since(sent).Microseconds())/1000, trimmed(d.lab.Gate.Greeting()))
	return d.kernelSays()
}

// connect gets through the door, as soon as it is open.
func (d *story) connect(ctx context.Context) error {
	for deadline := time.Now().Add(2 * time.Second); time.Now().Before(deadline); {
		try, cancel := context.WithTimeout(ctx, 2*time.Millisecond) // a first SYN may still be dropped
		conn, err := d.lab.Client.Dial(try, "tcp", at(d.lab.Client).String())
		cancel()
		if err != nil {
			continue
		}
		d.session, d.greeting = conn, bufio.NewReader(conn)
		if line, err := d.greeting.ReadString('\n'); err != nil || line != d.lab.Gate.Greeting() {
			return fmt.Errorf("the service says %q, %v", line, err)
		}
		return nil
	}
	return errors.New("the door did not open for the right sequence")
}

func (d *story) stillOutside(context.Context) error { return d.want(d.lab.Attacker, lab.Silent) }

func (d *story) countdown(context.Context) error {
	s, err := d.status()
	if err != nil {
		return err
	}
	if len(s.Grants) != 1 || s.Grants[0].Source != d.lab.Client.IP4 {
		return fmt.Errorf("the kernel holds the grants %v, want one for %s", s.Grants, d.lab.Client.IP4)
	}
	d.print.line("%s may use %s for another %.1f s", s.Grants[0].Source, s.Grants[0].Door, time.Until(s.Grants[0].Until).Seconds())
	return nil
}

func (d *story) killed(ctx context.Context) error {
	d.daemon.Kill()
	d.daemon = nil
	d.print.line("kill -9: no daemon is running now")
	for {
		got, err := d.lab.Client.Probe("tcp", at(d.lab.Client), glance)
		if err != nil {
			return err
		}
		after := time.Since(d.opened)
		if got == lab.Silent {
			d.print.line("%-8s → tcp/%d: silent again, %.1f s after the knock", d.lab.Client.Name, door, (after - glance).Seconds())
			return nil
		}
		if after > openFor+2*time.Second || ctx.Err() != nil {
			return fmt.Errorf("the door is still open %.1f s after it was opened for %s", after.Seconds(), phrase.Duration(openFor))
		}
	}
}

func (d *story) livesOn(context.Context) error {
	const said = "still here"
	if err := d.session.SetDeadline(time.Now().Add(2 * time.Second)); err != nil {
		return err
	}
	if _, err := fmt.Fprintln(d.session, said); err != nil {
		return fmt.Errorf("the session is cut: %w", err)
	}
	line, err := d.greeting.ReadString('\n')
	if err != nil {
		return fmt.Errorf("the session is cut: %w", err)
	}
	d.print.line("client says %q, the service answers %q", said, trimmed(line))
	return nil
}

func (d *story) again(context.Context) (err error) {
	if err := d.want(d.lab.Attacker, lab.Silent); err != nil {
		return err
	}
	if d.daemon, err = served.Start(d.served()); err != nil {
		return err
	}
	if err := d.want(d.lab.Client, lab.Silent); err != nil {
		return err
	}
	return d.kernelSays()
}
