package detect

import (
	"time"

	"sallyport/internal/event"
	"sallyport/internal/lang"
)

const (
	guessWindow = 10 * time.Minute
	nearWindow  = time.Hour

	// retryWithin is how long someone who has broken a sequence has to get in,
	// so that it was a mistake, or a lost packet.
	retryWithin = time.Minute
)

var guesses = &rule{
	name: "guessing",
	explain: func(l lang.Lang, f *event.Finding) string {
		return l.Sayf("%s begins sequences and breaks them off again and again: someone guesses", who(l, f))
	},
	advice: `The first knock is known there, or easily guessed. Change the sequence (sallyport door rotate), or open the door by SPA only.`,
	quiet:  30 * time.Minute,
	beyond: guessesDistributed,
}

var nearMiss = &rule{
	name: "near-miss",
	explain: func(l lang.Lang, f *event.Finding) string {
		if f.Severity == event.Info {
			return l.Sayf("%s knocked %s right but for its last knock, and did not get in", f.Source, sequenceOf(l, f))
		}
		return l.Sayf("%s knows %s but for its last knock: part of the secret is no longer secret", f.Source, sequenceOf(l, f))
	},
	advice:  `Ask those who know the sequence whether it was a mistake. If not, change it at once, and use SPA, of which nobody on the way learns anything.`,
	command: rotateCommand,
	quiet:   time.Hour,
	beyond:  guessesDistributed,
}

// sequenceOf names the sequence that a finding is about. The client is the one
// whose secret it is made from, and need not be the one who knocked.
func sequenceOf(l lang.Lang, f *event.Finding) string {
	switch {
	case f.Client != "":
		return l.Sayf("the rotating sequence of client %q for door %q", f.Client, f.Door)
	case f.Door != "":
		return l.Sayf("the sequence of door %q", f.Door)
	}
	return l.Say("a sequence")
}

// rotateCommand changes the sequence that a finding is about.
func rotateCommand(f *event.Finding) string {
	switch {
	case f.Client != "":
		return "sallyport client rotate " + f.Client + " --rotating"
	case f.Door != "":
		return "sallyport door rotate " + f.Door
	}
	return ""
}

// near reports whether all knocks but the last were right. Of a sequence of two
// that says nothing: the first is hit by chance.
func near(e event.Event) bool { return e.Of >= 3 && e.Right == e.Of-1 }

// observeBroken takes a sequence that was begun and broken off.
func (d *Detector) observeBroken(e event.Event) {
	if d.alreadyTold(e, 1, scanFast, scanSlow) {
		return
	}
	now := d.at()
	c := d.sources.make(e.Source, now)
	r, severity, counted, span, limit := guesses, event.Medium, &c.guesses, guessWindow, d.limits.Guesses
	if near(e) {
		r, severity, counted, span, limit = nearMiss, event.High, &c.near, nearWindow, d.limits.NearMisses
	}
	if counted.add(now, seconds(span)) >= c.patience(2)*limit {
		f := d.raiseAll(subject{rule: r, source: e.Source}, severity, counted)
		f.of(e)
		f.because("%d right knocks of %d of %s", e.Right, e.Of, begun(e))
		return
	}
	if !c.waits {
		c.waits = true
		d.settle(d.pending.put(waiting{e, now}))
	}
}

// of names the door of a near miss, and the client whose secret it concerns; the
// first of several stays, and the evidence has the others.
func (f *raised) of(e event.Event) {
	if f.rule == nearMiss && f.Door == "" {
		f.Door, f.Client = e.Door, e.Client
	}
}

// begun names the sequence that an event is about, for the evidence.
func begun(e event.Event) string {
	return sequenceOf(lang.English, &event.Finding{Door: e.Door, Client: e.Client})
}

// brokenIn: someone who was guessing has got in, for the first time.
func (d *Detector) brokenIn(e event.Event) {
	if c := d.sources.find(e.Source); c == nil || c.granted != 0 {
		return
	}
	if e.Reason != event.BySequence && e.Reason != event.ByRotating && e.Reason != event.ByOneTime {
		return
	}
	for _, r := range []*rule{guesses, nearMiss} {
		s := subject{rule: r, source: e.Source}
		if f := d.find(s); f != nil && f.Severity != event.Info {
			d.raise(s, event.Critical, 1).because("then it opened door %q", e.Door)
		}
	}
}

// waiting is a source that has broken a sequence and may still get in.
type waiting struct {
	event.Event
	since uint32
}

// pending is a queue of fixed size.
type pending struct {
	ring  [1024]waiting
	first int
	n     int
}

// put adds one and returns, in a full queue, the one that has to leave.
func (p *pending) put(w waiting) (out waiting) {
	if p.n == len(p.ring) {
		out = p.take()
	}
	p.ring[(p.first+p.n)%len(p.ring)] = w
	p.n++
	return out
}

func (p *pending) take() waiting {
	w := p.ring[p.first]
	p.first = (p.first + 1) % len(p.ring)
	p.n--
	return w
}

// settlePending looks what has become of those that broke a sequence a while ago.
func (d *Detector) settlePending() {
	for d.pending.n > 0 && d.at()-d.pending.ring[d.pending.first].since >= seconds(retryWithin) {
		d.settle(d.pending.take())
	}
}

func (d *Detector) settle(w waiting) {
	if !w.Source.IsValid() {
		return
	}
	if c := d.sources.find(w.Source); c != nil {
		c.waits = false
		if c.granted >= w.since {
			return
		}
	}
	for _, r := range []*rule{guesses, nearMiss, scanFast, scanSlow} {
		if d.find(subject{rule: r, source: w.Source}) != nil {
			return // it is reported already
		}
	}
	if near(w.Event) {
		d.raise(subject{rule: nearMiss, source: w.Source}, event.Info, 1).of(w.Event)
	}
	d.observeGuessSource(w.Source)
}
