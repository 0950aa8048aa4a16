//go:build linux

// Package served runs the real daemon on the gate of a lab, as a service
// manager would: a process of its own, with a state directory of its own, that
// says when it is ready.
package served

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"sallyport/internal/lab"
)

// patience is how long the daemon may take to start.
const patience = 30 * time.Second

// Options say what is run where.
type Options struct {
	Gate       *lab.Host
	Executable string    // the sallyport program
	Env        []string  // more environment for it
	Args       []string  // more arguments for its serve
	Dir        string    // for the state and the socket of the service manager
	Config     string    // the configuration file
	Log        io.Writer // the daemon's log; nil: nowhere
}

// State is the daemon's state directory.
func (o Options) State() string { return filepath.Join(o.Dir, "state") }

// Command prepares a command of sallyport on the gate.
func (o Options) Command(ctx context.Context, args ...string) *lab.Cmd {
	cmd := o.Gate.Command(ctx, o.Executable, args...)
	cmd.Env = append(append(os.Environ(), o.Env...), "STATE_DIRECTORY="+o.State())
	return cmd
}

// Daemon is a running sallyport serve.
type Daemon struct {
	cmd   *lab.Cmd
	ended chan error
}

// Start runs the daemon and waits until it is ready.
func Start(o Options) (*Daemon, error) {
	path := filepath.Join(o.Dir, "notify.sock")
	if err := os.RemoveAll(path); err != nil {
		return nil, err
	}
	ready, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return nil, err
	}
	defer ready.Close()
	var log head
	cmd := o.Command(context.Background(), append([]string{"serve", "-c", o.Config}, o.Args...)...)
	cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+path)
	cmd.Stderr = &log
	if o.Log != nil {
		cmd.Stderr = o.Log
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	run := &Daemon{cmd, make(chan error, 1)}
	go func() { run.ended <- cmd.Wait(); ready.Close() }()
	if err := waitReady(ready); err != nil {
		run.Kill()
		return nil, fmt.Errorf("the daemon does not start: %w\n%s", err, &log)
	}
	return run, nil
}

func waitReady(conn *net.UnixConn) error {
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	buf := make([]byte, 256)
	n, err := conn.Read(buf)
	if err == nil && !strings.HasPrefix(string(buf[:n]), "READY=1") {
		err = errors.New("it says " + string(buf[:n]))
	}
	return err
}

// Kill ends the daemon the hard way.
func (d *Daemon) Kill() {
	// It can only fail because the process has ended.
	_ = d.cmd.Process.Kill()
	<-d.ended
}

// Wait waits until the daemon has ended.
func (d *Daemon) Wait(ctx context.Context) error {
	select {
	case <-d.ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(patience):
		return errors.New("the daemon does not end")
	}
}

// Signal sends the daemon a signal.
func (d *Daemon) Signal(s os.Signal) error { return d.cmd.Process.Signal(s) }

// head keeps the beginning of a log: a daemon under attack writes without end.
type head struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (h *head) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if room := 16<<10 - h.b.Len(); room > 0 {
		h.b.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

func (h *head) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.b.String()
}
