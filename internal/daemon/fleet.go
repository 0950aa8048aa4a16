//go:build linux

package daemon

import (
	"context"
	"errors"
)

// prepareFleet refuses what is not built yet.
func (d *Daemon) prepareFleet(_ context.Context, c *change) (step, error) {
	if c.to.Fleet.On() {
		return step{}, errors.New("[fleet] is in the configuration, and this version cannot be part of a fleet: remove it")
	}
	return step{}, nil
}
