package detect

import (
	"net/netip"
	"time"

	"sallyport/internal/event"
	"sallyport/internal/lang"
)

const (
	guessWindow = 10 * time.Minute
	nearWindow  = time.Hour

	// retryWithin is how long somebody who has broken a sequence has to get in,
	// so that it was a mistake, or a lost packet.
	retryWithin = time.Minute
)

var guesses = &rule{
	name: "guessing",
	explain: func(l lang.Lang, f *event.Finding) string {
		return l.Sayf("%s begins sequences and breaks them off again and again: somebody guesses", who(l, f))
	},
	advice: `The first knock is known there, or easily guessed. Change the sequence (sallyport door rotate), or open the door by SPA only.`,
	quiet:  30 * time.Minute,
	beyond: guessesDistributed,
}

var nearMiss = &rule{
	name: "near-miss",
	explain: func(l lang.Lang, f *event.Finding) string {
		if f.Severity == event.Info {
			return l.Sayf("%s knocked a sequence right but for its last knock, and did not get in", who(l, f))
		}
		return l.Sayf("%s knows a sequence but for its last knock: part of the secret is no longer secret", who(l, f))
	},
	advice: `Ask whoever knows the sequence whether it was a mistake. If not, change it at once (sallyport door rotate), and use SPA, of which nobody on the way learns anything.`,
	quiet:  time.Hour,
	beyond: guessesDistributed,
}

// near tells whether all knocks but the last were right. Of a sequence of two
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
		d.raiseAll(subject{rule: r, source: e.Source}, severity, counted).because("%d right knocks of %d", e.Right, e.Of)
		return
	}
	if !c.waits {
		c.waits = true
		d.settle(d.pending.put(waiting{e.Source, now, near(e)}))
	}
}

// brokenIn: somebody who was guessing has got in, for the first time.
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
	source netip.Addr
	since  uint32
	near   bool
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
	if !w.source.IsValid() {
		return
	}
	if c := d.sources.find(w.source); c != nil {
		c.waits = false
		if c.granted >= w.since {
			return
		}
	}
	for _, r := range []*rule{guesses, nearMiss, scanFast, scanSlow} {
		if d.find(subject{rule: r, source: w.source}) != nil {
			return // it is told already
		}
	}
	if w.near {
		d.raise(subject{rule: nearMiss, source: w.source}, event.Info, 1)
	}
	d.observeGuessSource(w.source)
}
