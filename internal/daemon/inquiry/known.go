//go:build linux

package inquiry

import (
	"context"
	"net/netip"
	"time"

	"sallyport/internal/control"
	"sallyport/internal/event"
	"sallyport/internal/journal"
)

const (
	grantsBack   = 30 * 24 * time.Hour
	refusalsBack = 24 * time.Hour
	fewFindings  = 5
)

// Known returns what the journal has of the addresses with a prefix, for an operator who
// is to decide about one of them.
func (i *Inquiry) Known(ctx context.Context, of netip.Prefix) (control.Lookup, error) {
	now := time.Now()
	l := control.Lookup{Findings: []control.LookupFinding{}}
	err := i.read(ctx, func(ctx context.Context, r *journal.Reader) error {
		for e, err := range r.Events(ctx, journal.Query{Since: now.Add(-grantsBack), Source: of, Kinds: []event.Kind{event.KindGrant}, Limit: 1}) {
			if err != nil {
				return err
			}
			h := control.Happened(e.Event)
			l.Last = &h
		}
		for e, err := range r.Events(ctx, journal.Query{Since: now.Add(-refusalsBack), Source: of, Kinds: []event.Kind{event.KindRefusal}, Limit: mostEntries}) {
			if err != nil {
				return err
			}
			l.Refusals += max(e.Count.Packets, 1)
		}
		findings, err := r.Findings(ctx, false)
		for _, f := range findings {
			if f.Source.IsValid() && of.Contains(f.Source.Unmap()) && len(l.Findings) < fewFindings {
				l.Findings = append(l.Findings, control.LookupFinding{ID: f.ID, Rule: f.Rule, Severity: f.Severity, Explanation: f.Explanation})
			}
		}
		return err
	})
	return l, err
}
