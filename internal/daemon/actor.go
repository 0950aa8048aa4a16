//go:build linux

package daemon

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"sallyport/internal/daemon/hub"
	"sallyport/internal/event"
	"sallyport/internal/gate"
	"sallyport/internal/grant"
)

var errBanned = errors.New("the source is banned: sallyport ban remove ends that")

// actor carries out what the gate has decided: it hands grants to the
// firewall and tells when they end. It runs beside the pump, so that a slow
// answer of the kernel holds up no packet.
type actor struct {
	book   *grant.Book
	events *hub.Hub
	queue  chan order
	wake   chan struct{} // the next end of a grant may have become an earlier one

	around
}

// around is what the actor reaches of the daemon.
type around struct {
	secrets func() *secrets
	memory  func() *memory
	answers func() bool         // whether the configuration allows acknowledgements
	opened  func(time.Duration) // told how long each grant took
	ended   func([]event.Grant) // told which grants ended early, or never began
	misused func(time.Time, gate.Decision)
	banned  func(netip.Addr, time.Time) bool
	cut     func(whose func(event.Owner) bool) // ends the connections that owners' grants have let in; does not wait
	pardon  func(time.Time, gate.Decision)
}

type order struct {
	at       time.Time
	decision gate.Decision
}

func newActor(book *grant.Book, events *hub.Hub, around around) *actor {
	return &actor{book: book, events: events, queue: make(chan order, 1024), wake: make(chan struct{}, 1), around: around}
}

// decided takes a decision from the pump and never blocks.
func (a *actor) decided(now time.Time, d gate.Decision) {
	if d.Kind != event.KindGrant && d.Reason != event.Intercepted && d.Answer == nil && d.Spent == nil {
		a.events.Decided(now, d)
		return
	}
	select {
	case a.queue <- order{now, d}:
	default:
		a.events.Put(event.Event{Time: now, Kind: event.KindOverload, Source: d.Source, Door: d.Door, Client: d.Client, Reason: event.NotOpened, Detail: "too many grants are waiting for the firewall"})
	}
}

// Run carries out decisions until the context ends.
func (a *actor) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case o := <-a.queue:
			a.carryOut(o)
		case <-a.wake:
		case <-timer.C:
		}
		if next := a.expire(time.Now()); !next.IsZero() {
			timer.Reset(time.Until(next))
		}
	}
}

func (a *actor) carryOut(o order) {
	if o.decision.Answer != nil {
		a.message(o)
		return
	}
	if o.decision.Spent != nil {
		a.spend(o)
		return
	}
	if o.decision.Reason == event.Intercepted {
		a.intercepted(o)
		return
	}
	for _, g := range o.decision.Grants {
		// The error is an event; nobody waits for an answer.
		_, _ = a.open(o.at, g, o.decision)
	}
}

// intercepted ends the grants that a message has opened which has come from a
// second source, and the connections that they have let in: whoever is on the way
// may be using them.
func (a *actor) intercepted(o order) {
	d := o.decision
	a.events.Decided(o.at, d)
	sent := func(owner event.Owner) bool { return owner.Sent(d.Client, d.Message) }
	_, err := a.revoke(o.at, event.Intercepted, func(g event.Grant) bool { return sent(g.Owner()) })
	if err != nil {
		a.events.Put(event.Event{Time: o.at, Kind: event.KindFailure, Client: d.Client, Reason: event.Intercepted, Detail: err.Error()})
	}
	a.cut(sent)
}

// open puts one grant that was decided into force and tells about it.
func (a *actor) open(now time.Time, g event.Grant, d gate.Decision) (event.Grant, error) {
	ev := event.Event{Time: now, Kind: event.KindGrant, Door: g.Door, Client: g.Client, Source: g.Source, Reason: d.Reason, Authenticated: d.Authenticated, Bound: d.Bound}
	if a.banned(g.Source, now) {
		a.events.Decided(now, gate.Decision{Kind: event.KindRefusal, Reason: event.Banned, Source: g.Source, Door: g.Door, Client: g.Client, Authenticated: d.Authenticated, Bound: d.Bound})
		return event.Grant{}, errBanned
	}
	opened, err := a.book.Open(g, now)
	if err != nil {
		ev.Kind, ev.Reason, ev.Detail = event.KindFailure, event.NotOpened, err.Error()
		a.events.Put(ev)
		if !a.book.Has(g, now) { // from before
			a.ended([]event.Grant{g})
		}
		return event.Grant{}, err
	}
	a.opened(time.Since(now))
	ev.Detail = fmt.Sprintf("for %s", opened.Until.Sub(now).Round(time.Millisecond))
	if opened.Prefix != 0 {
		ev.Detail += fmt.Sprintf(", to all of %s", opened.From())
	}
	a.events.Put(ev)
	a.rouse()
	return opened, nil
}

// rouse has the actor look anew when the next grant ends.
func (a *actor) rouse() {
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// expire tells which grants have ended and returns when the next one does.
func (a *actor) expire(now time.Time) time.Time {
	over, next := a.book.Expire(now)
	a.tell(now, event.KindExpiry, "", over)
	return next
}

// tell puts an event for each grant that has ended.
func (a *actor) tell(now time.Time, kind event.Kind, reason event.Reason, ended []event.Grant) {
	for _, g := range ended {
		a.events.Put(event.Event{Time: now, Kind: kind, Door: g.Door, Client: g.Client, Source: g.Source, Reason: reason})
	}
}

// revoke ends grants early and tells about each.
func (a *actor) revoke(now time.Time, reason event.Reason, match func(event.Grant) bool) ([]event.Grant, error) {
	ended, err := a.book.Revoke(match, now)
	a.early(now, reason, ended)
	return ended, err
}

// trim has no grant last longer than until says, and tells about each that ends
// by that.
func (a *actor) trim(now time.Time, reason event.Reason, until func(event.Grant) time.Time) error {
	ended, err := a.book.Trim(until, now)
	a.early(now, reason, ended)
	a.rouse()
	return err
}

func (a *actor) early(now time.Time, reason event.Reason, ended []event.Grant) {
	a.tell(now, event.KindRevocation, reason, ended)
	a.ended(ended)
}
