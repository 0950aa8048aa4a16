package journal

import (
	"fmt"
	"net/netip"
	"time"

	"sallyport/internal/event"
)

const (
	// sourcesPerReason bounds the sums kept in an interval. It is a bound for
	// each reason, so that a flood of one kind leaves room for the others.
	sourcesPerReason = 512
	sumsInAll        = 16_384

	// The first refusal of a source in an interval is written at once, for
	// anyone who watches, as long as there are few of them.
	promptBurst     = 100
	promptPerSecond = 10
)

// what sums are kept by, beside the source.
type what struct {
	kind                 event.Kind
	reason               event.Reason
	door, client         string
	authenticated, bound bool
}

// sum is what one source, or many, has done in an interval.
type sum struct {
	event  event.Event // the latest; its Count holds the sum
	prompt bool        // the first one has a row already
}

// summer adds up hostile events.
type summer struct {
	of       map[what]map[netip.Addr]*sum
	rest     map[what]*sum // of sources beyond the bound, and of no source
	sums     int           // in of
	began    time.Time
	tokens   float64
	refilled time.Time
}

func newSummer() *summer {
	return &summer{of: make(map[what]map[netip.Addr]*sum), rest: make(map[what]*sum), tokens: promptBurst}
}

// add takes a hostile event, and reports whether it is to be written as it is.
// now is a monotonic reading; the events' own times only go into rows.
func (s *summer) add(now time.Time, e event.Event) (prompt bool) {
	if s.began.IsZero() {
		s.began = now
	}
	key := what{e.Kind, e.Reason, e.Door, e.Client, e.Authenticated, e.Bound}
	// Strangers choose which sequences they begin, and must not choose how many
	// sums there are.
	if e.Reason == event.WrongKnock || len(s.rest) >= 256 && s.rest[key] == nil {
		key.door, key.client = "", ""
	}
	if !e.Source.IsValid() {
		s.into(s.restOf(key), e)
		return false
	}
	sources := s.of[key]
	if sources == nil {
		sources = make(map[netip.Addr]*sum)
		s.of[key] = sources
		s.restOf(key)
	}
	source := e.Source
	if e.Kind == event.KindClock {
		source = netip.Addr{} // of a client's clock it matters how far it is off, and not where its old messages come from
	}
	have := sources[source]
	switch {
	case have != nil:
		s.into(have, e)
		return false
	case len(sources) >= sourcesPerReason || s.sums >= sumsInAll:
		rest := s.restOf(key)
		s.into(rest, e)
		rest.event.Source = netip.Addr{}
		return false
	}
	have = &sum{}
	sources[source] = have
	s.sums++
	if s.admit(now) {
		have.event, have.prompt = e, true
		have.event.Count = event.Contacts{}
		return true
	}
	s.into(have, e)
	return false
}

func (s *summer) restOf(key what) *sum {
	r := s.rest[key]
	if r == nil {
		r = &sum{}
		s.rest[key] = r
	}
	return r
}

// into adds an event to a sum. Of several broken sequences the one that came
// furthest is kept, with the door that it was for.
func (s *summer) into(to *sum, e event.Event) {
	count, before := to.event.Count, to.event
	if count.Packets == 0 {
		count.First = e.Time
		if !e.Count.First.IsZero() {
			count.First = e.Count.First
		}
	}
	count.Packets += max(e.Count.Packets, 1)
	count.Ports = max(count.Ports, e.Count.Ports)
	count.Last = e.Time
	to.event = e
	to.event.Count = count
	if e.Right < before.Right {
		to.event.Right, to.event.Of, to.event.Detail = before.Right, before.Of, before.Detail
		to.event.Door, to.event.Client = before.Door, before.Client
	}
}

// admit reports whether one more row may be written at once.
func (s *summer) admit(now time.Time) bool {
	if !s.refilled.IsZero() {
		s.tokens = min(promptBurst, s.tokens+now.Sub(s.refilled).Seconds()*promptPerSecond)
	}
	s.refilled = now
	if s.tokens < 1 {
		return false
	}
	s.tokens--
	return true
}

// due reports whether the interval is over.
func (s *summer) due(now time.Time, interval time.Duration) bool {
	return !s.began.IsZero() && now.Sub(s.began) >= interval
}

// take returns the sums as events, and begins again.
func (s *summer) take() []event.Event {
	var list []event.Event
	for _, sources := range s.of {
		for _, one := range sources {
			list = one.row(list, "")
		}
	}
	for _, rest := range s.rest {
		list = rest.row(list, "from other sources, or none")
	}
	clear(s.of)
	clear(s.rest)
	s.sums, s.began = 0, time.Time{}
	return list
}

func (s *sum) row(list []event.Event, who string) []event.Event {
	n := s.event.Count.Packets
	if n == 0 { // only the prompt one
		return list
	}
	e := s.event
	e.Time = e.Count.Last
	switch {
	case who != "":
		e.Detail = fmt.Sprintf("%d %s", n, who)
	case s.prompt:
		e.Detail = fmt.Sprintf("%d more; %s", n, e.Detail)
	case n > 1 && e.Kind != event.KindContacts:
		e.Detail = fmt.Sprintf("%d times; %s", n, e.Detail)
	}
	return append(list, e)
}
