//go:build linux

package drill

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"sallyport/internal/control"
	"sallyport/internal/lab"
)

// patience is how long the daemon may take to start.
const patience = 10 * time.Second

// daemon is a running sallyport serve.
type daemon struct {
	cmd   *lab.Cmd
	ended chan error
}

func (d *drill) config() string { return filepath.Join(d.dir, "sallyport.toml") }

func (d *drill) writeConfig() error {
	var knocks []string
	for _, p := range d.sequence {
		knocks = append(knocks, fmt.Sprintf("%q", p))
	}
	text := fmt.Sprintf(`[daemon]
state_dir = %q
socket    = %q

[[door]]
name     = "ssh"
ports    = ["tcp/%d"]
open_for = %q
sequence = [%s]
`, filepath.Join(d.dir, "state"), filepath.Join(d.dir, "control.sock"), door, openFor, strings.Join(knocks, ", "))
	return os.WriteFile(d.config(), []byte(text), 0o600)
}

// start runs the real daemon on the gate and waits until it is ready.
func (d *drill) start() (*daemon, error) {
	path := filepath.Join(d.dir, "notify.sock")
	if err := os.RemoveAll(path); err != nil {
		return nil, err
	}
	ready, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return nil, err
	}
	defer ready.Close()
	var log bytes.Buffer
	cmd := d.lab.Gate.Command(context.Background(), d.opts.Executable, "serve", "-c", d.config())
	cmd.Env = append(append(os.Environ(), d.opts.Env...), "NOTIFY_SOCKET="+path, "STATE_DIRECTORY="+filepath.Join(d.dir, "state"))
	cmd.Stderr = &log
	if d.opts.Log != nil {
		cmd.Stderr = d.opts.Log
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	run := &daemon{cmd, make(chan error, 1)}
	go func() { run.ended <- cmd.Wait() }()
	if err := waitReady(ready); err != nil {
		run.kill()
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

// kill ends the daemon the hard way.
func (r *daemon) kill() {
	// It can only fail because the process has ended.
	_ = r.cmd.Process.Kill()
	<-r.ended
}

// status asks the daemon, which asks the kernel.
func (d *drill) status() (s control.Status, err error) {
	cmd := d.lab.Gate.Command(context.Background(), d.opts.Executable, "status", "--json", "-c", d.config())
	cmd.Env = append(os.Environ(), d.opts.Env...)
	out, err := cmd.Output()
	if err != nil {
		return s, fmt.Errorf("sallyport status: %w", err)
	}
	return s, json.Unmarshal(out, &s)
}

// kernelSays prints what the table holds and has dropped.
func (d *drill) kernelSays() error {
	s, err := d.status()
	if err != nil {
		return err
	}
	grants := "no grants"
	for _, g := range s.Grants {
		grants = fmt.Sprintf("granted { %s . tcp . %d timeout %.1fs }", g.Source, door, time.Until(g.Until).Seconds())
	}
	d.print.kernel("table inet sallyport: %s; %d packets dropped at the door", grants, s.Doors[0].Dropped)
	return nil
}
