//go:build linux

package actor

import (
	"errors"
	"time"

	"sallyport/internal/event"
	"sallyport/internal/gate"
	"sallyport/internal/spa"
)

// carryOut records what a decision uses up, so that it never works again, then does
// what it says, then answers.
func (a *Actor) carryOut(o order) {
	d := o.decision
	if d.Kind == gate.KindAgain {
		a.answer(d.Reply, spa.Ack{Status: spa.Opened, Source: d.Source})
		return
	}
	if !d.Record.IsZero() && !o.asked {
		if err := a.around.Recorder.Record(d.Record); err != nil {
			d.Kind, d.Reason, d.Grants, d.Detail = event.KindRefusal, event.NoRecord, nil, err.Error()
			a.events.Decided(o.at, d)
			return
		}
		if d.Kind == event.KindGrant && a.around.Ask != nil {
			a.around.Ask(d, func(d gate.Decision) { a.answered(order{o.at, d, true}) })
			return
		}
	}
	var reply spa.Ack
	switch {
	case d.Kind == event.KindGrant:
		var silent bool
		if reply, silent = a.give(o.at, d); silent {
			return
		}
	case d.Kind == event.KindEnrolment:
		a.around.Enrol(o.at, d) // which answers
		return
	case d.Kind == event.KindAsked:
		a.around.Asked(o.at, d) // nobody answers
		return
	case d.Kind == event.KindRevocation:
		reply = a.takeBack(o.at, d)
	case elsewhere(d.Reason):
		a.intercepted(o.at, d)
		return
	default:
		// Refused, and without a reply: silence is all that a stolen key gets.
		a.events.Decided(o.at, d)
		a.around.Bans.Misused(o.at, d)
		return
	}
	if d.Reply != nil {
		a.answer(d.Reply, reply)
	}
}

// answered takes a decision about which others were asked. It does not wait.
func (a *Actor) answered(o order) {
	select {
	case a.asked <- o:
	default:
		a.events.Put(event.Event{Time: o.at, Kind: event.KindOverload, Source: o.decision.Source, Door: o.decision.Door, Client: o.decision.Client, Reason: event.NotOpened, Detail: "too many grants are waiting for the firewall"})
	}
}

// give opens what was decided. Who is kept out gets silence, as a stolen key does.
func (a *Actor) give(now time.Time, d gate.Decision) (reply spa.Ack, silent bool) {
	reply = spa.Ack{Time: now, Source: d.Source, Status: spa.Opened}
	a.around.Bans.Pardon(now, d)
	var given []event.Grant
	for _, g := range d.Grants {
		opened, err := a.Open(now, g, d) // the error is an event
		if err != nil && d.Record.Message != nil {
			if errors.Is(err, errKeptOut) {
				return reply, true
			}
			return spa.Ack{Time: now, Source: d.Source, Status: spa.Refused, Reason: spa.NotOpened}, false // the client knocks again
		}
		if err == nil {
			given = append(given, opened)
			reply.Doors = append(reply.Doors, spa.AckDoor{
				ID: spa.DoorID(g.Door), For: opened.Until.Sub(now).Truncate(time.Second), Single: opened.Single})
		}
	}
	if len(d.Carried) > 0 && len(given) > 0 && a.around.Shared != nil {
		a.around.Shared(d, given)
	}
	return reply, false
}

// takeBack ends the grants that a client gives back. What it has no grant for is
// closed already.
func (a *Actor) takeBack(now time.Time, d gate.Decision) spa.Ack {
	reply := spa.Ack{Time: now, Source: d.Source, Status: spa.Closed}
	for _, g := range d.Grants {
		_, err := a.Revoke(now, d.Reason, func(h event.Grant) bool { return h.Door == g.Door && h.Covers(g.Source) && h.Owner().Is(g.Client) })
		if err != nil { // it is closed a little later
			return spa.Ack{Time: now, Source: d.Source, Status: spa.Refused, Reason: spa.NotOpened}
		}
		reply.Doors = append(reply.Doors, spa.AckDoor{ID: spa.DoorID(g.Door)})
	}
	return reply
}

// elsewhere reports whether a message has come from a second source.
func elsewhere(r event.Reason) bool { return r == event.Intercepted || r == event.Roamed }

// intercepted ends the grants that a message has opened which has come from a
// second source, and the connections that they have let in: an eavesdropper on the
// way may be using them.
func (a *Actor) intercepted(now time.Time, d gate.Decision) {
	a.events.Decided(now, d)
	sent := func(owner event.Owner) bool { return owner.Sent(d.Client, d.Message) }
	// An error is an event already.
	_, _ = a.Revoke(now, d.Reason, func(g event.Grant) bool { return sent(g.Owner()) })
	a.around.Cut(sent)
	a.around.Withdraw(d.Client, d.Message)
}

// answer replies to the client. If that fails, the client knocks again.
func (a *Actor) answer(to *gate.Reply, reply spa.Ack) {
	if err := a.around.Answer(to, reply); err != nil {
		a.events.Put(event.Event{Time: time.Now(), Kind: event.KindFailure, Source: reply.Source, Detail: err.Error()})
	}
}
