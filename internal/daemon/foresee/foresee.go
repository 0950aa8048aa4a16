//go:build linux

// Package foresee says what a configuration would change, and for whom, before it does:
// ports that close or open, grants that end, connections under way, and whether the
// one who asks could come back.
package foresee

import (
	"cmp"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/conntrack"
	"sallyport/internal/control"
	"sallyport/internal/event"
	"sallyport/internal/gate"
	"sallyport/internal/netstate"
	"sallyport/internal/packet"
)

// Now is what is there.
type Now struct {
	Config    *config.Config
	Grants    []event.Grant
	Listeners []packet.Port
	Time      time.Time
	Log       *slog.Logger
}

// Change says what a configuration would change, for the one who asks.
func (n Now) Change(cfg *config.Config, q control.ReloadRequest) control.ReloadAnswer {
	old := n.Config
	a := control.ReloadAnswer{Changes: append([]config.Change{}, config.Compare(old, cfg)...),
		Closes: []control.Listener{}, Opens: []control.Listener{}, Ends: []event.Grant{}, Connections: []control.Connection{}, Warnings: []string{}, Waiting: []string{}}
	programs := n.programs()
	closes := make(map[packet.Port]bool)
	for _, p := range concerned(old, cfg, programs) {
		switch before, after := old.Closes(p), cfg.Closes(p); {
		case !before && after:
			closes[p] = true
			a.Closes = append(a.Closes, listener(p, programs, cfg))
		case before && !after:
			a.Opens = append(a.Opens, listener(p, programs, old))
		}
	}
	longest := gate.Longest(cfg, old, n.Time)
	for _, g := range n.Grants {
		if longest(g).IsZero() {
			a.Ends = append(a.Ends, g)
		}
	}
	a.Connections = append(a.Connections, n.connections(closes, cfg)...)
	n.asker(&a, cfg, q)
	return a
}

// programs returns the name of the program at each port where one listens, as
// far as this process can see it.
func (n Now) programs() map[packet.Port]string {
	names := make(map[packet.Port]string)
	for _, p := range n.Listeners {
		names[p] = ""
	}
	services, err := netstate.Services()
	if err != nil {
		n.Log.Debug("the programs behind ports", "error", err)
	}
	for _, s := range services {
		names[s.Port] = s.Process
	}
	return names
}

// concerned lists every port that a change can concern, in order.
func concerned(old, cfg *config.Config, programs map[packet.Port]string) []packet.Port {
	ports := make(map[packet.Port]bool)
	for _, c := range []*config.Config{old, cfg} {
		for _, door := range c.Doors {
			for _, p := range door.Ports {
				ports[p] = true
			}
		}
		for _, p := range c.Gate.Public {
			ports[p] = true
		}
	}
	for p := range programs {
		ports[p] = true
	}
	return slices.SortedFunc(maps.Keys(ports), func(a, b packet.Port) int {
		return cmp.Or(cmp.Compare(a.Proto, b.Proto), cmp.Compare(a.Number, b.Number))
	})
}

func listener(p packet.Port, programs map[packet.Port]string, guarded *config.Config) control.Listener {
	l := control.Listener{Port: p.String(), Program: programs[p]}
	if door := guarded.DoorAt(p); door != nil {
		l.Door = door.Name
	}
	return l
}

// connections lists those under way to ports that close.
func (n Now) connections(closes map[packet.Port]bool, cfg *config.Config) []control.Connection {
	if len(closes) == 0 {
		return nil
	}
	flows, err := conntrack.Established(func(p packet.Port) bool { return closes[p] })
	if err != nil {
		n.Log.Warn("which connections a reload concerns", "error", err)
	}
	var list []control.Connection
	for _, f := range flows {
		if f.Source.IsLoopback() {
			continue
		}
		c := control.Connection{Source: f.Source, Port: f.Port.String()}
		if door := cfg.DoorAt(f.Port); door != nil {
			c.Door = door.Name
		}
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b control.Connection) int {
		return cmp.Or(cmp.Compare(a.Port, b.Port), a.Source.Compare(b.Source))
	})
	return list
}

// asker finds out whether the one who asks could come back: his session
// goes on, but the next connection needs a way in.
func (n Now) asker(a *control.ReloadAnswer, cfg *config.Config, q control.ReloadRequest) {
	old := n.Config
	port := packet.Port{Proto: packet.TCP, Number: q.To}
	if !q.From.IsValid() || q.To == 0 || old.WayIn(q.From, port, n.Time) == "" {
		return
	}
	switch way := cfg.WayIn(q.From, port, n.Time); {
	case way == "":
		what := fmt.Sprintf("%s is closed without a door", port)
		if door := cfg.DoorAt(port); door != nil {
			what = fmt.Sprintf("door %q (%s) has no way in for %s", door.Name, port, q.From)
			if until := n.grantedUntil(q.From, door.Name); !until.IsZero() {
				what += fmt.Sprintf(" but a grant until %s", until.Format(time.TimeOnly))
			}
		}
		a.Lockout = fmt.Sprintf("this would lock you out: you are here from %s, and then %s; your session would go on, but no new one", q.From, what)
	case cfg.Closes(port) && !old.Closes(port):
		a.Warnings = append(a.Warnings, fmt.Sprintf("%s, which you came in by, closes: your session goes on, but the next one needs a knock (%s)", port, way))
	}
}

func (n Now) grantedUntil(source netip.Addr, door string) time.Time {
	var latest time.Time
	for _, g := range n.Grants {
		if g.Door == door && g.Covers(source) && g.Until.After(latest) {
			latest = g.Until
		}
	}
	return latest
}
