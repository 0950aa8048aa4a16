//go:build linux

package daemon

import (
	"time"

	"sallyport/internal/event"
	"sallyport/internal/gate"
	"sallyport/internal/spa"
)

// message carries out what an authenticated SPA message asks for: recorded
// first, so that it never works again, then obeyed, then answered.
func (a *actor) message(o order) {
	d := o.decision
	s := a.secrets()
	if err := s.store.Append(d.Answer.Record); err != nil {
		d.Kind, d.Reason, d.Grants, d.Detail = event.KindRefusal, event.NoRecord, nil, err.Error()
		a.events.Decided(o.at, d)
		return
	}
	reply := spa.Ack{Time: o.at, Source: d.Source}
	switch d.Kind {
	case event.KindGrant:
		reply.Status = spa.Opened
		a.pardon(o.at, d)
		for _, g := range d.Grants {
			opened, err := a.open(o.at, g, d)
			if err != nil {
				reply.Status, reply.Reason, reply.Doors = spa.Refused, spa.NotOpened, nil
				break
			}
			reply.Doors = append(reply.Doors, spa.AckDoor{
				ID: spa.DoorID(g.Door), For: opened.Until.Sub(o.at).Truncate(time.Second), Single: opened.Single})
		}
	case event.KindRevocation:
		reply.Status = spa.Closed
		for _, g := range d.Grants {
			// What the client has no grant for is closed already.
			_, _ = a.revoke(o.at, d.Reason, func(h event.Grant) bool { return h.Door == g.Door && h.Covers(g.Source) && h.Owner().Is(g.Client) })
			reply.Doors = append(reply.Doors, spa.AckDoor{ID: spa.DoorID(g.Door)})
		}
	default:
		// Refused, and not told so: silence is all that a stolen key gets.
		a.events.Decided(o.at, d)
		a.misused(o.at, d)
		return
	}
	if a.answers() && d.Answer.Message.Header.Ack {
		a.answer(s, d.Answer, reply)
	}
}

// answer tells the client. If that fails, the client knocks again.
func (a *actor) answer(s *secrets, to *gate.Answer, reply spa.Ack) {
	datagram, err := to.Message.SealAck(reply)
	if err == nil {
		err = s.sender.Send(to.From, to.To, to.In, datagram)
	}
	if err != nil {
		a.events.Put(event.Event{Time: time.Now(), Kind: event.KindFailure, Source: reply.Source, Detail: err.Error()})
	}
}
