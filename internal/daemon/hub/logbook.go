//go:build linux

package hub

import (
	"context"
	"log/slog"
	"time"

	"sallyport/internal/event"
)

// How many refusals are written to the log: a burst, and then one in a while. So it
// is with events of grants that are no client's, of which there are more.
// The journal holds them all, summed up; the log goes wherever the host's other
// logs go, and an attacker must not decide how long it gets.
const (
	refusalBurst = 50
	refusalEvery = 10 * time.Second

	anonymousBurst = 200
	anonymousEvery = 5 * time.Second
)

// Logbook is the sink that writes events to the daemon's log.
type Logbook struct {
	log       *slog.Logger
	forged    allowance // for what comes from any address that its sender likes to write
	bound     allowance // for what comes from where it says: no forger uses that up
	anonymous allowance // for what those do who have overheard a sequence, or can read it somewhere

	// Left out since the last line.
	refusals uint64
	grants   uint64 // events of grants
}

// allowance is how much strangers may have written.
type allowance struct {
	burst    int
	every    time.Duration
	left     int
	refilled time.Time // when left last grew; zero: nothing was taken
}

// NewLogbook returns a logbook that writes to a log.
func NewLogbook(log *slog.Logger) *Logbook {
	return &Logbook{
		log:       log,
		forged:    allowance{burst: refusalBurst, every: refusalEvery, left: refusalBurst},
		bound:     allowance{burst: refusalBurst, every: refusalEvery, left: refusalBurst},
		anonymous: allowance{burst: anonymousBurst, every: anonymousEvery, left: anonymousBurst},
	}
}

// Write is the sink.
func (l *Logbook) Write(ev event.Event) {
	if limited(ev) && !l.admit(ev) {
		return
	}
	if l.refusals > 0 {
		l.log.Warn("not every refusal is in this log", "refusals_left_out", l.refusals)
	}
	if l.grants > 0 {
		l.log.Warn("not every event of a grant without a client is in this log", "events_left_out", l.grants)
	}
	l.refusals, l.grants = 0, 0
	l.log.LogAttrs(context.Background(), level(ev.Kind), string(ev.Kind), attributes(ev)...)
}

// limited reports whether strangers decide how many there are of an event. Of
// findings there are so many in a day.
func limited(e event.Event) bool {
	return e.Hostile() || e.Anonymous() || e.Kind == event.KindBan && e.Provoked()
}

// admit reports whether one more may be written.
func (l *Logbook) admit(e event.Event) bool {
	a := &l.forged
	switch {
	case e.Anonymous():
		a = &l.anonymous
	case e.Bound:
		a = &l.bound
	}
	switch {
	case e.Kind != event.KindContacts && a.take(e.Time):
		return true
	case e.Anonymous():
		l.grants++
	default:
		l.refusals += leftOut(e)
	}
	return false
}

func (a *allowance) take(now time.Time) bool {
	if a.refilled.IsZero() || now.Before(a.refilled) { // at first, or the clock was set back
		a.refilled = now
	}
	if n := int(now.Sub(a.refilled) / a.every); n > 0 {
		a.left = min(a.left+n, a.burst)
		a.refilled = a.refilled.Add(time.Duration(n) * a.every)
	}
	if a.left == 0 {
		return false
	}
	a.left--
	return true
}

// leftOut counts the refusals that an event stands for.
func leftOut(e event.Event) uint64 {
	switch {
	case e.Kind != event.KindRefusal:
		return 0
	case e.Count.Packets > 0:
		return e.Count.Packets
	}
	return 1
}

func level(k event.Kind) slog.Level {
	switch k {
	case event.KindRepair, event.KindOverload, event.KindClock, event.KindFailure, event.KindFinding:
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

// attributes leaves out what an event does not have. The text handler quotes
// whatever needs it, so nothing an attacker sends can forge a line.
func attributes(e event.Event) []slog.Attr {
	var list []slog.Attr
	add := func(name, value string) {
		if value != "" {
			list = append(list, slog.String(name, value))
		}
	}
	add("door", e.Door)
	add("client", e.Client)
	if e.Source.IsValid() {
		add("source", e.Source.String())
	}
	add("reason", string(e.Reason))
	if e.Bound {
		list = append(list, slog.Bool("bound", true))
	}
	add("detail", e.Detail)
	return list
}
