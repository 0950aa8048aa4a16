//go:build linux

// Package actor carries out what the gate has decided: it has used messages and
// sequences recorded, hands grants to the firewall, answers clients, and reports
// when grants end. It runs beside the gate, so that a slow answer of the kernel or
// of a disk holds up no packet.
package actor

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
	"sallyport/internal/phrase"
	"sallyport/internal/spa"
)

// errKeptOut says that a client is kept out by what is asked right before a grant.
var errKeptOut = errors.New("the client is kept out")

var errBanned = errors.New("the source is banned: sallyport ban remove ends that")

// Actor carries decisions out. Its methods may be called by several goroutines at
// once.
type Actor struct {
	book      *grant.Book
	events    *hub.Hub
	around    Around
	queue     chan order    // what clients have shown a key or a fresh secret for
	anonymous chan order    // what anybody can ask for who has overheard a sequence: it is in nobody's way
	asked     chan order    // of what others were asked about
	wake      chan struct{} // the next end of a grant may have become an earlier one
	unsettled unsettled     // of Run
}

// Around is what the actor reaches of the daemon.
type Around struct {
	Recorder Recorder
	Bans     Bans
	Admit    func(event.Grant) (release func(), why event.Reason, detail string) // asked right before a grant is given to a client; what it returns is called right after. Nil: all may have what was decided
	Answer   func(*gate.Reply, spa.Ack) error                                    // does not wait for the client
	Ask      func(gate.Decision, func(gate.Decision))                            // asks others whether what is used up may be, and hands on what is decided then; does not wait. Nil: nobody is asked
	Shared   func(gate.Decision, []event.Grant)                                  // takes what was given that other gates may give, too; nil: nothing is
	Opened   func(time.Duration)                                                 // takes how long each grant took
	Ended    func([]event.Grant)                                                 // takes the grants that ended early, or never began
	Cut      func(whose func(event.Owner) bool)                                  // ends the connections that owners' grants have let in; does not wait
	Enrol    func(time.Time, gate.Decision)                                      // takes an enrolment that is recorded; does not wait
	Asked    func(time.Time, gate.Decision)                                      // takes an ask that is recorded; does not wait
	Withdraw func(client string, m event.Message)                                // ends what that message has asked an operator for
	Undone   func(error)                                                         // takes what the firewall has failed to end; nil: nothing is left
}

// Recorder keeps what has been used, so that it never works again. When Record
// returns nil that is on disk; with an error nothing is opened.
//
// The actor calls it for decisions that have something to keep, and for no others,
// one after the other. A recorder that asks other machines as well, so that what was
// used at one of them opens none of the rest, may take as long as a round trip: then
// these decisions need a queue and a goroutine of their own, beside that of the
// decisions without a record, which need not wait for them. Carrying out shares
// nothing that is not locked, so two goroutines may do it.
type Recorder interface {
	Record(gate.Record) error
}

// Bans are the sources that are kept out.
type Bans interface {
	Has(source netip.Addr, now time.Time) bool
	Pardon(now time.Time, d gate.Decision)  // d opens something
	Misused(now time.Time, d gate.Decision) // d is a refusal
}

type order struct {
	at       time.Time
	decision gate.Decision
	asked    bool // the others, too: it is recorded
}

// MostAsked is how many decisions at once may wait for what others say.
const MostAsked = 64

// New returns an actor, to be run by Run.
func New(book *grant.Book, events *hub.Hub, around Around) *Actor {
	return &Actor{book: book, events: events, queue: make(chan order, 1024), anonymous: make(chan order, 1024), asked: make(chan order, MostAsked), wake: make(chan struct{}, 1), around: around}
}

// Decided takes a decision from the pump and never blocks.
func (a *Actor) Decided(now time.Time, d gate.Decision) {
	if d.Kind != event.KindGrant && d.Kind != gate.KindAgain && !elsewhere(d.Reason) && d.Record.IsZero() {
		a.events.Decided(now, d)
		return
	}
	queue := a.anonymous
	if d.Kind == gate.KindAgain { // what is lost here comes again
		select {
		case queue <- order{at: now, decision: d}:
		default:
		}
		return
	}
	if d.Authenticated || !d.Record.IsZero() { // each of these happens once
		queue = a.queue
	}
	select {
	case queue <- order{at: now, decision: d}:
	default:
		a.events.Put(event.Event{Time: now, Kind: event.KindOverload, Source: d.Source, Door: d.Door, Client: d.Client, Reason: event.NotOpened, Detail: "too many grants are waiting for the firewall"})
	}
}

// Run carries out decisions until the context ends.
func (a *Actor) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		select {
		case o := <-a.queue: // before all others
			a.carryOut(o)
		default:
			select {
			case <-ctx.Done():
			case o := <-a.asked:
				a.carryOut(o)
			case o := <-a.queue:
				a.carryOut(o)
			case o := <-a.anonymous:
				a.carryOut(o)
			case <-a.wake:
			case <-timer.C:
			}
		}
		if next := a.tend(time.Now()); !next.IsZero() {
			timer.Reset(time.Until(next))
		}
	}
	return nil
}

// tend does what is due, and returns when the next thing is.
func (a *Actor) tend(now time.Time) time.Time {
	next, again := a.expire(now), a.settle(now)
	if next.IsZero() || !again.IsZero() && again.Before(next) {
		return again
	}
	return next
}

// Open puts one grant that was decided into force and reports it.
func (a *Actor) Open(now time.Time, g event.Grant, d gate.Decision) (event.Grant, error) {
	ev := event.Event{Time: now, Kind: event.KindGrant, Door: g.Door, Client: g.Client, Source: g.Source, Reason: d.Reason, Authenticated: d.Authenticated, Bound: d.Bound}
	if a.around.Bans.Has(g.Source, now) {
		a.events.Decided(now, gate.Decision{Kind: event.KindRefusal, Reason: event.Banned, Source: g.Source, Door: g.Door, Client: g.Client, Authenticated: d.Authenticated, Bound: d.Bound})
		return event.Grant{}, errBanned
	}
	if a.around.Admit != nil {
		release, why, detail := a.around.Admit(g)
		defer release()
		if why != "" {
			a.events.Decided(now, gate.Decision{Kind: event.KindRefusal, Reason: why, Detail: detail, Source: g.Source, Door: g.Door, Client: g.Client, Authenticated: d.Authenticated, Bound: d.Bound})
			if !a.book.Has(g, now) {
				a.around.Ended([]event.Grant{g})
			}
			return event.Grant{}, errKeptOut
		}
	}
	opened, err := a.book.Open(g, now)
	if err != nil {
		ev.Kind, ev.Reason, ev.Detail = event.KindFailure, event.NotOpened, err.Error()
		a.events.Put(ev)
		if !a.book.Has(g, now) { // from before
			a.around.Ended([]event.Grant{g})
		}
		return event.Grant{}, err
	}
	a.around.Opened(time.Since(now))
	ev.Detail = fmt.Sprintf("for %s", phrase.Duration(opened.Until.Sub(now).Round(time.Millisecond)))
	if opened.Prefix != 0 {
		ev.Detail += fmt.Sprintf(", to all of %s", opened.From())
	}
	if d.Detail != "" {
		ev.Detail += ", " + d.Detail
	}
	a.events.Put(ev)
	a.Wake()
	return opened, nil
}

// Wake makes the actor look again at what is due next.
func (a *Actor) Wake() {
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// expire reports which grants have ended and returns when the next one does.
func (a *Actor) expire(now time.Time) time.Time {
	over, next := a.book.Expire(now)
	a.Report(now, event.KindExpiry, "", over)
	return next
}

// Report puts an event for each grant that has ended.
func (a *Actor) Report(now time.Time, kind event.Kind, reason event.Reason, ended []event.Grant) {
	for _, g := range ended {
		a.events.Put(event.Event{Time: now, Kind: kind, Door: g.Door, Client: g.Client, Source: g.Source, Reason: reason})
	}
}

// Revoke ends grants early and reports each.
func (a *Actor) Revoke(now time.Time, reason event.Reason, match func(event.Grant) bool) ([]event.Grant, error) {
	ended, err := a.book.Revoke(reason, match, now)
	a.EndedEarly(now, reason, ended)
	a.FailedToEnd(now, reason, err)
	return ended, err
}

// RevokeFor ends grants early because an operator says so, and reports each with who
// that is.
func (a *Actor) RevokeFor(now time.Time, who string, match func(event.Grant) bool) ([]event.Grant, error) {
	ended, err := a.book.Revoke(event.ByOperator, match, now)
	for _, g := range ended {
		a.events.Put(event.Event{Time: now, Kind: event.KindRevocation, Door: g.Door, Client: g.Client, Source: g.Source, Reason: event.ByOperator, Detail: "ordered by " + who})
	}
	a.around.Ended(ended)
	a.FailedToEnd(now, event.ByOperator, err)
	return ended, err
}

// Trim has no grant last longer than until says, and reports each that ends
// by that.
func (a *Actor) Trim(now time.Time, reason event.Reason, until func(event.Grant) time.Time) {
	ended, err := a.book.Trim(reason, until, now)
	a.EndedEarly(now, reason, ended)
	a.FailedToEnd(now, reason, err)
	a.Wake()
}

// EndedEarly takes grants that are out of the book before their time.
func (a *Actor) EndedEarly(now time.Time, reason event.Reason, ended []event.Grant) {
	a.Report(now, event.KindRevocation, reason, ended)
	a.around.Ended(ended)
}
