//go:build linux

package demo

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"sallyport/internal/control"
	"sallyport/internal/phrase"
	"sallyport/internal/served"
)

func (d *story) config() string { return filepath.Join(d.dir, "sallyport.toml") }

func (d *story) writeConfig() error {
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
`, filepath.Join(d.dir, "state"), filepath.Join(d.dir, "control.sock"), door, phrase.Duration(openFor), strings.Join(knocks, ", "))
	return os.WriteFile(d.config(), []byte(text), 0o600)
}

func (d *story) served() served.Options {
	return served.Options{Gate: d.lab.Gate, Executable: d.opts.Executable, Env: d.opts.Env, Dir: d.dir, Config: d.config(), Log: d.opts.Log}
}

// status asks the daemon, which asks the kernel.
func (d *story) status() (control.Status, error) {
	return control.Dial(filepath.Join(d.dir, "control.sock")).Status(context.Background())
}

// kernelSays prints what the table holds and has dropped.
func (d *story) kernelSays() error {
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
