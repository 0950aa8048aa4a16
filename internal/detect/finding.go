package detect

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"sallyport/internal/event"
	"sallyport/internal/lang"
)

const (
	// apart is how many findings of one rule are told apart at a time. What
	// comes beyond that is one finding: an attacker can pretend to be anybody.
	apart = 100

	// perDay is how many findings of one rule begin in a day, where strangers can
	// have them begin: each is kept, and someone is to read it.
	perDay = 200

	// tellEvery is how often a count that grows is told.
	tellEvery = 10 * time.Second

	maxEvidence = 5
)

// rule is something to look for.
type rule struct {
	name    string
	explain func(lang.Lang, *event.Finding) string // one sentence, without its end
	advice  string
	command func(*event.Finding) string // follows the advice, ready to paste; nil, or "": there is none
	quiet   time.Duration               // a finding is over when nothing has happened for so long
	beyond  *rule                       // what many findings of this rule amount to; nil: one finding about many
	least   event.Severity              // what is beyond others is at least that severe
	ours    bool                        // strangers alone do not lead here: it takes a client, an operator or the configuration
}

// subject is what a finding is about: there is one of each at a time.
type subject struct {
	rule   *rule
	source netip.Addr // of IPv6, the first of its /64 that was seen
	door   string
	client string
}

// raised is a finding that is not over.
type raised struct {
	event.Finding
	rule    *rule
	changed bool
}

// worse reports whether a is more severe than b.
func worse(a, b event.Severity) bool { return a.Rank() > b.Rank() }

// find returns the finding about a subject, or nil.
func (d *Detector) find(s subject) *raised {
	s.source = hostOf(s.source)
	return d.open[s]
}

// raise notes that a subject was seen n times more, and returns its finding.
func (d *Detector) raise(s subject, severity event.Severity, n uint64) *raised {
	return d.raiseSince(s, severity, n, d.now)
}

// raiseAll raises what has been counted up to a limit: with all of it the first
// time, and one by one from then on.
func (d *Detector) raiseAll(s subject, severity event.Severity, counted *tally) *raised {
	if f := d.find(s); f != nil && !worse(severity, f.Severity) {
		return d.raise(s, severity, 1)
	}
	return d.raise(s, severity, uint64(counted.n))
}

// raiseSince is raise for what began earlier.
func (d *Detector) raiseSince(s subject, severity event.Severity, n uint64, first time.Time) *raised {
	shown := s.source
	s.source = hostOf(s.source)
	f := d.open[s]
	switch {
	case f == nil && d.enough(s.rule):
		return d.raiseBeyond(s, severity, n)
	case f == nil:
		return d.begin(s, shown, severity, n, first)
	}
	f.count(d.now, n)
	if worse(severity, f.Severity) {
		f.Severity = severity
		d.tell(f)
	}
	return f
}

// enough reports whether further findings of a rule are not told apart.
func (d *Detector) enough(r *rule) bool {
	if d.now.Sub(d.dayBegan) >= 24*time.Hour {
		d.dayBegan = d.now
		clear(d.today)
	}
	return d.perRule[r] >= apart || !r.ours && d.today[r] >= perDay
}

func (d *Detector) begin(s subject, shown netip.Addr, severity event.Severity, n uint64, first time.Time) *raised {
	f := &raised{rule: s.rule, Finding: event.Finding{
		Rule: s.rule.name, Severity: severity, Source: shown, Door: s.door, Client: s.client,
		First: first, Last: d.now, Count: n, Hostile: !s.rule.ours,
	}}
	f.ID = idOf(&f.Finding)
	d.open[s] = f
	d.perRule[s.rule]++
	d.today[s.rule]++
	d.tell(f)
	return f
}

// raiseBeyond raises what too many findings of one rule amount to.
func (d *Detector) raiseBeyond(s subject, severity event.Severity, n uint64) *raised {
	many := subject{rule: s.rule}
	if s.rule.beyond != nil {
		many.rule = s.rule.beyond
	}
	if worse(many.rule.least, severity) {
		severity = many.rule.least
	}
	if d.open[many] == nil {
		return d.begin(many, netip.Addr{}, severity, n, d.now) // there is always room for this one
	}
	return d.raise(many, severity, n)
}

func (f *raised) count(now time.Time, n uint64) {
	f.Count += n
	f.Last = now
	f.changed = true
}

// because adds a line of evidence to a finding, once; the first few stay.
func (f *raised) because(format string, args ...any) {
	if line := fmt.Sprintf(format, args...); len(f.Evidence) < maxEvidence && !slices.Contains(f.Evidence, line) {
		f.Evidence = append(f.Evidence, line)
		f.changed = true
	}
}

// tell puts a finding among those that are returned.
func (d *Detector) tell(f *raised) {
	if !slices.Contains(d.news, f) {
		d.news = append(d.news, f)
	}
}

// told returns the findings to tell as they are now.
func (d *Detector) told() []event.Finding {
	if len(d.news) == 0 {
		return nil
	}
	d.out = written(d.out[:0], d.news)
	clear(d.news)
	d.news = d.news[:0]
	return d.out
}

// written appends findings with their sentence and a copy of the evidence.
func written(out []event.Finding, list []*raised) []event.Finding {
	slices.SortFunc(list, func(a, b *raised) int { return cmp.Or(a.First.Compare(b.First), cmp.Compare(a.ID, b.ID)) })
	for _, f := range list {
		f.Explanation = f.rule.sentence(lang.English, &f.Finding)
		f.Advice = f.rule.advise(lang.English, &f.Finding)
		f.changed = false
		out = append(out, f.Finding)
		out[len(out)-1].Evidence = slices.Clone(f.Evidence)
	}
	return out
}

// Counted returns the findings that have been told and have grown since, each
// once in a while.
func (d *Detector) Counted() []event.Finding {
	list := written(nil, d.grown)
	d.grown = nil
	return list
}

// review collects the findings that have changed, and forgets those that are over.
func (d *Detector) review() {
	due := d.now.Sub(d.reviewed) >= tellEvery
	if due {
		d.reviewed = d.now
	}
	for s, f := range d.open {
		over := d.now.Sub(f.Last) >= s.rule.quiet
		if f.changed && (due || over) && !slices.Contains(d.news, f) && !slices.Contains(d.grown, f) {
			d.grown = append(d.grown, f)
		}
		if over {
			delete(d.open, s)
			d.perRule[s.rule]--
		}
	}
}

// idOf names a finding: the same rule about the same subject has another name
// the next time.
func idOf(f *event.Finding) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s|%s|%s|%s|%d", f.Rule, f.Source, f.Door, f.Client, f.First.UnixNano()))
	return hex.EncodeToString(sum[:4])
}

// who names the source of a finding, with its client if that is known.
func who(l lang.Lang, f *event.Finding) string {
	switch {
	case f.Client != "" && f.Source.IsValid():
		return l.Sayf("client %q, at %s,", f.Client, f.Source)
	case f.Client != "":
		return l.Sayf("client %q", f.Client)
	case f.Source.IsValid():
		return f.Source.String()
	}
	return l.Sayf("each of more than %d others", apart)
}

// times writes a number: "once", "7 times".
func times(l lang.Lang, n uint64) string {
	if n == 1 {
		return l.Say("once")
	}
	return l.Sayf("%d times", n)
}
