//go:build linux

package inquiry

import (
	"context"
	"slices"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/control"
	"sallyport/internal/event"
	"sallyport/internal/journal"
	"sallyport/internal/report"
)

const (
	whyBack   = 24 * time.Hour
	whyEvents = 10_000 // looked at
)

// Why explains what lately came of a source, a client or a door.
func (i *Inquiry) Why(ctx context.Context, q control.WhyRequest) (a control.WhyAnswer, err error) {
	cfg, now := i.around.InForce(), time.Now()
	if q.Of == "" {
		return a, control.Wrong("give an address, a door or a client as of", "nothing says of what")
	}
	if q.Since.IsZero() {
		q.Since = now.Add(-whyBack)
	}
	of, known := whyOf(cfg, q.Of)
	a = control.WhyAnswer{Of: q.Of, Since: q.Since, Grants: []event.Grant{}, Reasons: []report.WhyReason{}, Events: []control.Happening{}}
	grants, _, err := i.around.Grants(ctx, now)
	if err != nil {
		return a, err
	}
	for _, g := range grants {
		if of.Concerns(g) {
			a.Grants = append(a.Grants, g)
		}
	}
	var said report.Why
	err = i.read(ctx, func(ctx context.Context, r *journal.Reader) error {
		for e, err := range r.Events(ctx, journal.Query{Since: q.Since, Source: of.Source, Door: of.Door, Client: of.Client, Limit: whyEvents}) {
			if err != nil {
				return err
			}
			said.Take(e.Event)
		}
		return nil
	})
	if err != nil {
		return a, err
	}
	said.Sort()
	a.Reasons = append(a.Reasons, said.Reasons...)
	for _, e := range said.Events {
		a.Events = append(a.Events, control.Happened(e))
	}
	if !known && len(a.Grants)+len(a.Events) == 0 {
		return a, control.Wrong("give an address, or a name out of clients or doors", "%q is neither an address nor a client nor a door", q.Of)
	}
	return a, nil
}

// whyOf finds out what is asked about. A name that the configuration has not is taken for
// a client's: it may be in the journal still.
func whyOf(cfg *config.Config, text string) (of report.WhyOf, known bool) {
	if p, err := prefix(text); err == nil {
		return report.WhyOf{Source: p}, true
	}
	if slices.ContainsFunc(cfg.Clients, func(c config.Client) bool { return c.Name == text }) {
		return report.WhyOf{Client: text}, true
	}
	if cfg.Door(text) != nil || slices.ContainsFunc(cfg.Groups, func(g config.Group) bool { return g.Name == text }) {
		return report.WhyOf{Door: text}, true
	}
	return report.WhyOf{Client: text}, false
}
