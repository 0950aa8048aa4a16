package report

import (
	"time"

	"sallyport/internal/event"
	"sallyport/internal/lang"
)

// Summary is the figures of a report, for programs.
type Summary struct {
	Host     string                  `json:"host"`
	Since    time.Time               `json:"since"`
	Until    time.Time               `json:"until"`
	Grants   uint64                  `json:"grants"`
	Renewals uint64                  `json:"renewals"` // of grants in force
	Used     uint64                  `json:"used"`
	Refusals map[event.Reason]uint64 `json:"refusals"`
	Packets  uint64                  `json:"packets"` // to closed ports
	Noisy    int                     `json:"noisy"`   // addresses
	Failures uint64                  `json:"failures"`
	Findings []event.Finding         `json:"findings"`
	Doors    []UseSummary            `json:"doors"`
	Clients  []UseSummary            `json:"clients"`
	Advice   []string                `json:"advice"`
}

// UseSummary is how a door, or a client, was used.
type UseSummary struct {
	Name     string    `json:"name"`
	Label    string    `json:"label,omitempty"`
	Grants   uint64    `json:"grants"`
	Refusals uint64    `json:"refusals"`
	Last     time.Time `json:"last,omitzero"`

	Fwknop     uint64    `json:"fwknop,omitempty"` // knocks with it
	LastFwknop time.Time `json:"last_fwknop,omitzero"`
}

// Summary returns the figures.
func (r *Report) Summary() Summary { return r.SummaryIn(lang.English) }

// SummaryIn returns the figures, with the advice in a language.
func (r *Report) SummaryIn(l lang.Lang) Summary {
	s := Summary{Host: r.Host, Since: r.Since, Until: r.Until, Grants: r.Grants, Renewals: r.Renewals, Used: r.Uses, Refusals: r.reasons, Packets: r.Packets,
		Noisy: r.Noisy(), Failures: r.Failures, Findings: r.Findings, Advice: r.advice(l), Doors: []UseSummary{}, Clients: []UseSummary{}}
	if s.Findings == nil {
		s.Findings = []event.Finding{}
	}
	for _, u := range r.DoorUse() {
		s.Doors = append(s.Doors, UseSummary{u.Name, u.Label, u.Grants, u.Refusals, u.Last, u.Fwknop, u.LastFwknop})
	}
	for _, u := range r.ClientUse() {
		s.Clients = append(s.Clients, UseSummary{u.Name, u.Label, u.Grants, u.Refusals, u.Last, u.Fwknop, u.LastFwknop})
	}
	return s
}
