//go:build linux && !client_only

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"sallyport/internal/detect"
	"sallyport/internal/event"
	"sallyport/internal/journal"
	"sallyport/internal/report"
	"sallyport/internal/siem"
)

const (
	followEvery = 250 * time.Millisecond
	newestShown = 100 // events, when nothing says since when
)

func newEventsCommand(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "events [-f] [--since TIME] [--source ADDRESS] [--client NAME] [--door DOOR]",
		Short:   "Show what has happened",
		GroupID: "server",
		Long: fmt.Sprintf(`Prints events from the journal, the oldest first; without --since, the newest %d. It reads the
file, so it works without the daemon too. Refusals that anybody can cause are summed up by source and minute.`, newestShown),
		Example: `  sallyport events -f
  sallyport events --since 2h --source 198.51.100.0/24
  sallyport events --since 2026-03-01 --kind grant,revocation --json
  sallyport events -f --format ecs >>/var/log/sallyport.ecs.json
  sallyport events verify`,
		Args: args(cobra.NoArgs),
	}
	c := eventsCommand{std: std}
	c.journalFlags(cmd)
	flags := cmd.Flags()
	flags.BoolVarP(&c.follow, "follow", "f", false, "go on with what happens")
	flags.StringVar(&c.since, "since", "", "not before this `TIME`: 30m, 2h or 7d ago, 2026-03-01, RFC 3339")
	flags.StringVar(&c.until, "until", "", "before this `TIME`")
	flags.StringVar(&c.source, "source", "", "only this `ADDRESS`, or prefix")
	flags.StringVar(&c.query.Door, "door", "", "only this `DOOR`")
	flags.StringVar(&c.query.Client, "client", "", "only this `CLIENT`")
	flags.StringSliceVar(&c.kinds, "kind", nil, "only these `KINDS`, such as grant,refusal")
	flags.StringSliceVar(&c.reasons, "reason", nil, "only these `REASONS`, such as replay")
	flags.IntVarP(&c.query.Limit, "limit", "n", 0, "the newest `N` (0: all since --since)")
	flags.BoolVar(&c.json, "json", false, "print JSON, one object a line")
	flags.StringVar(&c.format, "format", "", "print one object a line in the `SCHEMA` of a SIEM: ocsf or ecs")
	cmd.MarkFlagsMutuallyExclusive("json", "format")
	cmd.PreRunE = noneEmpty
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return c.run(cmd.Context(), time.Now()) }
	cmd.AddCommand(newVerify(std))
	return cmd
}

type eventsCommand struct {
	std stdio
	journalPlace
	query                journal.Query
	since, until, source string
	kinds, reasons       []string
	follow, json         bool
	format               string

	printer eventPrinter
}

func (c *eventsCommand) run(ctx context.Context, now time.Time) error {
	if err := c.parse(now); err != nil {
		return usageError{err}
	}
	c.printer = newEventPrinter(c.std.out, c.json)
	c.printer.format = siem.Format(c.format)
	r, err := c.open()
	for c.follow && errors.Is(err, journal.ErrNoJournal) && sleep(ctx, followEvery) {
		r, err = c.open()
	}
	if err != nil {
		return quietly(ctx, err)
	}
	defer func() { r.Close() }()
	last, err := r.Last(ctx)
	if err != nil {
		return err
	}
	if last, err = c.print(ctx, r, c.query, last); err != nil || !c.follow {
		if err == nil && c.printer.none() {
			fmt.Fprintln(c.std.out, "No events.")
		}
		return quietly(ctx, err)
	}
	return quietly(ctx, c.followOn(ctx, &r, last))
}

// sleep waits, and reports whether to go on.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// quietly takes the end that the user asked for as an end.
func quietly(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func (c *eventsCommand) print(ctx context.Context, r *journal.Reader, q journal.Query, last int64) (int64, error) {
	for e, err := range r.Events(ctx, q) {
		if err != nil {
			return last, err
		}
		if err := c.printer.print(e.Event); err != nil {
			return last, err
		}
		last = max(last, e.ID)
	}
	return last, c.printer.flush()
}

// followOn prints what is written from now on, also when a fresh file is begun.
func (c *eventsCommand) followOn(ctx context.Context, r **journal.Reader, last int64) error {
	every := time.NewTicker(followEvery)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-every.C:
		}
		if (*r).Replaced() {
			fresh, err := c.open()
			if err != nil {
				continue // being made just now
			}
			(*r).Close()
			*r, last = fresh, 0
		}
		q := c.query
		q.Limit, q.Since, q.After = 0, time.Time{}, last
		newest, err := (*r).Last(ctx)
		if err != nil {
			return err
		}
		if newest <= last {
			continue
		}
		if _, err = c.print(ctx, *r, q, last); err != nil {
			return err
		}
		last = newest
	}
}

// parse turns the flags into a query.
func (c *eventsCommand) parse(now time.Time) (err error) {
	if c.query.Since, err = parseWhen("--since", c.since, now); err != nil {
		return err
	}
	if c.query.Until, err = parseWhen("--until", c.until, now); err != nil {
		return err
	}
	if !c.query.Until.IsZero() && !c.query.Since.Before(c.query.Until) {
		return errNoTime
	}
	if c.format != "" && c.format != string(siem.OCSF) && c.format != string(siem.ECS) {
		return unknownWord("--format", c.format, []siem.Format{siem.OCSF, siem.ECS})
	}
	if c.query.Limit < 0 {
		return fmt.Errorf("--limit %d: want a number from 0", c.query.Limit)
	}
	if c.query.Limit == 0 && c.since == "" {
		c.query.Limit = newestShown
	}
	if c.source != "" {
		if c.query.Source, err = parseSource(c.source); err != nil {
			return fmt.Errorf("--source %q: %w", c.source, err)
		}
	}
	for _, k := range c.kinds {
		if !slices.Contains(event.Kinds(), event.Kind(k)) {
			return unknownWord("--kind", k, event.Kinds())
		}
		c.query.Kinds = append(c.query.Kinds, event.Kind(k))
	}
	for _, r := range c.reasons {
		if _, known := report.Explain(event.Reason(r)); !known {
			if slices.Contains(detect.Rules(), r) {
				return hinted{fmt.Errorf("--reason %q is not the reason of an event, but a rule of findings", r), "sallyport findings --rule " + r}
			}
			return unknownWord("--reason", r, report.Reasons())
		}
		c.query.Reasons = append(c.query.Reasons, event.Reason(r))
	}
	return nil
}
