package gate

import (
	"time"

	"sallyport/internal/config"
	"sallyport/internal/event"
	"sallyport/internal/spa"
)

// ask decides about an authenticated message by which a client asks an operator to be
// let in. What keeps a client from opening a door by itself does not keep it from
// asking: another door, another address, another hour. But one that has ended cannot
// ask, and none can by a way that it may not use. Nothing is opened, and nobody is
// answered.
func (m *messages) ask(now time.Time, a arrival, message *spa.Message, client *config.Client, d Decision) Decision {
	h := message.Header
	doors := m.doors[h.Door]
	switch {
	case a.stun && !client.STUN, !client.MayUse(message.Suite()):
		d.Reason = event.ForbiddenWay
	case !client.Expires.IsZero() && !now.Before(client.Expires):
		d.Reason = event.KeyExpired
	case h.Door != [4]byte{} && doors == nil:
		d.Reason = event.UnknownDoor
	}
	if d.Reason != "" {
		return d
	}
	code, err := message.AskCode()
	if err != nil {
		d.Reason, d.Detail = event.BadSeal, err.Error()
		return d
	}
	if len(doors) == 1 { // of a group, the operator chooses one
		d.Door = doors[0].Name
	}
	d.Kind, d.Code = event.KindAsked, &code
	return d
}
