//go:build linux && !client_only

package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"sallyport/internal/config"
	"sallyport/internal/event"
	"sallyport/internal/journal"
	"sallyport/internal/lang"
	"sallyport/internal/report"
)

const (
	whyEvents = 10_000 // looked at

	summedUp = time.Minute // the journal's interval
)

func newWhy(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "why SOURCE|CLIENT|DOOR",
		Short:   "Explain why someone gets in, or does not",
		GroupID: "server",
		Long: `Says in plain words what lately came from an address (or a prefix), from a client, or to a door; what
was decided and why; and what that person should do. "me" is where this SSH session comes from.`,
		Example: `  sallyport why 192.0.2.7
  sallyport why me
  sallyport why alice --since 7d
  sallyport why ssh`,
		Args: args(cobra.ExactArgs(1)),
	}
	var place journalPlace
	place.journalFlags(cmd)
	since := cmd.Flags().String("since", "24h", "look so far back: a `TIME` as for events")
	asJSON := cmd.Flags().Bool("json", false, "print JSON")
	language := languageFlag(cmd)
	cmd.PreRunE = noneEmpty
	cmd.RunE = func(cmd *cobra.Command, list []string) error {
		if list[0] == "" {
			return usageError{errors.New("neither an address nor a client: the argument is empty")}
		}
		now := time.Now()
		w := why{Target: list[0], Grants: []event.Grant{}, Reasons: []report.WhyReason{}, Events: []eventLine{}}
		var err error
		if w.Since, err = parseWhen("--since", *since, now); err != nil {
			return usageError{err}
		}
		if err := w.read(cmd.Context(), &place); err != nil {
			return err
		}
		w.ask(cmd.Context(), place.config)
		if err := w.stranger(); err != nil {
			return err
		}
		if *asJSON {
			printJSON(std.out, w)
			return nil
		}
		w.lang, w.labels = language.get(), readLabels(place.config)
		w.print(std.out, now)
		return nil
	}
	return cmd
}

// why is the answer.
type why struct {
	Target  string             `json:"target"`
	Since   time.Time          `json:"since"`
	Daemon  bool               `json:"daemon"` // whether it answered, so that Grants are known
	Grants  []event.Grant      `json:"grants"`
	Reasons []report.WhyReason `json:"reasons"` // of refusals and ends, the latest first
	Events  []eventLine        `json:"events"`  // the latest ones, the oldest first

	source netip.Prefix // invalid: Target is a client or a door
	door   bool         // Target is a door
	said   report.Why
	known  []string  // clients and doors
	lang   lang.Lang // of the answer as text
	labels labels
}

func (w *why) read(ctx context.Context, place *journalPlace) error {
	q := journal.Query{Since: w.Since, Limit: whyEvents}
	if err := w.resolve(place.config); err != nil {
		return err
	}
	of := w.of()
	q.Source, q.Door, q.Client = of.Source, of.Door, of.Client
	r, err := place.open()
	if err != nil {
		return err
	}
	defer r.Close()
	for e, err := range r.Events(ctx, q) {
		if err != nil {
			return err
		}
		w.said.Take(e.Event)
	}
	if w.said.Used, err = w.usedBefore(ctx, r); err != nil {
		return err
	}
	w.said.Sort()
	w.Reasons = append(w.Reasons, w.said.Reasons...)
	for _, e := range w.said.Events {
		w.Events = append(w.Events, newEventLine(e))
	}
	return nil
}

// usedBefore reports whether a grant that is only renewed here, because a client keeps
// its door open, had been used by a connection before.
func (w *why) usedBefore(ctx context.Context, r *journal.Reader) (bool, error) {
	for _, g := range w.said.First {
		if w.said.Used || !g.Source.IsValid() {
			break
		}
		q := journal.Query{Source: netip.PrefixFrom(g.Source, g.Source.BitLen()), Client: g.Client, Door: g.Door, Until: g.Time,
			Kinds: []event.Kind{event.KindExpiry, event.KindRevocation}, Limit: 1}
		for e, err := range r.Events(ctx, q) {
			if err != nil {
				return false, err
			}
			q.Since = e.Time
		}
		q.Kinds, q.Limit = []event.Kind{event.KindUse}, whyEvents
		for e, err := range r.Events(ctx, q) {
			if err != nil {
				return false, err
			}
			w.said.Used = w.said.Used || e.Count.First.IsZero() // else it is the end of one
		}
	}
	return w.said.Used, nil
}

// resolve finds out what is asked about. Names that the configuration has not
// may be in the journal still.
func (w *why) resolve(path string) (err error) {
	if prefix, err := parseSource(w.Target); err == nil {
		w.source = prefix
		return nil
	}
	cfg, err := loadKnown(path)
	if err != nil { // a client, as far as is known
		return nil
	}
	w.door = findClient(cfg, w.Target) == nil && (cfg.Door(w.Target) != nil || slices.ContainsFunc(cfg.Groups, func(g config.Group) bool { return g.Name == w.Target }))
	w.known = knownNames(cfg)
	return nil
}

// stranger returns an error for a name that neither the configuration nor the
// journal has.
func (w *why) stranger() error {
	if w.source.IsValid() || w.door || len(w.Events)+len(w.Grants) > 0 || w.known == nil || slices.Contains(w.known, w.Target) {
		return nil
	}
	_, err := parseSource(w.Target)
	if !errors.Is(err, errSource) && w.Target != thisSession {
		return fmt.Errorf("%q: %w", w.Target, err)
	}
	if w.Target == thisSession {
		return err
	}
	return hinted{fmt.Errorf("%q is neither an address nor a client nor a door", w.Target), didYouMean(w.Target, w.known, thereAre("client or door", w.known))}
}

// ask adds what is granted now, if the daemon answers.
func (w *why) ask(ctx context.Context, config string) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	conn, err := dial(config)
	if err != nil {
		return
	}
	s, err := conn.Status(ctx)
	if err != nil {
		return
	}
	w.Daemon = true
	for _, g := range s.Grants {
		if w.of().Concerns(g) {
			w.Grants = append(w.Grants, g)
		}
	}
}

// of is what is asked about.
func (w *why) of() report.WhyOf {
	switch {
	case w.source.IsValid():
		return report.WhyOf{Source: w.source}
	case w.door:
		return report.WhyOf{Door: w.Target}
	}
	return report.WhyOf{Client: w.Target}
}
