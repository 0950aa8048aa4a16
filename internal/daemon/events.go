//go:build linux

package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"sallyport/internal/event"
	"sallyport/internal/gate"
)

const (
	// hostilePerSecond is how many refusals are passed on one by one. An
	// attacker decides how many there are; beyond this they are summed up by
	// reason, so that what he sends costs a bounded amount of work.
	hostilePerSecond = 5000

	overloadEvery = time.Minute
)

// sink takes every event, in order, on the goroutine of the events. It must
// not wait: what is slow has a queue of its own.
type sink func(event.Event)

// events takes everything that happens, counts refusals, and passes all on to
// the sinks. Putting an event in never blocks. What the sinks cannot follow is
// left out and told; refusals never displace anything else.
type events struct {
	sinks   []sink // fixed before Run
	queue   chan event.Event
	hostile chan event.Event

	mu       sync.Mutex
	refusals map[event.Reason]uint64
	second   time.Time                       // when the present budget began
	passed   int                             // refusals passed on since
	summed   map[event.Reason]event.Contacts // refusals not passed on one by one
	lost     uint64                          // events for which the queue had no room

	overloaded  time.Time // when lost packets were last told
	lostPackets uint64    // since then
}

func newEvents(log *slog.Logger) *events {
	return &events{
		sinks:    []sink{newLogbook(log).write},
		queue:    make(chan event.Event, 4096),
		hostile:  make(chan event.Event, 16_384),
		refusals: make(map[event.Reason]uint64),
		summed:   make(map[event.Reason]event.Contacts),
	}
}

// decided takes a decision of the gate that opens nothing.
func (e *events) decided(now time.Time, d gate.Decision) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if d.Kind == event.KindRefusal {
		e.refusals[d.Reason]++
	}
	if !(event.Event{Kind: d.Kind, Authenticated: d.Authenticated}).Hostile() {
		e.enqueue(d.Event(now))
		return
	}
	if age := now.Sub(e.second); age >= time.Second || age < 0 {
		e.second, e.passed = now, 0
	}
	if e.passed < hostilePerSecond {
		select {
		case e.hostile <- d.Event(now):
			e.passed++
			return
		default:
		}
	}
	e.sum(d.Reason, now)
}

// sum counts a refusal that is not passed on by itself.
func (e *events) sum(reason event.Reason, now time.Time) {
	s := e.summed[reason]
	if s.Packets == 0 {
		s.First = now
	}
	s.Packets++
	s.Last = now
	e.summed[reason] = s
}

// hostileEvent takes an event of another kind that somebody outside can cause.
func (e *events) hostileEvent(ev event.Event) {
	select {
	case e.hostile <- ev:
	default:
		e.mu.Lock()
		e.lost++
		e.mu.Unlock()
	}
}

// put takes any other event.
func (e *events) put(ev event.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.enqueue(ev)
}

func (e *events) enqueue(ev event.Event) {
	select {
	case e.queue <- ev:
	default:
		e.lost++
	}
}

// Run passes events on until the context ends, and then what is left.
func (e *events) Run(ctx context.Context) error {
	every := time.NewTicker(time.Second)
	defer every.Stop()
	for {
		select {
		case ev := <-e.queue:
			e.pass(ev)
			continue
		default:
		}
		select {
		case ev := <-e.queue:
			e.pass(ev)
		case ev := <-e.hostile:
			e.pass(ev)
		case now := <-every.C:
			e.settle(now)
		case <-ctx.Done():
			e.flush()
			return nil
		}
	}
}

func (e *events) pass(ev event.Event) {
	for _, s := range e.sinks {
		s(ev)
	}
}

// settle passes on what has only been counted so far.
func (e *events) settle(now time.Time) {
	e.mu.Lock()
	lost, summed := e.lost, maps.Clone(e.summed)
	e.lost = 0
	clear(e.summed)
	e.mu.Unlock()
	if lost > 0 {
		e.pass(event.Event{Time: now, Kind: event.KindOverload, Detail: fmt.Sprintf("%d events lost: they came faster than they could be written", lost)})
	}
	for reason, s := range summed {
		e.pass(event.Event{Time: s.Last, Kind: event.KindRefusal, Reason: reason, Count: s,
			Detail: fmt.Sprintf("%d more, from any sources", s.Packets)})
	}
}

func (e *events) flush() {
	defer func() { e.settle(time.Now()) }()
	for {
		select {
		case ev := <-e.queue:
			e.pass(ev)
		case ev := <-e.hostile:
			e.pass(ev)
		default:
			return
		}
	}
}

// overload tells that the capture has lost packets, at most once in a while.
func (e *events) overload(now time.Time, ring string, packets uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.lostPackets += packets
	if now.Sub(e.overloaded) < overloadEvery {
		return
	}
	e.enqueue(event.Event{Time: now, Kind: event.KindOverload, Detail: fmt.Sprintf("capture ring %q was full: %d packets lost", ring, e.lostPackets)})
	e.overloaded, e.lostPackets = now, 0
}

// refused returns how many refusals of each reason there have been.
func (e *events) refused() map[event.Reason]uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return maps.Clone(e.refusals)
}
