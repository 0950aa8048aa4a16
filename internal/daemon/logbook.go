//go:build linux

package daemon

import (
	"context"
	"log/slog"
	"time"

	"sallyport/internal/event"
)

// How many refusals are written to the log: a burst, and then one in a while.
// The journal holds them all, summed up; the log goes wherever the host's other
// logs go, and an attacker must not decide how long it gets.
const (
	refusalBurst = 50
	refusalEvery = 10 * time.Second
)

// logbook is the sink that writes events to the daemon's log.
type logbook struct {
	log      *slog.Logger
	allowed  int       // refusals that may be written now
	refilled time.Time // when allowed last grew
	unlogged uint64    // refusals left out since the last one written
}

func newLogbook(log *slog.Logger) *logbook { return &logbook{log: log, allowed: refusalBurst} }

func (l *logbook) write(ev event.Event) {
	if byAnybody(ev) && !l.admit(ev) {
		return
	}
	if l.unlogged > 0 {
		l.log.Warn("not every refusal is in this log", "refusals_left_out", l.unlogged)
		l.unlogged = 0
	}
	l.log.LogAttrs(context.Background(), level(ev.Kind), string(ev.Kind), attributes(ev)...)
}

// byAnybody tells whether somebody who has proved nothing can cause the event.
func byAnybody(e event.Event) bool {
	return e.Kind == event.KindContacts || e.Kind == event.KindLogin || e.Kind == event.KindRefusal && !e.Reason.Proved()
}

// admit tells whether one more may be written.
func (l *logbook) admit(e event.Event) bool {
	if l.refilled.IsZero() || e.Time.Before(l.refilled) { // at first, or the clock was set back
		l.refilled = e.Time
	}
	if n := int(e.Time.Sub(l.refilled) / refusalEvery); n > 0 {
		l.allowed = min(l.allowed+n, refusalBurst)
		l.refilled = l.refilled.Add(time.Duration(n) * refusalEvery)
	}
	if l.allowed == 0 || e.Kind == event.KindContacts {
		l.unlogged += leftOut(e)
		return false
	}
	l.allowed--
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
	add("detail", e.Detail)
	return list
}
