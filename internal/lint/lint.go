// Package lint looks for what is wrong with a configuration that is valid:
// secrets that can be guessed, doors that nobody can open or that someone
// else holds shut, ways around a door, secrets that are overdue.
//
// What package config refuses cannot be loaded at all, and does not come here.
// Everything else is a Rule, with a name, a reason, a remedy, and an example
// that breaks it and one that does not: Rules lists them, Page writes them
// down for people. What was found on the host is handed in as Facts; without
// them the rules that need them are silent.
package lint

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"sallyport/internal/config"
)

// Severity says how much a problem matters.
type Severity string

// The severities, in falling order.
const (
	Error   Severity = "error"   // it does not work, or protects nothing
	Warning Severity = "warning" // it works, and there is a way to harm it
	Info    Severity = "info"    // worth knowing; may well be meant
)

// Severities lists them all, the gravest first.
var Severities = []Severity{Error, Warning, Info}

// AtLeast reports whether s is as grave as other, or graver.
func (s Severity) AtLeast(other Severity) bool {
	return slices.Index(Severities, s) <= slices.Index(Severities, other)
}

// Problem is one breach of a rule.
type Problem struct {
	Rule     string // its name
	Group    Group
	Severity Severity
	Place    config.Place
	Text     string // what is wrong, a sentence without the place
	Remedy   string // what to do about it
}

// Check applies every rule to a valid configuration as it is at a moment, and
// returns the problems, the gravest first and then by place. host may be nil.
func Check(cfg *config.Config, host *Facts, now time.Time) []Problem {
	return input{cfg, host, now}.apply(rules)
}

// Broken returns the problems by which something does not work at all,
// whatever the host is like.
func Broken(cfg *config.Config, now time.Time) []Problem {
	return input{cfg, nil, now}.apply(workRules)
}

func (in input) apply(rules []Rule) []Problem {
	var list []Problem
	for i := range rules {
		r := &rules[i]
		r.check(in, func(at config.Place, text string, options ...option) {
			p := Problem{r.Name, r.Group, r.Severity, at, text, r.Remedy}
			for _, set := range options {
				set(&p)
			}
			list = append(list, p)
		})
	}
	slices.SortStableFunc(list, func(a, b Problem) int {
		return cmp.Or(
			slices.Index(Severities, a.Severity)-slices.Index(Severities, b.Severity),
			strings.Compare(a.Place.File, b.Place.File),
			a.Place.Line-b.Place.Line,
		)
	})
	return list
}

// String returns "file:line: rule: text".
func (p Problem) String() string { return p.Place.String() + ": " + p.Rule + ": " + p.Text }

// input is what rules look at.
type input struct {
	*config.Config
	host *Facts // nil: unknown
	now  time.Time
}

// report tells a problem.
type report func(at config.Place, text string, options ...option)

// option changes what a rule says of itself for one problem.
type option func(*Problem)

func as(s Severity) option { return func(p *Problem) { p.Severity = s } }

func remedy(text string) option { return func(p *Problem) { p.Remedy = text } }
