//go:build linux

package daemon

import (
	"context"
	"net/netip"
	"time"

	"sallyport/internal/daemon/ban"
	"sallyport/internal/daemon/decoy"
	"sallyport/internal/daemon/services"
)

// decoyServices are the ports at which nothing is but what catches those who
// try them.
func (d *Daemon) decoyServices(c *change) (list []services.Service) {
	if !c.to.Ban.Enabled {
		return nil
	}
	for _, port := range c.to.Ban.Decoys {
		name := "decoy " + port.String()
		heard := func(from netip.Addr, said decoy.Said) { d.bans.Accuse(time.Now(), from, ban.Touched(port, said)) }
		list = append(list, services.Service{Subject: name, Key: name, Open: func() (services.Opened, error) {
			l, err := decoy.Listen(port)
			if err != nil {
				return services.Opened{}, err
			}
			return services.Opened{Run: func(ctx context.Context) error { decoy.Serve(ctx, l, heard); return nil }, Close: l.Close}, nil
		}})
	}
	return list
}
