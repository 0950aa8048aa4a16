package gate

import (
	"slices"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/enrolled"
	"sallyport/internal/event"
	"sallyport/internal/packet"
	"sallyport/internal/replay"
	"sallyport/internal/spa"
	"sallyport/internal/sshauth"
)

// enrolEvery is how often an invite is obeyed: each time costs the disk a record, and
// a device that does it right makes a new message after four seconds.
const enrolEvery = time.Second

// invites are those that the gate knows, by the id that messages claim.
type invites map[[6]byte]*invite

type invite struct {
	enrolled.Record
	mark *enrolled.Use // what has used it; set before anything else is done
	last time.Time     // when it was obeyed last
}

// Invites takes the invites that there are, used ones too, and the configuration with
// the clients that are enrolled. An invite that was used here stays used, whatever the
// list says: it may have been made before that was written down.
func (g *Gate) Invites(cfg *config.Config, list []enrolled.Record, now time.Time) {
	next := make(invites, len(list))
	for _, r := range list {
		i := &invite{Record: r, mark: r.Use}
		if before := g.invites[r.ID()]; before != nil {
			i.last = before.last
			if i.mark == nil {
				i.mark = before.mark
			}
		}
		next[r.ID()] = i
	}
	g.invites = next
	before := g.config
	g.config = cfg
	g.permit.reconfigure(cfg)
	if g.messages != nil {
		g.messages.invites, g.messages.clients, g.messages.config = next, configured(cfg), cfg
	}
	if !slices.EqualFunc(rotatingOf(before), rotatingOf(cfg), sameSecret) {
		g.replan(g.plan.step)
	}
}

// rotatingOf returns the clients of the layer that have secrets for sequences.
func rotatingOf(cfg *config.Config) (list []*config.Client) {
	for i := range cfg.Clients {
		if c := &cfg.Clients[i]; !c.Rotating.Current.IsZero() {
			list = append(list, c)
		}
	}
	return list
}

func sameSecret(a, b *config.Client) bool {
	return a.Name == b.Name && a.Rotating.Current == b.Rotating.Current && slices.Equal(a.Doors, b.Doors) && slices.Equal(a.Groups, b.Groups)
}

// enrol judges a message that enrols a key. The order of the checks is that of every
// other message; until the signature of the invite's key has been verified, all is
// only claimed.
func (m *messages) enrol(now time.Time, p *packet.Packet, a arrival, message *spa.Message, password string, d Decision) Decision {
	h := message.Header
	i := m.invites[h.Client]
	if i == nil {
		d.Reason = event.UnknownClient
		return d
	}
	d.Client = i.Name
	if !h.Fresh(now, m.config.SPA.ClockSkew) {
		d.Reason, d.Detail = event.StaleTime, clockDetail(h.Time, now)
		return d
	}
	id := replay.Message{Client: h.Client, R: message.Nonce, Mark: mark(a.message), Stamped: h.Time, Source: p.Src}
	c := copied{client: i.Name, id: id, bound: h.Bound}
	if v := seen(m.Guard, id, now); v == replay.Repeated || v == replay.Intercepted {
		return a.again(now, d, c, v)
	}
	kind, key, signature := message.Enrolment()
	if sshauth.Verify(i.PublicKey(), message.Signed(p.Src), signature) != nil {
		d.Reason = event.BadProof
		return d
	}
	m.budget.Good(now, p.Src)
	record, v := m.Guard.Admit(id, now)
	if v != replay.Fresh {
		return again(d, c, v)
	}
	m.recent.keep(now, p, a.message, c)
	d.Authenticated, d.Bound, d.Message = true, h.Bound, event.Message(id.R)
	d.Record.Message = &record
	use := enrolled.Use{Kind: kind, Key: slices.Clone(key), At: now.UTC().Truncate(time.Second)}
	if d.Reason, d.Detail = m.refusesEnrolment(now, p, a, i, &use, h.Bound); d.Reason != "" {
		return d
	}
	i.mark, i.last = &use, now
	if i.Rotating {
		use.Secret, _ = message.Rotating() // an empty one is refused where it is written down
	}
	d.Kind, d.Enrolment = event.KindEnrolment, &enrolled.Enrolment{Invite: i.Record, Use: use}
	if h.Ack {
		d.Reply = a.reply(p, message, password)
	}
	return d
}

// refusesEnrolment returns why an invite enrols no one, although it was shown.
func (m *messages) refusesEnrolment(now time.Time, p *packet.Packet, a arrival, i *invite, use *enrolled.Use, bound bool) (event.Reason, string) {
	_, err := enrolled.ParseKey(use.Kind, use.Key)
	switch {
	case !now.Before(i.Until):
		return event.InviteEnded, "it was valid until " + i.Until.UTC().Format(time.RFC3339)
	case i.Removed:
		return event.InviteUsed, "the client that was enrolled by it has been removed: make a new invite"
	case i.mark != nil && !i.mark.Same(use):
		return event.InviteUsed, "another key was enrolled by it before: if that is not the device that it was made for, someone else has seen the invite"
	case err != nil:
		return event.BadProof, "the key of the new client " + err.Error()
	case a.stun && i.Page == "":
		return event.ForbiddenWay, "this invite is for a program, not for a page"
	case !i.Allows(p.Src):
		return event.ForbiddenFrom, "the client may not knock from here either"
	case m.config.SPA.RequireBound && !bound:
		return event.WrongAddress, "the message names no address, as require_bound asks"
	case now.Sub(i.last) < enrolEvery && !i.last.IsZero():
		return event.OverBudget, "the same invite again within a second"
	}
	return m.collides(i, use)
}

// collides reports why the new client does not go with those that there are.
func (m *messages) collides(i *invite, use *enrolled.Use) (event.Reason, string) {
	if door := enrolled.Missing(m.config, i.Record); door != "" {
		return event.Collision, "there is no door " + door
	}
	r := i.Record
	r.Use = use
	if why := enrolled.Collision(enrolled.Without(m.config, r), r); why != "" {
		return event.Collision, why
	}
	return "", ""
}
