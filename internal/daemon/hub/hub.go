//go:build linux

// Package hub takes everything that happens in the daemon and passes it on to
// whatever hears events. Putting an event in never blocks and costs a bounded
// amount of work, whatever strangers send: they have a budget of their own, and
// never displace what clients and the host cause.
package hub

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	"sallyport/internal/event"
	"sallyport/internal/gate"
	"sallyport/internal/phrase"
)

const (
	// hostilePerSecond is how many refusals are passed on one by one. An
	// attacker decides how many there are; beyond this they are summed up by
	// reason, so that what he sends costs a bounded amount of work.
	hostilePerSecond = 5000

	overloadEvery = time.Minute
)

// Sink takes every event, in order, on the goroutine of the events. It must
// not wait: what is slow has a queue of its own.
type Sink func(event.Event)

// Hub counts refusals, and passes all events on to the sinks. What the sinks
// cannot follow is left out and reported; refusals never displace anything else.
type Hub struct {
	queue   chan event.Event
	hostile chan event.Event

	mu       sync.Mutex
	refusals map[event.Reason]uint64
	second   time.Time                       // when the present budget began
	passed   int                             // refusals passed on since
	summed   map[event.Reason]event.Contacts // refusals not passed on one by one
	lost     uint64                          // events for which the queue had no room

	overloaded  time.Time // when lost packets were last reported
	lostPackets uint64    // since then
}

// New returns a hub into which events can be put at once.
func New() *Hub {
	return &Hub{
		queue:    make(chan event.Event, 4096),
		hostile:  make(chan event.Event, 16_384),
		refusals: make(map[event.Reason]uint64),
		summed:   make(map[event.Reason]event.Contacts),
	}
}

// Decided takes a decision of the gate that opens nothing.
func (h *Hub) Decided(now time.Time, d gate.Decision) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if d.Kind == event.KindRefusal {
		h.refusals[d.Reason]++
	}
	if !(event.Event{Kind: d.Kind, Authenticated: d.Authenticated}).Hostile() {
		h.enqueue(d.Event(now))
		return
	}
	if age := now.Sub(h.second); age >= time.Second || age < 0 {
		h.second, h.passed = now, 0
	}
	if h.passed < hostilePerSecond {
		select {
		case h.hostile <- d.Event(now):
			h.passed++
			return
		default:
		}
	}
	h.sum(d.Reason, now)
}

// sum counts a refusal that is not passed on by itself.
func (h *Hub) sum(reason event.Reason, now time.Time) {
	s := h.summed[reason]
	if s.Packets == 0 {
		s.First = now
	}
	s.Packets++
	s.Last = now
	h.summed[reason] = s
}

// PutUnauthenticated takes an event of another kind that an unauthenticated sender
// can cause.
func (h *Hub) PutUnauthenticated(ev event.Event) {
	select {
	case h.hostile <- ev:
	default:
		h.mu.Lock()
		h.lost++
		h.mu.Unlock()
	}
}

// Put takes any other event.
func (h *Hub) Put(ev event.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.enqueue(ev)
}

func (h *Hub) enqueue(ev event.Event) {
	select {
	case h.queue <- ev:
	default:
		h.lost++
	}
}

// Run passes events on to the sinks until the context ends, and then what is left.
func (h *Hub) Run(ctx context.Context, sinks []Sink) error {
	every := time.NewTicker(time.Second)
	defer every.Stop()
	for {
		select {
		case ev := <-h.queue:
			pass(sinks, ev)
			continue
		default:
		}
		select {
		case ev := <-h.queue:
			pass(sinks, ev)
		case ev := <-h.hostile:
			pass(sinks, ev)
		case now := <-every.C:
			h.settle(now, sinks)
		case <-ctx.Done():
			h.Flush(sinks)
			return nil
		}
	}
}

func pass(sinks []Sink, ev event.Event) {
	for _, s := range sinks {
		s(ev)
	}
}

// settle passes on what has only been counted so far.
func (h *Hub) settle(now time.Time, sinks []Sink) {
	h.mu.Lock()
	lost, summed := h.lost, maps.Clone(h.summed)
	h.lost = 0
	clear(h.summed)
	h.mu.Unlock()
	if lost > 0 {
		pass(sinks, event.Event{Time: now, Kind: event.KindOverload, Detail: phrase.Count(int(lost), "event") + " lost: more came than could be written"})
	}
	for reason, s := range summed {
		pass(sinks, event.Event{Time: s.Last, Kind: event.KindRefusal, Reason: reason, Count: s,
			Detail: fmt.Sprintf("%d more, from any sources", s.Packets)})
	}
}

// Flush passes on what is left when Run has ended.
func (h *Hub) Flush(sinks []Sink) {
	defer func() { h.settle(time.Now(), sinks) }()
	for {
		select {
		case ev := <-h.queue:
			pass(sinks, ev)
		case ev := <-h.hostile:
			pass(sinks, ev)
		default:
			return
		}
	}
}

// Overload reports that the capture has lost packets, at most once in a while.
func (h *Hub) Overload(now time.Time, ring string, packets uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lostPackets += packets
	if now.Sub(h.overloaded) < overloadEvery {
		return
	}
	h.enqueue(event.Event{Time: now, Kind: event.KindOverload, Detail: fmt.Sprintf("capture ring %q was full: %s lost", ring, phrase.Count(int(h.lostPackets), "packet"))})
	h.overloaded, h.lostPackets = now, 0
}

// Refused returns how many refusals of each reason there have been.
func (h *Hub) Refused() map[event.Reason]uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return maps.Clone(h.refusals)
}
