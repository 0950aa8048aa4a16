//go:build linux

package drill

import (
	"fmt"
	"slices"
	"time"

	"sallyport/internal/consent"
	"sallyport/internal/control"
	"sallyport/internal/event"
	"sallyport/internal/packet"
	"sallyport/internal/phrase"
)

const (
	// sameClock is how far apart clocks may be before it is worth a word.
	sameClock = 5 * time.Second

	// rounding is what contacts with closed ports, which are summed up by the second,
	// may be off by.
	rounding = 2 * time.Second
)

// Seen is what the gate knows of a drill from elsewhere.
type Seen struct {
	Consent  control.ConsentedAnswer
	Findings []event.Finding
	Doors    map[packet.Port]string
}

// Offset is by how much the gate's clock is ahead of the attacker's. Both have noted when
// the first and the last packets passed. Other traffic from that address spoils one of
// the two, so they count where they agree; else the clocks are taken to be one, if the
// attack then lies between the consent and now.
func (s Seen) Offset(r Record) (time.Duration, error) {
	c := s.Consent
	if c.First.IsZero() {
		return 0, fmt.Errorf("the gate has heard nothing from %v since the consent: its packets are lost on the way, or come from another address", c.Sources)
	}
	begin, end := c.First.Sub(r.Began), c.Last.Sub(r.Ended)
	switch {
	case (begin - end).Abs() <= 3*sameClock:
		return begin, nil
	case r.Began.Before(c.Given.Add(-sameClock)) || r.Ended.After(c.Now.Add(sameClock)):
		return 0, fmt.Errorf("the clocks of the two machines cannot be compared, since other traffic came from %v: set them right, and try again", c.Sources)
	}
	return 0, nil
}

// Over reports whether nothing further can come, at a time of the gate's.
func (s Seen) Over(r Record, offset time.Duration, now time.Time) bool {
	return !now.Before(r.Ended.Add(offset + 15*seconds))
}

// Grade judges a record by what the gate has seen. Version is the gate's.
func (s Seen) Grade(r Record, config string) Report {
	report := Report{Version: r.Version, Config: config, Began: r.Began, Seconds: r.Ended.Sub(r.Began).Seconds(), From: s.Consent.Sources}
	offset, err := s.Offset(r)
	report.Clock = offset.Seconds()
	known := FromElsewhere()
	for _, act := range r.Acts {
		i := slices.IndexFunc(known, func(a Attack) bool { return a.ID == act.ID })
		if i < 0 {
			report.Results = append(report.Results, Result{ID: act.ID, Seen: []string{}, Opened: []string{}}.broken(fmt.Errorf("this version knows no such attack from elsewhere")))
			continue
		}
		result := known[i].blank()
		switch {
		case act.Skipped != "":
			result.Verdict, result.Why = Skipped, act.Skipped
		case act.Broken != "":
			result = result.broken(fmt.Errorf("%s", act.Broken))
		case err != nil:
			result = result.broken(err)
		default:
			result = s.judge(&known[i], act, offset, result)
		}
		report.Results = append(report.Results, result)
	}
	return report
}

// judge grades one attack that was carried out.
func (s Seen) judge(a *Attack, act Act, offset time.Duration, r Result) Result {
	began, ended := act.Began.Add(offset-rounding), act.Ended.Add(offset)
	var found bool
	found, r = s.find(a, began, ended, r)
	for _, p := range act.Opened {
		r.Opened = append(r.Opened, s.door(p))
	}
	switch {
	case ended.After(s.Consent.Until.Add(rounding)):
		return r.broken(fmt.Errorf("it went on when the consent had ended"))
	case len(r.Opened) > 0:
		return r.failed("a door is open for those who must stay outside: %q", r.Opened)
	case act.Wrong != "":
		return r.failed("%s", act.Wrong)
	case a.ID == "ban-decoys" && len(s.Consent.Banned) == 0:
		return r.failed("%s", sayUnbanned)
	case !found && !s.Consent.Detect:
		return r.failed("the finding %s cannot come: [detect] is off", a.Rule)
	case !found:
		return r.failed("the finding %s has not come within %s", a.Rule, phrase.Duration(a.Within))
	}
	r.Verdict = Held
	return r
}

// find notes which marked findings belong to the time of an attack.
func (s Seen) find(a *Attack, began, ended time.Time, r Result) (found bool, _ Result) {
	found = a.Rule == ""
	mark := consent.Mark(s.Consent.ID)
	for _, f := range s.Findings {
		during := f.First.Before(ended.Add(a.Within)) && !f.Last.Before(began)
		if !during || !slices.Contains(f.Evidence, mark) {
			continue
		}
		if !slices.Contains(r.Seen, f.Rule) {
			r.Seen = append(r.Seen, f.Rule)
		}
		if !found && tells(f.Rule, a.Rule) {
			found = true
			r.Seconds = max(0, f.First.Sub(ended).Round(10*time.Millisecond).Seconds())
		}
	}
	slices.Sort(r.Seen)
	return found, r
}

// tells reports whether a finding is the one that must come. Of scans, the detection
// counts what follows to the finding that tells the story of the source already.
func tells(rule, want string) bool {
	scans := []string{"scan-fast", "scan-slow", "guessing"}
	return rule == want || slices.Contains(scans, rule) && slices.Contains(scans, want)
}

// door names the door with a port.
func (s Seen) door(p packet.Port) string {
	if name, ok := s.Doors[p]; ok {
		return name
	}
	return p.String()
}
