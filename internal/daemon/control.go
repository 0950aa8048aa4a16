//go:build linux

package daemon

import (
	"context"
	"errors"
	"fmt"

	"sallyport/internal/control"
)

// Reload reads the configuration again, or reports what would change.
func (d *Daemon) Reload(ctx context.Context, q control.ReloadRequest) (control.ReloadAnswer, error) {
	var a control.ReloadAnswer
	var err error
	if q.DryRun {
		a, err = d.dryRun(q)
	} else {
		a, err = d.reload(ctx, q)
	}
	if e := (*control.Error)(nil); err != nil && !errors.As(err, &e) {
		err = &control.Error{Text: fmt.Sprintf("the old configuration goes on: %v", err)}
	}
	return a, err
}

// Confirm keeps the configuration that is on trial.
func (d *Daemon) Confirm(ctx context.Context) error { return d.trial.Confirm(ctx) }

// Down removes the table, which opens everything, and ends the daemon. What was
// in force is forgotten only if the operator says so.
func (d *Daemon) Down(_ context.Context, q control.DownRequest) (struct{}, error) {
	d.trial.Changing.Lock()
	defer d.trial.Changing.Unlock()
	if d.isDown() {
		return struct{}{}, nil
	}
	if q.Forget {
		if err := d.kept.Forget(); err != nil {
			return struct{}{}, err
		}
	}
	if err := d.firewall.Down(); err != nil {
		return struct{}{}, err
	}
	if err := d.moat.Remove(); err != nil {
		d.log.Warn("the moat could not be taken off all interfaces", "error", err)
	}
	close(d.down)
	return struct{}{}, nil
}
