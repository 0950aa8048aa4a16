//go:build linux && !client_only

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"sallyport/client"
	"sallyport/internal/config"
	"sallyport/internal/control"
	"sallyport/internal/event"
	"sallyport/internal/firewall"
	"sallyport/internal/inforce"
	"sallyport/internal/journal"
	"sallyport/internal/phrase"
)

// before is what is closed when setup begins to close.
type before uint8

const (
	nothing before = iota // it opens again if nobody gets in
	another               // another configuration closes doors, and does so again
	same                  // this very configuration closes its doors: there is nothing to try
)

// try closes the doors, and keeps them closed if the client gets in.
func (c *setupCommand) try(ctx context.Context, std stdio, conn *control.Conn) error {
	cfg, err := loadConfig(c.path)
	if err != nil {
		return advise(err)
	}
	was, err := startOver(c.path)
	if err != nil {
		return err
	}
	began := time.Now()
	daemon, err := c.serve(ctx, cfg, conn, was != same)
	if err != nil {
		return err
	}
	defer daemon.stop() // does nothing once it is kept
	if was == same {
		fmt.Fprintln(std.out, "\nThis very configuration was in force before, and its doors are closed: there is nothing to try.")
		return c.keep(std.out, daemon)
	}
	if err := c.await(ctx, std.out, cfg, began, was); err != nil {
		return err
	}
	if err := conn.Confirm(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("keep the configuration: %w", err)
	}
	return c.keep(std.out, daemon)
}

// await waits until the client has got in.
func (c *setupCommand) await(ctx context.Context, out io.Writer, cfg *config.Config, began time.Time, was before) error {
	wait := time.Duration(c.wait)
	fmt.Fprintf(out, "\nThe doors are closed, on trial for %s. This session goes on. In another terminal of your own machine:\n\n  sallyport ssh %s\n\n",
		phrase.Duration(wait), client.SuggestName(c.host))
	ctx, cancel := context.WithTimeout(ctx, wait-5*time.Second)
	defer cancel()
	use, err := c.gotIn(ctx, cfg, began)
	if err != nil {
		then := "so the doors open again"
		if was == another {
			then = "so the configuration before comes back"
		}
		return hinted{fmt.Errorf("nobody got in as client %q, %s: %w", c.enrolled.name, then, err),
			"on your own machine: sallyport doctor " + client.SuggestName(c.host) + "; the likeliest cause is a packet filter of the provider that keeps the SPA port out"}
	}
	fmt.Fprintf(out, "client %q got in from %s.\n", c.enrolled.name, use.Source)
	return nil
}

// endEarlierTry ends the daemon of a setup that was killed before anybody had got
// in, and opens what it closed: the profile may still have to be fetched. Any other daemon guards this server, and is not for setup to end.
func (c *setupCommand) endEarlierTry(ctx context.Context, out io.Writer, conn *control.Conn) error {
	status, err := conn.Status(ctx)
	if control.NotRunning(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("find out whether a daemon is running: %w", err)
	}
	pid, err := conn.Process(ctx)
	if err != nil {
		return err
	}
	r, err := inforce.Open(os.Getenv).Read()
	if err != nil {
		return advise(err)
	}
	switch {
	case r != nil && r.Path == c.path && status.Config == c.path && r.Good == nil && r.Tried != "":
	case r.Pending():
		return hinted{fmt.Errorf("a configuration is on trial until %s, by a daemon that is running (process %d)", r.Until.Local().Format(time.TimeOnly), pid),
			"if you get in through a new connection, keep it: sallyport confirm; else wait until it is rolled back, and run setup again"}
	default:
		return hinted{fmt.Errorf("a daemon guards this server already (process %d, configuration %s)", pid, status.Config),
			fmt.Sprintf("change what it does with sallyport reload --confirm 5m; or stop it, which leaves the doors closed (systemctl stop sallyport, or kill %d), and run setup again", pid)}
	}
	if err := takeDown(ctx, conn, control.DownRequest{}); err != nil {
		return fmt.Errorf("end the daemon of an earlier setup (process %d): %w", pid, err)
	}
	fmt.Fprintf(out, "An earlier setup was broken off before anybody had got in: its daemon (process %d) is ended, its doors are open again, and setup goes on.\n", pid)
	return nil
}

// startOver finds out what is closed, and writes down that a trial which nobody has
// confirmed is to be made again: else the daemon would take what it finds for what
// was rolled back. Where nothing is closed now, a trial goes back to that, whatever
// was in force once.
func startOver(path string) (before, error) {
	kept := inforce.Open(os.Getenv)
	r, err := kept.Read()
	if err != nil {
		return nothing, advise(err)
	}
	closed, err := tableIsThere()
	if err != nil {
		return nothing, err
	}
	switch {
	case r == nil && !closed:
		return nothing, nil
	case closed && (r == nil || r.Path != path):
		return nothing, hinted{errors.New("doors are closed already, by another configuration"), "open them with sallyport down, and run setup again"}
	case !closed || r.Good == nil:
		return nothing, advise(kept.Write(&inforce.Record{Path: path}))
	}
	_, files, err := kept.Load(path)
	if err != nil {
		return nothing, advise(err)
	}
	if r.Good.Digest() == files.Digest() && !r.Pending() {
		return same, nil
	}
	return another, advise(kept.Write(&inforce.Record{Path: path, Good: r.Good, Since: r.Since}))
}

// tableIsThere reports whether the firewall table of a daemon is in the kernel.
func tableIsThere() (bool, error) {
	f, err := firewall.New(slog.New(slog.DiscardHandler), firewall.Options{})
	if err != nil {
		return false, err
	}
	defer f.Close()
	return f.Present()
}

// trialDaemon is the daemon that runs while it is not certain that it may.
type trialDaemon struct {
	cmd   *exec.Cmd
	ended chan error
	kept  bool
}

// serve starts the daemon in a session of its own, so that a connection that is
// lost does not end it.
func (c *setupCommand) serve(ctx context.Context, cfg *config.Config, conn *control.Conn, trial bool) (*trialDaemon, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	logFile := filepath.Join(cfg.Daemon.StateDir, "setup.log")
	log, err := os.OpenFile(logFile, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, advise(err)
	}
	defer log.Close()
	args := []string{"serve", "-c", c.path}
	if trial {
		args = append(args, "--confirm", time.Duration(c.wait).String())
	}
	t := &trialDaemon{cmd: exec.Command(self, args...), ended: make(chan error, 1)}
	t.cmd.Stdout, t.cmd.Stderr = log, log
	t.cmd.SysProcAttr = ownSession()
	if err := t.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the daemon: %w", err)
	}
	go func() { t.ended <- t.cmd.Wait() }()
	for {
		if _, err := conn.Status(ctx); err == nil {
			return t, nil
		}
		select {
		case <-ctx.Done():
			t.stop()
			return nil, ctx.Err()
		case <-t.ended:
			said, _ := os.ReadFile(logFile)
			return nil, hinted{errors.New("the daemon did not start; what is closed is as before"), lastLine(string(said))}
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

// stop ends the daemon; what is confirmed stays closed, what is not opens when
// its time is over.
func (t *trialDaemon) stop() {
	if t.kept {
		return
	}
	t.kept = true
	if t.cmd.Process.Signal(syscall.SIGTERM) == nil {
		<-t.ended
	}
}

// gotIn waits until a connection has used a grant of the client, from a source
// that needed one.
func (c *setupCommand) gotIn(ctx context.Context, cfg *config.Config, since time.Time) (event.Event, error) {
	for {
		if r, err := journal.OpenReader(cfg.Journal.Path); err == nil {
			use, found := c.used(ctx, r, cfg, since)
			r.Close()
			if found {
				return use, nil
			}
		}
		select {
		case <-ctx.Done():
			return event.Event{}, context.Cause(ctx)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func (c *setupCommand) used(ctx context.Context, r *journal.Reader, cfg *config.Config, since time.Time) (event.Event, bool) {
	for e, err := range r.Events(ctx, journal.Query{Since: since, Client: c.enrolled.name, Kinds: []event.Kind{event.KindUse}}) {
		if err == nil && !cfg.Trusts(e.Source) {
			return e.Event, true
		}
	}
	return event.Event{}, false
}
