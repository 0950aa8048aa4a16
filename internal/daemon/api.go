//go:build linux

package daemon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sallyport/internal/control"
	"sallyport/internal/event"
)

// serveAPI lets other systems end grants, where the configuration says so.
// That it cannot keeps no door from opening.
func (d *Daemon) serveAPI(ctx context.Context) error {
	a := d.config.Load().API
	if !a.Listen.IsValid() {
		return nil
	}
	server, err := control.ListenAPI(control.API{Address: a.Listen.String(), TokenFile: a.TokenFile, Cert: a.TLSCert, Key: a.TLSKey, Full: d.apiFull}, d, d.log)
	if err == nil {
		err = errors.Join(server.Run(ctx), server.Close())
	}
	if err != nil {
		d.problems.note("api", err.Error())
		d.events.put(event.Event{Time: time.Now(), Kind: event.KindFailure, Detail: err.Error()})
	}
	return nil
}

// apiFull notes that connections had to make room for others.
func (d *Daemon) apiFull() {
	d.problems.note("api is full", fmt.Sprintf("the API had more connections than it serves, last at %s: the oldest without a token made room; limit who can reach it", time.Now().Format(time.DateTime)))
}
