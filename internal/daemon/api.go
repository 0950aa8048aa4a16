//go:build linux

package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"sallyport/internal/control"
)

// apiServices let other systems end grants, where the configuration says so.
func (d *Daemon) apiServices(c *change) []service {
	a := c.to.API
	if !a.Listen.IsValid() {
		return nil
	}
	settings := control.API{Address: a.Listen.String(), TokenFile: a.TokenFile, Cert: a.TLSCert, Key: a.TLSKey, Full: d.apiFull}
	return []service{{subject: "api", key: fmt.Sprintf("API %q", []string{settings.Address, settings.TokenFile, settings.Cert, settings.Key}), open: func() (serving, error) {
		server, err := d.offerAPI(c, settings)
		if err != nil {
			return serving{}, err
		}
		return serving{
			run: func(ctx context.Context) error {
				d.api.Store(server)
				return errors.Join(server.Run(ctx), server.Close())
			},
			close: server.Close,
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
