package gate

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/event"
)

// leastOpen is the shortest grant that is worth giving before the hours end.
const leastOpen = time.Second

// permit decides what of several doors may be opened: when, for how long, how
// wide, and how many at a time.
type permit struct {
	config *config.Config
	held   map[string][]hold // by client; of those with max_grants only
}

// hold is a grant that is in force, as far as the gate knows.
type hold struct {
	door   string
	from   netip.Prefix
	single bool
	until  time.Time
}

// asked is what someone who may open doors asks for.
type asked struct {
	source  netip.Addr
	client  *config.Client // nil: nobody in particular
	doors   []*config.Door
	seconds uint16 // 0: as long as the doors are usually open
	single  bool
	proof   event.Proof
}

// give returns the grants for what is asked, and a refusal for each door that
// stays shut. Without grants the first refusal says why.
func (p *permit) give(now time.Time, a asked) (grants []event.Grant, refused []Decision) {
	for _, door := range a.doors {
		until, detail := p.until(now, door, a)
		if until.Sub(now) < leastOpen {
			refused = append(refused, Decision{Kind: event.KindRefusal, Reason: event.OutOfHours, Source: a.source, Door: door.Name, Detail: detail})
			continue
		}
		g := event.Grant{Door: door.Name, Source: a.source, Until: until, Single: door.Single || a.single, Proof: a.proof}
		if a.client != nil {
			g.Client, g.Single = a.client.Name, g.Single || a.client.Single
		}
		if !g.Single {
			g.Prefix = door.Widen(a.source.BitLen())
		}
		grants = append(grants, g)
	}
	if a.client == nil || len(grants) == 0 {
		return grants, refused
	}
	if n, most := p.count(now, a.client, grants), a.client.Most; most != 0 && n > most {
		return nil, []Decision{{Kind: event.KindRefusal, Reason: event.TooMany, Source: a.source, Door: grants[0].Door,
			Detail: fmt.Sprintf("that would be %d grants at a time; max_grants is %d", n, most)}}
	}
	return grants, refused
}

// until is when a grant ends: after its time, or with the hours of door or
// client. Now: it does not begin.
func (p *permit) until(now time.Time, door *config.Door, a asked) (time.Time, string) {
	until := now.Add(door.OpenFor)
	if a.client != nil {
		until = now.Add(openFor(door, a.client, a.seconds))
	}
	wall := p.config.Gate.Timezone.In(now)
	end, open := door.Hours.Until(wall)
	if !open {
		return now, fmt.Sprintf("outside the hours of door %q", door.Name)
	}
	if !end.IsZero() && end.Before(until) {
		until = end
	}
	if a.client == nil {
		return until, fmt.Sprintf("the hours of door %q are about to end", door.Name)
	}
	if end, open = a.client.Hours.Until(wall); !open {
		return now, fmt.Sprintf("outside the hours of client %q", a.client.Name)
	}
	if !end.IsZero() && end.Before(until) {
		until = end
	}
	return until, "the hours are about to end"
}

// count is how many grants the client would have with these.
func (p *permit) count(now time.Time, client *config.Client, with []event.Grant) int {
	if client.Most == 0 {
		return 0
	}
	holds := slices.DeleteFunc(p.held[client.Name], func(h hold) bool { return !h.until.After(now) })
	p.held[client.Name] = holds
	n := len(holds)
	for _, g := range with {
		if !slices.ContainsFunc(holds, is(g)) {
			n++
		}
	}
	return n
}

// is returns a test for what is held by a grant's client: of that door, those
// sources and that kind, as the book of grants has it.
func is(g event.Grant) func(hold) bool {
	from := g.From()
	return func(h hold) bool { return h.door == g.Door && h.from == from && h.single == g.Single }
}

// hold remembers grants that begin, or go on for longer.
func (p *permit) hold(grants []event.Grant) {
	for _, g := range grants {
		if !p.counts(g.Client) {
			continue
		}
		list := p.held[g.Client]
		if i := slices.IndexFunc(list, is(g)); i >= 0 {
			if list[i].until.Before(g.Until) {
				list[i].until = g.Until
			}
			continue
		}
		p.held[g.Client] = append(list, hold{g.Door, g.From(), g.Single, g.Until})
	}
}

// release forgets grants that have ended before their time.
func (p *permit) release(grants []event.Grant) {
	for _, g := range grants {
		if list, ok := p.held[g.Client]; ok {
			p.held[g.Client] = slices.DeleteFunc(list, is(g))
		}
	}
}

// counts reports whether the grants of a client are counted.
func (p *permit) counts(client string) bool {
	_, ok := p.held[client]
	return ok
}

// reconfigure takes a new configuration. What is held stays held.
func (p *permit) reconfigure(cfg *config.Config) {
	held := make(map[string][]hold)
	for i := range cfg.Clients {
		if c := &cfg.Clients[i]; c.Most != 0 {
			held[c.Name] = p.held[c.Name]
		}
	}
	p.config, p.held = cfg, held
}

// Began tells the gate of grants in force that it has not given since New, or
// since the configuration counts those of their clients.
func (g *Gate) Began(grants []event.Grant) { g.permit.hold(grants) }

// Ended tells the gate of grants that it gave and that are not in force any
// more before their time, or never were.
func (g *Gate) Ended(grants []event.Grant) { g.permit.release(grants) }

// because sums up several refusals for a message that opens nothing.
func because(refused []Decision) (event.Reason, string) {
	var details []string
	for _, r := range refused {
		if !slices.Contains(details, r.Detail) {
			details = append(details, r.Detail)
		}
	}
	return refused[0].Reason, strings.Join(details, "; ")
}
