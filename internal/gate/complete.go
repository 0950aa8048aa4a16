package gate

import (
	"fmt"
	"net/netip"
	"time"

	"sallyport/internal/sequence"
	"sallyport/internal/spent"
)

// Remember gives the gate the memory without which rotating and one-time
// sequences open nothing. It is used by the gate alone from now on.
func (g *Gate) Remember(guard *spent.Guard, now time.Time) {
	if g.spent != guard {
		g.spent = guard
		g.replan(sequence.StepAt(now))
	}
}

// completed decides about a sequence that was knocked as a whole, in order and
// in time.
func (g *Gate) completed(now time.Time, source netip.Addr, w *way) {
	d := Decision{Kind: KindGrant, Reason: w.reason, Source: source, Door: w.name()}
	grants, refused := g.permit.give(now, asked{source: source, client: w.client, doors: w.opens()})
	if len(grants) == 0 {
		d.Kind = KindRefusal
		d.Reason, d.Detail = because(refused)
		g.decide(d)
		return
	}
	if reason, detail := g.refuses(now, source, w); reason != "" {
		// The client is told in the detail only: whoever has overheard a
		// sequence can cause this, so it must not count as authenticated.
		d.Kind, d.Reason, d.Detail = KindRefusal, reason, detail
		g.decide(d)
		return
	}
	if w.client != nil {
		d.Client = w.client.Name
	}
	if w.reason != BySequence {
		d.Spent = &w.record
	}
	d.Grants = grants
	g.permit.hold(grants)
	g.decide(d)
	for _, r := range refused {
		g.decide(r)
	}
	if w.reason != ByOneTime {
		return
	}
	// The next one may begin with this one: it takes the whole of it.
	g.tracker.Forget(source)
	if g.OneTimeLeft()[w.door.Name] == 0 {
		g.decide(Decision{Kind: KindFinding, Reason: ByOneTime, Door: w.door.Name,
			Detail: fmt.Sprintf("that was the last one-time sequence of this door: add new ones to %s", w.door.SequencesFile)})
	}
}

// refuses tells why a complete sequence opens nothing; no reason: it opens its
// door, and is used from now on.
func (g *Gate) refuses(now time.Time, source netip.Addr, w *way) (Reason, string) {
	if !w.until.IsZero() && !now.Before(w.until) {
		return KeyExpired, "this sequence has been replaced by another"
	}
	switch w.reason {
	case ByOneTime:
		return g.refusesOneTime(w)
	case ByRotating:
		reason, detail := g.refusesStep(now, source, w)
		if reason != "" {
			detail = fmt.Sprintf("client %q: %s", w.client.Name, detail)
		}
		return reason, detail
	}
	return "", ""
}

func (g *Gate) refusesOneTime(w *way) (Reason, string) {
	if g.spent.Used(w.record) {
		return UsedStep, "this one-time sequence has opened already"
	}
	for _, r := range w.before {
		if !g.spent.Used(r) {
			return NotNext, "another one-time sequence of this door comes first"
		}
	}
	g.spent.Use(w.record)
	return "", ""
}

func (g *Gate) refusesStep(now time.Time, source netip.Addr, w *way) (Reason, string) {
	step := sequence.StepAt(now)
	switch {
	case w.step < step-1 || w.step > step+1:
		return StaleTime, fmt.Sprintf("the clock of this source is about %s off", time.Duration(w.step-step).Abs()*sequence.Period)
	case !w.client.Expires.IsZero() && !now.Before(w.client.Expires):
		return KeyExpired, "it has expired"
	case !w.client.From.Allows(source):
		return ForbiddenFrom, "not from this source"
	case w.step <= g.spent.Floor():
		return UsedStep, "which steps were used before the start is not known for sure: wait for a later one"
	case !g.spent.Use(w.record):
		return UsedStep, "this step, or a later one, has opened already"
	}
	return "", ""
}

// OneTimeLeft returns for each door with a file of one-time sequences how many
// of them have not been used.
func (g *Gate) OneTimeLeft() map[string]int {
	left := make(map[string]int)
	for i := range g.config.Doors {
		if d := &g.config.Doors[i]; d.SequencesFile != "" {
			left[d.Name] = 0
		}
	}
	for i := range g.plan.ways {
		if w := &g.plan.ways[i]; w.reason == ByOneTime && !g.spent.Used(w.record) {
			left[w.door.Name]++
		}
	}
	return left
}
