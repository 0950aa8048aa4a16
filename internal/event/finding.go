package event

import (
	"net/netip"
	"slices"
	"time"
)

// Severity says how soon someone should look at a finding.
type Severity string

// The severities, from the least to the most.
const (
	Info     Severity = "info"     // ordinary; kept for the report
	Low      Severity = "low"      // worth a look this week
	Medium   Severity = "medium"   // worth a look today
	High     Severity = "high"     // someone is attacking, or a secret is no longer secret
	Critical Severity = "critical" // act now
)

// Severities returns every severity, from the least to the most.
func Severities() []Severity { return []Severity{Info, Low, Medium, High, Critical} }

// Rank is the place of a severity among Severities, and -1 for what is none.
func (s Severity) Rank() int { return slices.Index(Severities(), s) }

// AtLeast reports whether a severity is as high as another, or higher.
func (s Severity) AtLeast(least Severity) bool { return s.Rank() >= least.Rank() }

// RuleExercise is the rule of findings that an operator has raised, to try who hears
// of them. Nothing has happened, and nothing follows from them.
const RuleExercise = "exercise"

// Exercise reports whether a finding is one.
func (f *Finding) Exercise() bool { return f != nil && f.Rule == RuleExercise }

// Finding is something worth a look. It is raised once, and counts what
// belongs to it afterwards.
type Finding struct {
	ID           string     `json:"id"`   // short, stable for rule and subject until the finding is over
	Rule         string     `json:"rule"` // such as "scan-slow"
	Severity     Severity   `json:"severity"`
	Source       netip.Addr `json:"source,omitzero"`
	Door         string     `json:"door,omitempty"`
	Client       string     `json:"client,omitempty"`
	First        time.Time  `json:"first"`
	Last         time.Time  `json:"last"`
	Count        uint64     `json:"count"`       // how often it was seen, at least 1
	Explanation  string     `json:"explanation"` // one sentence
	Advice       string     `json:"advice"`      // what to do
	Evidence     []string   `json:"evidence,omitempty"`
	Acknowledged bool       `json:"acknowledged"`
	By           string     `json:"acknowledged_by,omitempty"` // the user; empty: it is not acknowledged, or by a version that did not record who
	At           time.Time  `json:"acknowledged_at,omitzero"`
	Hostile      bool       `json:"-"` // strangers can have it raised, in any address's name
}
