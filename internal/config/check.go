package config

import (
	"sallyport/internal/packet"
	"sallyport/internal/phrase"
)

// crossCheck checks what the tables say about each other.
func (l *loader) crossCheck() {
	l.checkDoors()
	l.checkGroups()
	l.checkPorts()
	l.checkKnocks()
	l.checkScans()
	l.checkPrefixes()
	l.checkClients()
	l.checkSecrets()
	l.checkFwknop()
	l.checkHooks()
	l.checkDecoys()
	l.checkPolled()
	l.checkFleet()
}

// checkPolled refuses grants that could be over before those have read of them who are
// to let them in.
func (l *loader) checkPolled() {
	for i, c := range l.config.Clients {
		for _, name := range c.Doors {
			if d := l.config.Door(name); d != nil && c.MaxOpen > 0 && c.MaxOpen < d.Polled {
				s := l.clients[i]
				s.errorf(s.at("max_open"), "max_open = %s is less than polled = %s of door %q: a grant could be over before another firewall has read of it",
					phrase.Duration(c.MaxOpen), phrase.Duration(d.Polled), name)
			}
		}
	}
}

// checkPorts checks that every port has one meaning.
func (l *loader) checkPorts() {
	for i, d := range l.config.Doors {
		s := l.doors[i]
		told := -1 // the door of the latest mistake: one is enough for a range
		for _, p := range d.Ports {
			if j, taken := l.owners[p]; taken {
				if told == j {
					continue
				}
				told = j
				s.errorf(s.at("ports"), "ports: %s is a port of %s already, at %s", p, l.doors[j].title(), l.doors[j].at("ports"))
				continue
			}
			l.owners[p] = i
			if l.config.SPA.is(p) {
				s.errorf(s.at("ports"), "ports: %s is a port of [spa]: choose another there", p)
			}
		}
	}
	told := -1
	for _, p := range l.config.Gate.Public {
		if i, taken := l.owners[p]; taken && i != told {
			told = i
			l.gate.errorf(l.gate.at("public"), "public: %s is a port of %s: a port is public or has a door, not both", p, l.doors[i].title())
		}
	}
}

// checkKnocks checks that every knock is one: contacts with doors, public
// ports and the SPA port are not.
func (l *loader) checkKnocks() {
	public := make(map[packet.Port]struct{})
	for _, p := range l.config.Gate.Public {
		public[p] = struct{}{}
	}
	for _, w := range l.ways() {
		s := w.s
		for _, p := range w.knocks {
			j, door := l.owners[p]
			_, open := public[p]
			switch {
			case door:
				s.errorf(w.at, "%s: %s is a port of %s: want knocks on closed ports only", w.key, p, l.doors[j].title())
			case open:
				s.errorf(w.at, "%s: %s is public: want knocks on closed ports only", w.key, p)
			case l.config.SPA.is(p):
				s.errorf(w.at, "%s: %s is a port of [spa]: want other ports", w.key, p)
			}
		}
	}
}
