//go:build linux

package drill

import (
	"context"
	"fmt"
	"net/netip"
	"time"
)

const sayClientOpens = "a door opens for a client that may not open it"

// refused has a client send a message that must not open anything.
func (g *ground) refused(ctx context.Context, times int, change func(*message)) error {
	c := g.owner()
	from, _ := g.homeOf(c)
	g.outsiders = append(g.outsiders, from)
	for range times {
		m := g.own(c, from)
		change(&m)
		datagram, err := g.seal(m)
		if err != nil {
			return err
		}
		if err := g.repeat(ctx, from, datagram, 1); err != nil {
			return err
		}
	}
	return nil
}

var expiredClient = Attack{
	ID: "expired-client", Group: "forbidden", Does: "is a client whose key has expired an hour ago", Not: sayClientOpens,
	Technique: "T1078", needs: messages,
	alter: func(p *plan) {
		p.expired = p.owner().Name
		p.owner().Expires = time.Now().Add(-time.Hour)
	},
	run: func(ctx context.Context, g *ground) error {
		c := g.named(g.expired)
		from, _ := g.homeOf(c)
		g.outsiders = append(g.outsiders, from)
		datagram, err := g.seal(g.own(c, from))
		if err != nil {
			return err
		}
		return g.repeat(ctx, from, datagram, 1)
	},
}

// otherDoor is a door that a client may not open.
func (p *plan) otherDoor() string {
	c := p.owner()
	if c == nil {
		return ""
	}
	for _, d := range p.Doors {
		found := false
		for _, name := range c.Doors {
			found = found || name == d.Name
		}
		if !found {
			return d.Name
		}
	}
	return ""
}

func severalDoors(p *plan) string {
	if len(p.Doors) < 2 {
		return sayOneDoor
	}
	return ""
}

var forbiddenDoor = Attack{
	ID: "forbidden-door", Group: "forbidden", Does: "is a client that asks for a door that is not its own", Not: sayClientOpens,
	Rule: "forbidden-door", Within: 15 * seconds, Technique: "T1078", needs: all(messages, severalDoors),
	alter: func(p *plan) {
		if c := p.owner(); p.otherDoor() == "" {
			c.Doors, c.Groups = []string{p.doorOf(c)}, nil
		}
	},
	run: func(ctx context.Context, g *ground) error {
		return g.refused(ctx, g.Detect.Forbidden+1, func(m *message) { m.door = g.otherDoor() })
	},
}

var forbiddenPlace = Attack{
	ID: "forbidden-place", Group: "forbidden", Does: "has a client's key, and knocks from where that client may not", Not: sayNothingOpens,
	Rule: "forbidden-place", Within: 15 * seconds, Technique: "T1078", needs: messages,
	alter: func(p *plan) {
		elsewhere := netip.MustParsePrefix("203.0.113.128/25")
		if p.six {
			elsewhere = netip.MustParsePrefix("2001:db8:ffff::/48")
		}
		p.owner().From = only(elsewhere)
	},
	run: func(ctx context.Context, g *ground) error {
		thief := g.outsider()
		for range g.Detect.Forbidden + 1 {
			datagram, err := g.seal(g.own(g.owner(), thief))
			if err != nil {
				return err
			}
			if err := g.repeat(ctx, thief, datagram, 1); err != nil {
				return err
			}
		}
		return nil
	},
}

var outOfHours = Attack{
	ID: "out-of-hours", Group: "forbidden", Does: "is a client that knocks when its door has no hours", Not: sayClientOpens,
	Technique: "T1078", needs: messages,
	alter: func(p *plan) {
		now := time.Now().UTC()
		p.hours[p.doorOf(p.owner())] = fmt.Sprintf("%02d:00-%02d:00", (now.Hour()+3)%24, (now.Hour()+4)%24)
	},
	run: func(ctx context.Context, g *ground) error { return g.refused(ctx, 1, func(*message) {}) },
}

var clockBehind = Attack{
	ID: "clock-behind", Group: "forbidden", Does: "sends a message that is stamped an hour ago, as a machine whose clock was put back does", Not: sayClientOpens,
	Technique: "T1070.006", needs: messages,
	run: func(ctx context.Context, g *ground) error {
		return g.refused(ctx, 1, func(m *message) { m.off = -time.Hour })
	},
}

var clockAhead = Attack{
	ID: "clock-ahead", Group: "forbidden", Does: "sends a message that is stamped for an hour to come, to be used later", Not: sayClientOpens,
	Technique: "T1070.006", needs: messages,
	run: func(ctx context.Context, g *ground) error {
		return g.refused(ctx, 1, func(m *message) { m.off = time.Hour })
	},
}
