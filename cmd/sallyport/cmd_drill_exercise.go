//go:build linux && !client_only

package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"sallyport/internal/control"
	"sallyport/internal/event"
	"sallyport/internal/inert"
	"sallyport/internal/lang"
	"sallyport/internal/phrase"
)

// exercise raises a finding that is none, through everything that carries findings,
// and waits until someone acknowledges it.
func (c *drillCommand) exercise(ctx context.Context) error {
	severity := event.Severity(c.severity)
	if severity.Rank() < 0 {
		return usageError{fmt.Errorf("--severity %q: want info, low, medium, high or critical", c.severity)}
	}
	conn, err := dial(c.config)
	if err != nil {
		return err
	}
	a, err := conn.Exercise(ctx, control.ExerciseRequest{Severity: severity})
	if err != nil {
		return fmt.Errorf("raise the finding of an exercise: %w", err)
	}
	l := c.lang.get()
	out := c.std.out
	if c.asJSON {
		out = c.std.err
	}
	fmt.Fprintln(out, l.Sayf("Finding %s (%s) is raised: it is in the log and in the journal, and goes to %d webhooks and %d hooks.", a.Finding.ID, severity, a.Webhooks, a.Hooks))
	if a.Spared > 0 {
		fmt.Fprintln(out, l.Sayf("%d hooks for findings are not run: exercise = true would have them run.", a.Spared))
	}
	if a.Webhooks+a.Hooks == 0 {
		return hinted{fmt.Errorf("nobody is notified of findings of severity %s", severity), "a [[webhook]] or a [[hook]] with exercise = true carries them further"}
	}
	if *c.wait == 0 {
		return nil
	}
	fmt.Fprintln(out, l.Sayf("The one who sees it is to run: sallyport findings ack %s. Waiting for %s at most.", a.Finding.ID, phrase.Duration(*c.wait)))
	f, err := c.acknowledged(ctx, a.Finding)
	if err != nil {
		return err
	}
	if c.asJSON {
		printJSON(c.std.out, f)
		return nil
	}
	fmt.Fprintln(out, l.Sayf("Acknowledged by %s after %s.", inert.Text(f.By), phrase.Duration(f.At.Sub(f.First).Round(time.Second))))
	return nil
}

// acknowledged waits until a finding has been acknowledged.
func (c *drillCommand) acknowledged(ctx context.Context, f event.Finding) (event.Finding, error) {
	ended := time.NewTimer(*c.wait)
	defer ended.Stop()
	every := time.NewTicker(time.Second)
	defer every.Stop()
	for {
		list, err := c.exercises(ctx)
		if err != nil {
			return f, err
		}
		for _, g := range list {
			if g.ID == f.ID && g.Acknowledged {
				return g, nil
			}
		}
		select {
		case <-ctx.Done():
			return f, ctx.Err()
		case <-ended.C:
			return f, fmt.Errorf("nobody has acknowledged the finding %s within %s", f.ID, phrase.Duration(*c.wait))
		case <-every.C:
		}
	}
}

// exercises lists the exercises that the journal still has, the latest first.
func (c *drillCommand) exercises(ctx context.Context) ([]event.Finding, error) {
	r, err := (&journalPlace{config: c.config}).open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	list, err := r.Findings(ctx, true)
	list = slices.DeleteFunc(list, func(f event.Finding) bool { return !f.Exercise() })
	slices.SortFunc(list, func(a, b event.Finding) int { return b.First.Compare(a.First) })
	return list, err
}

// printExercises prints who has acknowledged which exercise, and after how long.
func (c *drillCommand) printExercises(ctx context.Context) error {
	list, err := c.exercises(ctx)
	if err != nil {
		return err
	}
	if c.asJSON {
		printJSON(c.std.out, append([]event.Finding{}, list...))
		return nil
	}
	l := c.lang.get()
	if len(list) == 0 {
		fmt.Fprintln(c.std.out, l.Say("There has been no exercise."))
		return nil
	}
	table(c.std.out, func(row func(cells ...any)) {
		row(l.Say("RAISED"), l.Say("SEVERITY"), l.Say("FINDING"), l.Say("ACKNOWLEDGED BY"), l.Say("AFTER"))
		for _, f := range list {
			by, after := "-", "-"
			if f.Acknowledged {
				by = inert.Text(orDash(f.By))
			}
			if !f.At.IsZero() {
				after = phrase.Duration(f.At.Sub(f.First).Round(time.Second))
			}
			row(l.Time(f.First.Local(), lang.Second), l.Say(strings.ToUpper(inert.Text(string(f.Severity)))), inert.Text(f.ID), by, after)
		}
	})
	return nil
}
