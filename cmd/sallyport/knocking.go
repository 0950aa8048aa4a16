package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"time"

	"sallyport/client"
	"sallyport/internal/phrase"
	"sallyport/internal/sender"
)

// printOpened prints what a server has opened.
func printOpened(w io.Writer, r client.Result) {
	for _, g := range r.Grants {
		single := ""
		if g.Single {
			single = " for one connection"
		}
		fmt.Fprintf(w, "%s for %s%s until %s (%s), answered in %s\n",
			screenOf(w).paint(green, fmt.Sprintf("door %q is open", g.Door)), g.Source, single, g.Until.Local().Format(time.TimeOnly), phrase.Duration(g.For.Round(time.Second)), milliseconds(r.Took))
	}
}

// milliseconds writes a short time: "0.9 ms".
func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}

// warnOf reports what will become a problem.
func warnOf(w io.Writer, p *client.Profile, r client.Result) {
	if r.OldKey {
		note(w, "the server is changing its key; fetch the profile %q again before the old key ends", p.Name)
	}
	skew := p.Skew
	if skew == 0 {
		skew = client.DefaultSkew
	}
	if r.Clock.Abs() > skew/2 {
		note(w, "this clock and the server's differ by %s; knocks fail from %s on", phrase.Duration(r.Clock.Abs().Round(time.Second)), phrase.Duration(skew))
	}
}

// grantJSON is a grant for programs.
type grantJSON struct {
	Door   string    `json:"door"`
	Source string    `json:"source"`
	Server string    `json:"server"`
	For    string    `json:"for"`
	Until  time.Time `json:"until"`
	Single bool      `json:"single"`
}

// answerJSON is a server's answer for programs.
type answerJSON struct {
	Grants []grantJSON `json:"grants"`
	Took   float64     `json:"took_ms"`
	Clock  float64     `json:"clock_ms"` // by how much the server's clock is ahead
	OldKey bool        `json:"old_key"`
}

func resultJSON(r client.Result) answerJSON {
	a := answerJSON{Grants: []grantJSON{}, Took: r.Took.Seconds() * 1000, Clock: r.Clock.Seconds() * 1000, OldKey: r.OldKey}
	for _, g := range r.Grants {
		a.Grants = append(a.Grants, grantJSON{g.Door, g.Source.String(), g.Server.String(), g.For.String(), g.Until.Round(time.Millisecond), g.Single})
	}
	return a
}

func printClosed(std stdio, r client.Result) {
	for _, g := range r.Grants {
		fmt.Fprintf(std.out, "door %q is closed for %s\n", g.Door, g.Source)
	}
}

// localAddress asks the routes of this host, without sending anything.
func localAddress(server netip.AddrPort) netip.Addr {
	local, _ := sender.Source(server)
	return local
}

// sendWhenUnused sends rotating sequences. Doors whose step is used up get the
// next one, when its time has come.
func sendWhenUnused(ctx context.Context, w io.Writer, p *client.Profile, opts client.Options) ([]client.Sent, error) {
	sent, err := client.KnockRotating(ctx, p, opts)
	var used *client.UsedStepError
	if !errors.As(err, &used) {
		return sent, err
	}
	wait := time.Until(used.Again)
	note(w, "the sequence of this half minute has been sent to door %q already; waiting %s for the next (Ctrl-C ends it)",
		used.Door, phrase.Duration(max(wait, time.Second)))
	select {
	case <-ctx.Done():
		return sent, ctx.Err()
	case <-time.After(wait):
	}
	opts.Doors = unsent(p, opts, sent)
	more, err := client.KnockRotating(ctx, p, opts)
	return append(sent, more...), err
}

// unsent returns the doors that have not been knocked at.
func unsent(p *client.Profile, opts client.Options, sent []client.Sent) []string {
	doors := opts.Doors
	if len(doors) == 0 {
		doors = p.Doors[:1]
	}
	return slices.DeleteFunc(slices.Clone(doors), func(door string) bool {
		return slices.ContainsFunc(sent, func(s client.Sent) bool { return s.Door == door })
	})
}
