package main

import (
	"context"
	"fmt"
	"net/netip"
	"os/exec"
	"time"

	"sallyport/client"
	"sallyport/internal/phrase"
)

// watch keeps doors open.
type watch struct {
	std     stdio
	profile *client.Profile
	opts    client.Options
	local   func(server netip.AddrPort) netip.Addr // the address that packets to the server leave from
	look    time.Duration                          // how often to look whether it has changed

	warn string // the program to run when a door is going to close; empty: none

	sources map[string]bool // what has been reported
	ends    time.Time       // when the first door closes, if nothing is answered
	warned  bool            // since the last answer
}

// run knocks until ctx ends. The first knock has to succeed; later ones may
// fail for a while, as on the way from one network to another.
func (w *watch) run(ctx context.Context) error {
	result, err := client.Knock(ctx, w.profile, w.opts)
	if err != nil {
		return err
	}
	return w.keep(ctx, result)
}

// keep goes on from a first result, and gives back what is open when ctx ends.
func (w *watch) keep(ctx context.Context, result client.Result) error {
	w.sources = map[string]bool{}
	for {
		w.tell(result)
		if !w.wait(ctx, result) {
			return w.giveBack()
		}
		again, err := client.Knock(ctx, w.profile, w.opts)
		switch {
		case ctx.Err() != nil:
			return w.giveBack()
		case err != nil:
			printError(w.std.err, err)
			w.announce(ctx, err)
			clear(w.sources) // what comes next is news
			again.Grants = nil
		}
		result = again
	}
}

// tell reports the doors that are open for an address that is new.
func (w *watch) tell(r client.Result) {
	now := map[string]bool{}
	var fresh client.Result
	fresh.Took = r.Took
	for _, g := range r.Grants {
		id := g.Door + " " + g.Source.String()
		now[id] = true
		if !w.sources[id] {
			fresh.Grants = append(fresh.Grants, g)
		}
	}
	for _, g := range fresh.Grants {
		fmt.Fprintf(w.std.out, "door %q is kept open for %s, answered in %s\n", g.Door, g.Source, milliseconds(r.Took))
	}
	if len(now) > 0 {
		w.sources, w.ends, w.warned = now, ends(r), false
	}
	warnOf(w.std.err, w.profile, r)
}

// ends returns when the first of the doors closes that are open now.
func ends(r client.Result) time.Time {
	first := r.Grants[0].For
	for _, g := range r.Grants {
		first = min(first, g.For)
	}
	return time.Now().Add(first)
}

// warnPatience is how long the program may take that shows a warning.
const warnPatience = 10 * time.Second

// announce runs the program that shows that a door is going to close.
func (w *watch) announce(ctx context.Context, cause error) {
	if w.warn == "" || w.warned {
		return
	}
	w.warned = true
	when := "now"
	if left := time.Until(w.ends); left > time.Second {
		when = "in " + phrase.Duration(left.Round(time.Second))
	}
	ctx, cancel := context.WithTimeout(ctx, warnPatience)
	defer cancel()
	text := fmt.Sprintf("%s closes %s: %v", w.profile.Name, when, cause)
	if err := exec.CommandContext(ctx, w.warn, text).Run(); err != nil && ctx.Err() == nil {
		printError(w.std.err, fmt.Errorf("--warn %s: %w", w.warn, err))
	}
}

// wait waits until it is time to knock again: with a third of the grant left,
// or when the address has changed. It returns false if ctx has ended.
func (w *watch) wait(ctx context.Context, r client.Result) bool {
	due, servers := time.Second, map[netip.AddrPort]netip.Addr{}
	for i, g := range r.Grants {
		if left := g.For * 2 / 3; i == 0 || left < due {
			due = left
		}
		servers[g.Server] = w.local(g.Server)
	}
	timer := time.NewTimer(due)
	defer timer.Stop()
	ticker := time.NewTicker(w.look)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-timer.C:
			return true
		case <-ticker.C:
			for server, before := range servers {
				if w.local(server) != before {
					return true
				}
			}
		}
	}
}

// giveBack closes what is open.
func (w *watch) giveBack() error {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	opts := w.opts
	opts.Timeout = 2 * time.Second
	result, err := client.Close(ctx, w.profile, opts)
	printClosed(w.std, result)
	return err
}
