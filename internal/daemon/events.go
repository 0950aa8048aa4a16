package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"sallyport/internal/gate"
)

// How many refusals are written out: a burst, and then one in a while. All of
// them are counted. An attacker decides how many there are, so he must not
// decide how long the log gets.
const (
	refusalBurst = 50
	refusalEvery = 10 * time.Second

	overloadEvery = time.Minute
)

// events takes everything that happens, counts it, and passes it on to the
// log. Putting an event in never blocks; when the log is slower than what
// happens, events are left out of it and that is told.
type events struct {
	log   *slog.Logger
	queue chan gate.Event

	mu       sync.Mutex
	refusals map[gate.Reason]uint64
	allowed  int       // refusals that may be written out now
	refilled time.Time // when allowed last grew
	unlogged uint64    // refusals left out since the last one written
	lost     uint64    // events for which the queue had no room

	overloaded  time.Time // when lost packets were last told
	lostPackets uint64    // since then
}

func newEvents(log *slog.Logger) *events {
	return &events{
		log:      log,
		queue:    make(chan gate.Event, 4096),
		refusals: make(map[gate.Reason]uint64),
		allowed:  refusalBurst,
	}
}

// decided takes a decision of the gate that opens nothing.
func (e *events) decided(now time.Time, d gate.Decision) {
	if d.Kind == gate.KindRefusal && !e.admit(now, d.Reason) {
		return
	}
	e.put(d.Event(now))
}

// admit counts a refusal and tells whether it is to be written out.
func (e *events) admit(now time.Time, reason gate.Reason) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.refusals[reason]++
	if e.refilled.IsZero() {
		e.refilled = now
	}
	if n := int(now.Sub(e.refilled) / refusalEvery); n > 0 {
		e.allowed = min(e.allowed+n, refusalBurst)
		e.refilled = e.refilled.Add(time.Duration(n) * refusalEvery)
	}
	if e.allowed == 0 {
		e.unlogged++
		return false
	}
	e.allowed--
	return true
}

// put takes any other event.
func (e *events) put(event gate.Event) {
	select {
	case e.queue <- event:
	default:
		e.mu.Lock()
		e.lost++
		e.mu.Unlock()
	}
}

// Run writes events to the log until the context ends, and then what is left.
func (e *events) Run(ctx context.Context) error {
	for {
		select {
		case event := <-e.queue:
			e.write(event)
		case <-ctx.Done():
			e.flush()
			return nil
		}
	}
}

func (e *events) flush() {
	for {
		select {
		case event := <-e.queue:
			e.write(event)
		default:
			return
		}
	}
}

func (e *events) write(event gate.Event) {
	e.mu.Lock()
	unlogged, lost := e.unlogged, e.lost
	e.unlogged, e.lost = 0, 0
	e.mu.Unlock()
	if unlogged > 0 || lost > 0 {
		e.log.Warn("not every event is in this log", "refusals_left_out", unlogged, "events_lost", lost)
	}
	e.log.LogAttrs(context.Background(), level(event.Kind), string(event.Kind), attributes(event)...)
}

func level(k gate.Kind) slog.Level {
	switch k {
	case gate.KindRepair, gate.KindOverload, gate.KindClock, gate.KindFailure:
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

// attributes leaves out what an event does not have. The text handler quotes
// whatever needs it, so nothing an attacker sends can forge a line.
func attributes(e gate.Event) []slog.Attr {
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

// overload tells that the capture has lost packets, at most once in a while.
func (e *events) overload(now time.Time, ring string, packets uint64) {
	e.mu.Lock()
	e.lostPackets += packets
	tell, n := now.Sub(e.overloaded) >= overloadEvery, e.lostPackets
	if tell {
		e.overloaded, e.lostPackets = now, 0
	}
	e.mu.Unlock()
	if tell {
		e.put(gate.Event{Time: now, Kind: gate.KindOverload, Detail: fmt.Sprintf("capture ring %q was full: %d packets lost", ring, n)})
	}
}

// refused returns how many refusals of each reason there have been.
func (e *events) refused() map[gate.Reason]uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return maps.Clone(e.refusals)
}
