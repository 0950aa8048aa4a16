package gate

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/event"
	"sallyport/internal/fwknop"
	"sallyport/internal/limit"
	"sallyport/internal/packet"
	"sallyport/internal/replay"
)

// FwknopPerSecond is how many packets at the port of fwknop's clients are looked
// at. With fwknop.MaxKeys clients a stranger's takes 11 µs, so this is a fortieth
// of a core.
const FwknopPerSecond = 2000

// foreign judges the packets of fwknop's clients. What opens is decided as for our
// messages, by the same guard; nothing is answered.
type foreign struct {
	config  *config.Config
	guard   *replay.Guard
	opener  *fwknop.Opener
	clients []*config.Client // by place of their key in the opener
	doors   map[packet.Port]*config.Door
	budget  *limit.Budget
	permit  *permit
	recent  recent
}

func newForeign(s SPA, p *permit, now time.Time) *foreign {
	seed := [2]uint64{s.Seed[1], s.Seed[0]} // what collides in the one budget does not in the other
	return &foreign{permit: p, budget: limit.New(FwknopPerSecond, seed, now)}
}

func (f *foreign) reconfigure(cfg *config.Config, s SPA) {
	f.config, f.guard, f.clients = cfg, s.Guard, nil
	var keys []*fwknop.Key
	for i := range cfg.Clients {
		if c := &cfg.Clients[i]; c.Fwknop != nil {
			keys, f.clients = append(keys, c.Fwknop), append(f.clients, c)
		}
	}
	f.opener = fwknop.NewOpener(keys)
	f.recent = recent{} // a client may have gone
	f.doors = make(map[packet.Port]*config.Door)
	for i := range cfg.Doors {
		for _, p := range cfg.Doors[i].Ports {
			f.doors[p] = &cfg.Doors[i]
		}
	}
}

// observe judges one datagram, the cheapest check first, and appends what it
// decides.
func (f *foreign) observe(now time.Time, p *packet.Packet, to []Decision) []Decision {
	d := Decision{Kind: event.KindRefusal, Source: p.Src}
	if len(p.Payload) != p.Length || !fwknop.IsForm(p.Payload) {
		d.Reason = event.NotFwknop
		return append(to, d)
	}
	if c, ok := f.recent.find(p.Payload, p.Src); ok {
		if v := seen(f.guard, c.id, now); v == replay.Repeated || v == replay.Intercepted {
			return append(to, again(d, c, v))
		}
	}
	if !f.budget.Allow(now, p.Src) {
		d.Reason = event.OverBudget
		return append(to, d)
	}
	i, err := f.opener.Find(p.Payload)
	if err != nil {
		if d.Reason = event.NotFwknop; errors.Is(err, fwknop.ErrMAC) {
			d.Reason = event.NoFwknopKey
		}
		return append(to, d)
	}
	d.Client = f.clients[i].Name
	message, err := f.opener.Open(i, p.Payload)
	if err != nil {
		if d.Reason, d.Detail = event.BadFwknop, err.Error(); errors.Is(err, fwknop.ErrNotTaken) {
			d.Reason = event.FwknopTooMuch
		}
		return append(to, d)
	}
	return f.judge(now, p, &message, f.clients[i], d, to)
}

// judge decides about a packet that was made with the keys of a client, at some
// time and by this packet or one that it is a copy of.
func (f *foreign) judge(now time.Time, p *packet.Packet, message *fwknop.Message, client *config.Client, d Decision, to []Decision) []Decision {
	if off := message.Time.Sub(now); off.Abs() > f.config.SPA.FwknopSkew() {
		d.Reason, d.Detail = event.StaleTime, clockDetail(message.Time, now)
		return append(to, d)
	}
	// What it asks for is for the address that it names, so a copy from another is
	// worth nothing.
	bound := message.Source.IsValid()
	id := replay.Message{Client: client.Fwknop.ID(), R: [8]byte(message.ID[:8]), Mark: [8]byte(message.ID[8:16]), Stamped: message.Time, Source: p.Src}
	c := copied{client: client.Name, id: id, bound: bound}
	if v := seen(f.guard, id, now); v != replay.Fresh {
		return append(to, again(d, c, v))
	}
	f.budget.Good(now, p.Src)
	record, v := f.guard.Admit(id, now)
	if v != replay.Fresh {
		return append(to, again(d, c, v))
	}
	f.recent.keep(now, p, p.Payload, c)
	d.Authenticated, d.Bound, d.Message = true, message.Source == p.Src, event.Message(id.R)
	d.Record.Message = &record
	return f.obey(now, p.Src, message, client, d, to)
}

// obey decides about an authenticated packet. It is recorded even if nothing is
// opened.
func (f *foreign) obey(now time.Time, from netip.Addr, message *fwknop.Message, client *config.Client, d Decision, to []Decision) []Decision {
	source := from
	if message.Source.IsValid() {
		source = message.Source
	}
	doors, reason, detail := f.wanted(client, message.Ports)
	switch {
	case !client.Expires.IsZero() && !now.Before(client.Expires):
		reason, detail = event.KeyExpired, ""
	case !client.From.Allows(from) || !client.From.Allows(source):
		reason, detail = event.ForbiddenFrom, ""
	case !message.Source.IsValid() && f.config.SPA.RequireBound:
		reason, detail = event.WrongAddress, "the packet names no address (fwknop -s); require_bound wants it"
	case source != from && !f.config.SPA.FwknopOtherSource:
		reason, detail = event.WrongAddress, fmt.Sprintf("the packet names %s; fwknop_other_source would allow that", source)
	}
	if reason != "" {
		d.Reason, d.Detail = reason, detail
		return append(to, d)
	}
	seconds := uint16(min(int(message.Timeout/time.Second), math.MaxUint16))
	grants, refused := f.permit.give(now, asked{source: source, client: client, doors: doors, seconds: seconds, proof: fwknopProof(client)})
	if len(grants) == 0 {
		d.Reason, d.Detail = because(refused)
		d.Door = refused[0].Door
		return append(to, d)
	}
	f.permit.hold(grants)
	for i := range grants {
		grants[i].Message = d.Message
	}
	d.Kind, d.Reason, d.Grants = event.KindGrant, event.ByFwknop, grants
	to = append(to, d)
	for _, r := range refused {
		r.Client, r.Authenticated, r.Bound = d.Client, d.Authenticated, d.Bound
		to = append(to, r)
	}
	return to
}

// wanted returns the doors of all ports that a client asks for. One that it may
// not have refuses them all, as with fwknopd.
func (f *foreign) wanted(client *config.Client, ports []packet.Port) (doors []*config.Door, reason event.Reason, detail string) {
	for _, p := range ports {
		door := f.doors[p]
		switch {
		case door == nil:
			return nil, event.UnknownDoor, fmt.Sprintf("%s belongs to no door", p)
		case !slices.Contains(client.Doors, door.Name):
			return nil, event.ForbiddenDoor, fmt.Sprintf("%s belongs to door %q", p, door.Name)
		case !slices.Contains(doors, door):
			doors = append(doors, door)
		}
	}
	return doors, "", ""
}
