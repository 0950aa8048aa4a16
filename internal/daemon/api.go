//go:build linux

package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"sallyport/internal/control"
	"sallyport/internal/daemon/services"
)

// apiServices let other systems end grants, where the configuration says so.
func (d *Daemon) apiServices(c *change) []services.Service {
	a := c.to.API
	if !a.Listen.IsValid() {
		return nil
	}
	settings := control.API{Address: a.Listen.String(), TokenFile: a.TokenFile, Cert: a.TLSCert, Key: a.TLSKey, Full: d.apiFull}
	return []services.Service{{Subject: "api", Key: fmt.Sprintf("API %q", []string{settings.Address, settings.TokenFile, settings.Cert, settings.Key}), Open: func() (services.Opened, error) {
		server, err := d.offerAPI(c, settings)
		if err != nil {
			return services.Opened{}, err
		}
		return services.Opened{
			Run: func(ctx context.Context) error {
				d.api.Store(server)
				return errors.Join(server.Run(ctx), server.Close())
			},
			Close: server.Close,
		}, nil
	}}}
}

// offerAPI listens, where the address stays beside the server before.
func (d *Daemon) offerAPI(c *change, settings control.API) (*control.Server, error) {
	if before := d.api.Load(); before != nil && c.from != nil && c.from.API.Listen == c.to.API.Listen {
		if s, err := before.Again(settings); err == nil || !errors.Is(err, net.ErrClosed) {
			return s, err
		}
	}
	return control.ListenAPI(settings, d, d.log)
}

// apiFull notes that connections had to make room for others.
func (d *Daemon) apiFull() {
	d.problems.Note("api is full", fmt.Sprintf("the API had more connections than it serves, last at %s: the oldest without a token made room; limit who can reach it", time.Now().Format(time.DateTime)))
}
