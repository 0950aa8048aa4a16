package lint

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/phrase"
)

// Policy is the group of rules that an organisation makes for itself.
const Policy Group = "What the policy demands"

// Hold holds a configuration against what an organisation demands of it, and
// returns the breaches by place. All are errors: a policy means what it says.
func Hold(cfg *config.Config, want *config.Requirements, now time.Time) []Problem {
	p := policy{input{cfg, nil, now}, want}
	var list []Rule
	for _, r := range []struct {
		name, remedy string
		demanded     bool
		check        func(report)
	}{
		{"policy-ways", "remove it, or have the policy allow it", want.Ways != nil, p.ways},
		{"policy-grant", "shorten it", want.LongestGrant != 0, p.grants},
		{"policy-bits", "use more knocks, drawn at random from more ports: sallyport door rotate makes them", want.LeastBits != 0, p.bits},
		{"policy-age", "change it", want.OldestSecret != 0, p.age},
		{"policy-expiry", "give it an end that is near enough: expires", want.LongestExpiry != 0, p.expiry},
		{"policy-hours", "give the door hours, or each client that opens it", want.RequireHours, p.hours},
		{"policy-bound", "set require_bound = true in [spa]", want.RequireBound, p.bound},
		{"policy-security-key", "let in by a FIDO2 key (ed25519-sk) only", want.SecurityKeys != nil, p.securityKeys},
		{"policy-journal", "change keep in [journal]", want.ShortestJournal != 0 || want.LongestJournal != 0, p.journal},
	} {
		if r.demanded {
			list = append(list, Rule{Name: r.name, Group: Policy, Severity: Error, Remedy: r.remedy, check: func(_ input, tell report) { r.check(tell) }})
		}
	}
	return p.apply(list)
}

type policy struct {
	input
	want *config.Requirements
}

func (p policy) ways(tell report) {
	forbidden := func(at config.Place, who string, w config.Way) {
		if !p.want.Allows(w) {
			tell(at, fmt.Sprintf("%s opens by the way %q, and the policy allows %s only", who, w, join(p.want.Ways)))
		}
	}
	for _, s := range p.statics() {
		if s.once {
			continue // its door is named once, below
		}
		forbidden(s.place, s.title(), config.WayStatic)
	}
	for _, d := range p.Doors {
		if d.SequencesFile != "" {
			forbidden(d.Place, fmt.Sprintf("door %q", d.Name), config.WayOneTime)
		}
	}
	for i := range p.Clients {
		for _, w := range p.WaysOf(&p.Clients[i]) {
			forbidden(p.Clients[i].Place, fmt.Sprintf("client %q", p.Clients[i].Name), w)
		}
	}
}

func join(ways []config.Way) string {
	texts := make([]string, len(ways))
	for i, w := range ways {
		texts[i] = string(w)
	}
	return strings.Join(texts, ", ")
}

func (p policy) grants(tell report) {
	most := p.want.LongestGrant
	for _, d := range p.Doors {
		if d.OpenFor > most {
			tell(d.Place, fmt.Sprintf("door %q opens for %s, and the policy allows %s", d.Name, phrase.Duration(d.OpenFor), phrase.Duration(most)))
		}
	}
	for _, c := range p.Clients {
		if c.MaxOpen > most {
			tell(c.Place, fmt.Sprintf("client %q may open for %s, and the policy allows %s", c.Name, phrase.Duration(c.MaxOpen), phrase.Duration(most)))
		}
	}
}

func (p policy) bits(tell report) {
	least := float64(p.want.LeastBits)
	for _, s := range p.statics() {
		if got := bits(s.knocks); got < least {
			tell(s.place, fmt.Sprintf("%s has %.0f bits to guess, and the policy demands %.0f", s.title(), got, least))
		}
	}
	if got := p.Rotating.Bits(); p.Rotates() && got < least {
		tell(config.Place{File: p.Path}, fmt.Sprintf("rotating sequences have %.0f bits to guess, and the policy demands %.0f", got, least))
	}
}

// age asks as rotation_due does, with the policy's limit in its place.
func (p policy) age(tell report) {
	held := *p.Config
	held.Gate.RotationDue = p.want.OldestSecret
	for _, o := range held.Overdue(p.now) {
		what, limit := fmt.Sprintf("the sequence of door %q", o.Door), phrase.Duration(p.want.OldestSecret)
		if o.Client != "" {
			what = fmt.Sprintf("the rotating secret of client %q", o.Client)
		}
		if o.Changed.IsZero() {
			tell(o.Place, fmt.Sprintf("nobody knows how old %s is, and the policy allows %s", what, limit), remedy(o.Command()+", or set changed"))
		} else {
			tell(o.Place, fmt.Sprintf("%s is from %s, and the policy allows %s", what, o.Changed.Format(time.DateOnly), limit), remedy(o.Command()))
		}
	}
}

func (p policy) expiry(tell report) {
	most, limit := p.now.Add(p.want.LongestExpiry), phrase.Duration(p.want.LongestExpiry)
	for _, c := range p.Clients {
		switch {
		case c.Expires.IsZero():
			tell(c.Place, fmt.Sprintf("client %q never expires, and the policy demands an end within %s", c.Name, limit))
		case c.Expires.After(most):
			tell(c.Place, fmt.Sprintf("client %q expires on %s, and the policy demands an end within %s", c.Name, c.Expires.Format(time.DateOnly), limit))
		}
	}
}

func (p policy) hours(tell report) {
	ways := p.input.ways()
	for _, d := range p.Doors {
		if !d.Hours.IsZero() {
			continue
		}
		if ways[d.Name].static {
			tell(d.Place, fmt.Sprintf("a sequence opens door %q at any time, and the policy demands hours", d.Name))
		}
		for i := range p.Clients {
			if c := &p.Clients[i]; c.Hours.IsZero() && slices.Contains(c.Doors, d.Name) && len(p.WaysOf(c)) > 0 {
				tell(c.Place, fmt.Sprintf("client %q may open door %q at any time, and the policy demands hours", c.Name, d.Name))
			}
		}
	}
}

func (p policy) bound(tell report) {
	if p.SPA.Port != 0 && !p.SPA.RequireBound {
		tell(config.Place{File: p.Path}, "SPA messages need not name their source, and the policy demands that they do")
	}
}

func (p policy) journal(tell report) {
	keep, at := p.Journal.Keep, config.Place{File: p.Path}
	if least := p.want.ShortestJournal; keep < least {
		tell(at, fmt.Sprintf("the journal keeps %s, and the policy demands %s", phrase.Duration(keep), phrase.Duration(least)))
	}
	if most := p.want.LongestJournal; most != 0 && keep > most {
		tell(at, fmt.Sprintf("the journal keeps %s, and the policy allows %s", phrase.Duration(keep), phrase.Duration(most)))
	}
}

// securityKeys: where a FIDO2 key is demanded, no other way may lead past it.
func (p policy) securityKeys(tell report) {
	must := func(name string) bool {
		return slices.Contains(p.want.SecurityKeys, config.Everyone) || slices.Contains(p.want.SecurityKeys, name)
	}
	for i := range p.Clients {
		c := &p.Clients[i]
		if !must(c.Name) && !slices.ContainsFunc(c.Doors, must) && !slices.ContainsFunc(c.Groups, must) {
			continue
		}
		for _, w := range p.WaysOf(c) {
			if w != config.WaySPA && w != config.WaySTUN || !config.OnSecurityKey(c.Key) {
				tell(c.Place, fmt.Sprintf("client %q opens by the way %q without a FIDO2 key, and the policy demands one", c.Name, w))
			}
		}
	}
	ways := p.input.ways()
	for _, d := range p.Doors {
		grouped := slices.ContainsFunc(p.Groups, func(g config.Group) bool { return must(g.Name) && slices.Contains(g.Doors, d.Name) })
		if ways[d.Name].static && (must(d.Name) || grouped) {
			tell(d.Place, fmt.Sprintf("a sequence opens door %q without a FIDO2 key, and the policy demands one", d.Name))
		}
	}
	p.strangers(tell)
}

// strangers are names that nothing here has: the policy may be that of many
// gates, or the name is misspelt and protects nothing.
func (p policy) strangers(tell report) {
	for _, name := range p.want.SecurityKeys {
		client := slices.ContainsFunc(p.Clients, func(c config.Client) bool { return c.Name == name })
		if name != config.Everyone && !client && p.Door(name) == nil && p.Group(name) == nil {
			tell(config.Place{File: p.want.Path}, fmt.Sprintf("security_keys names %q, which is no client, group or door here", name), as(Info), remedy("correct the name if it is meant to be one of this gate"))
		}
	}
}
