package gate

import (
	"math"
	"slices"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/event"
)

// Longest returns until when a grant may last with a configuration; the zero time:
// not at all. Before is the configuration that was in force until now, nil if that is
// not known. Operators are bound by nothing but the existence of the door.
func Longest(cfg, before *config.Config, now time.Time) func(event.Grant) time.Time {
	clients := make(map[string]*config.Client, len(cfg.Clients))
	for i := range cfg.Clients {
		clients[cfg.Clients[i].Name] = &cfg.Clients[i]
	}
	p, lost := permit{config: cfg}, newLost(cfg, before, now)
	return func(g event.Grant) time.Time {
		a := asked{source: g.Source.Unmap(), client: clients[g.Client], seconds: math.MaxUint16}
		switch {
		case !Possible(cfg, g), lost.has(g):
			return time.Time{}
		case g.Holder == event.Operator, g.Holder == event.Anyone && g.Client == "": // nobody knows by which right
			return g.Until
		case g.Client != "" && (a.client == nil || !mayUse(a.client, g, now)):
			return time.Time{}
		}
		most, _ := p.until(now, cfg.Door(g.Door), a)
		switch {
		case !most.After(now):
			return time.Time{}
		case most.Before(g.Until):
			return most
		}
		return g.Until
	}
}

func mayUse(c *config.Client, g event.Grant, now time.Time) bool {
	return slices.Contains(c.Doors, g.Door) && (c.Expires.IsZero() || now.Before(c.Expires)) && c.From.Allows(g.Source.Unmap())
}

// Possible reports whether the firewall keeps a grant with a configuration: its
// door is there, and has grants as wide.
func Possible(cfg *config.Config, g event.Grant) bool {
	door := cfg.Door(g.Door)
	return door != nil && (g.Prefix == 0 || g.Prefix == door.Widen(g.Source.BitLen()))
}
