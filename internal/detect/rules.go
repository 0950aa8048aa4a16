package detect

import (
	"sallyport/internal/event"
	"sallyport/internal/lang"
)

// rules are all that there are, in the order of docs/FINDINGS.md.
func rules() []*rule {
	return []*rule{scanFast, scanSlow, scanDistributed, guesses, guessesDistributed, nearMiss, replays, interception, roaming, usedInvite, clocks,
		stranger, forbiddenDoor, forbiddenPlace, twoPlaces, newCountry, neverUsed, failedLogins, overdue, exposed, floods, exercise}
}

// Rules returns the names of the rules.
func Rules() []string {
	var names []string
	for _, r := range rules() {
		names = append(names, r.name)
	}
	return names
}

// In returns a finding with its explanation and advice in another language. The
// evidence stays as it was written down, and so does all of a rule that another
// version had.
func In(l lang.Lang, f event.Finding) event.Finding {
	if l != lang.Japanese {
		return f
	}
	for _, r := range rules() {
		if r.name == f.Rule {
			f.Explanation = r.sentence(l, &f)
			f.Advice = r.advise(l, &f)
		}
	}
	return f
}

// advise is what to do, with the command for it.
func (r *rule) advise(l lang.Lang, f *event.Finding) string {
	text := l.Say(r.advice)
	if r.command != nil {
		if command := r.command(f); command != "" {
			return l.Sayf("%s The command: %s", text, command)
		}
	}
	return text
}

func (r *rule) sentence(l lang.Lang, f *event.Finding) string { return l.Sayf("%s.", r.explain(l, f)) }
