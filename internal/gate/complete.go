package gate

import (
	"fmt"
	"net/netip"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/event"
	"sallyport/internal/phrase"
	"sallyport/internal/sequence"
	"sallyport/internal/spent"
)

// Remember gives the gate the memory without which rotating and one-time
// sequences open nothing. It is used by the gate alone from now on.
func (g *Gate) Remember(guard *spent.Guard, now time.Time) {
	if g.spent != guard {
		g.spent = guard
		if guard != nil {
			guard.Look(now, sequence.StepAt(now))
		}
		g.replan(sequence.StepAt(now))
	}
}

// completed decides about a sequence that was knocked as a whole, in order and
// in time. One that opens once is used by that, whether or not it opens
// anything: anyone who has overheard it must not be let in by it later, when the
// hours begin, or from where it is allowed.
func (g *Gate) completed(now time.Time, source netip.Addr, w *way) {
	d := Decision{Kind: event.KindGrant, Reason: w.reason, Source: source, Door: w.name()}
	reason, detail := g.refuses(now, source, w)
	if w.reason != event.BySequence && reason != event.KeyExpired && g.spent.Use(w.record) {
		d.Record.Sequence = &w.record
	}
	var refused []Decision
	if reason == "" {
		d.Grants, refused = g.permit.give(now, asked{source: source, client: w.client, doors: w.opens(), proof: w.proof})
		if len(d.Grants) == 0 {
			reason, detail = because(refused)
		}
	}
	if reason != "" {
		d.Kind, d.Reason, d.Detail = event.KindRefusal, reason, detail
		refused = nil
	}
	if w.client != nil {
		// Anyone who has overheard a sequence can cause a refusal in the name of
		// its client; the secret of this step opens once.
		d.Client, d.Authenticated = w.client.Name, reason == ""
	}
	g.permit.hold(d.Grants)
	g.decide(d)
	for _, r := range refused {
		g.decide(r)
	}
	if w.reason == event.ByOneTime && d.Record.Sequence != nil {
		g.oneTimeUsed(source, w.door)
	}
}

// oneTimeUsed is called when a one-time sequence of a door has been used.
func (g *Gate) oneTimeUsed(source netip.Addr, door *config.Door) {
	// The next one may begin with this one: it takes the whole of it.
	g.tracker.Forget(source)
	if g.OneTimeLeft()[door.Name] == 0 {
		g.decide(Decision{Kind: event.KindFinding, Reason: event.ByOneTime, Door: door.Name,
			Detail: fmt.Sprintf("that was the last one-time sequence of this door: add new ones to %s", door.SequencesFile)})
	}
}

// refuses returns why a complete sequence opens nothing, leaving aside what its
// doors and client may have; no reason: it does.
func (g *Gate) refuses(now time.Time, source netip.Addr, w *way) (event.Reason, string) {
	if !w.until.IsZero() && !now.Before(w.until) {
		return event.KeyExpired, "this sequence has been replaced by another"
	}
	switch w.reason {
	case event.ByOneTime:
		return g.refusesOneTime(w)
	case event.ByRotating:
		return g.refusesStep(now, source, w)
	}
	return "", ""
}

func (g *Gate) refusesOneTime(w *way) (event.Reason, string) {
	if g.spent.Used(w.record) {
		return event.UsedStep, "this one-time sequence has opened already"
	}
	for _, r := range w.before {
		if !g.spent.Used(r) {
			return event.NotNext, "another one-time sequence of this door comes first"
		}
	}
	return "", ""
}

func (g *Gate) refusesStep(now time.Time, source netip.Addr, w *way) (event.Reason, string) {
	step := sequence.StepAt(now)
	g.spent.Look(now, step)
	switch {
	case w.step < step-1 || w.step > step+1:
		return event.StaleTime, fmt.Sprintf("the clock of this source is about %s off", phrase.Duration(time.Duration(w.step-step).Abs()*sequence.Period))
	case !w.client.Expires.IsZero() && !now.Before(w.client.Expires):
		return event.KeyExpired, "it has expired"
	case !w.client.From.Allows(source):
		return event.ForbiddenFrom, "not from this source"
	case w.step <= g.spent.Floor():
		return event.UsedStep, "which steps were used before the start is not known for sure: wait for a later one"
	case g.spent.Used(w.record):
		return event.UsedStep, "this step, or a later one, has opened already"
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
		if w := &g.plan.ways[i]; w.reason == event.ByOneTime && !g.spent.Used(w.record) {
			left[w.door.Name]++
		}
	}
	return left
}
