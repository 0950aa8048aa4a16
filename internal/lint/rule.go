package lint

import (
	"slices"
	"strings"
)

// Rule is one thing that is looked for.
type Rule struct {
	Name     string // a few words with hyphens; does not change
	Group    Group
	Severity Severity // of most of its problems
	Summary  string   // what is wrong, in a line
	Why      string   // what comes of it
	Remedy   string
	Bad      Example // breaks the rule
	Good     Example // differs in what matters, and does not

	check func(in input, tell report)
}

// Group is what a rule is about.
type Group string

// The groups, in the order of the documentation.
const (
	Works     Group = "What does not work"
	Sequences Group = "Sequences that can be guessed"
	Access    Group = "Who gets in, and for how long"
	Host      Group = "What else happens on the host"
	Care      Group = "What is due"
)

// Example is a configuration, and what the host is like.
type Example struct {
	Config string
	Host   *Facts            // nil: it does not matter
	Files  map[string]string // others that the configuration names
}

// Rules returns every rule, by group. The list must not be changed.
func Rules() []Rule { return rules }

// Named returns the rule of that name.
func Named(name string) (Rule, bool) {
	i := slices.IndexFunc(rules, func(r Rule) bool { return r.Name == name })
	if i < 0 {
		return Rule{}, false
	}
	return rules[i], true
}

// Names returns the names of all rules, sorted.
func Names() []string {
	list := make([]string, len(rules))
	for i, r := range rules {
		list[i] = r.Name
	}
	slices.SortFunc(list, strings.Compare)
	return list
}

// rules is every rule, in the order of groups.
var rules = slices.Concat(workRules, sequenceRules, accessRules, hostRules, reachRules, needRules, keptRules, consoleRules, careRules)
