package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"sallyport/client"
)

// sentJSON is a rotating sequence for programs.
type sentJSON struct {
	Door   string    `json:"door"`
	Server string    `json:"server"`
	Knocks int       `json:"knocks"`
	Again  time.Time `json:"again"` // when the door can be knocked at again this way
}

// knockRotating sends rotating sequences and tells where.
func knockRotating(ctx context.Context, w io.Writer, p *client.Profile, opts client.Options, asJSON bool) error {
	sent, err := client.KnockRotating(ctx, p, opts)
	list := []sentJSON{}
	for _, s := range sent {
		list = append(list, sentJSON{s.Door, s.Server.String(), s.Knocks, s.Again})
	}
	if asJSON {
		printJSON(w, list)
		return err
	}
	for _, s := range sent {
		fmt.Fprintf(w, "%s: sent %s for door %q; the next sequence for it can be sent from %s on\n",
			s.Server, count(s.Knocks, "knock"), s.Door, s.Again.Local().Format(time.TimeOnly))
	}
	return err
}

// openDoor knocks the way a profile allows: by message, which is answered, or
// by rotating sequence, which is not.
func openDoor(ctx context.Context, p *client.Profile, opts client.Options) (client.Result, error) {
	if p.ServerKey != "" {
		return client.Knock(ctx, p, opts)
	}
	_, err := client.KnockRotating(ctx, p, opts)
	return client.Result{}, err
}
