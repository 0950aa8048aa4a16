package gate

import (
	"fmt"
	"slices"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/event"
	"sallyport/internal/packet"
)

// lost is what a new configuration has taken away of that by which doors could be
// opened: a client's right to one or what he proves himself with, or a sequence
// that everybody may send who knows it. Nobody knows which of several proofs a
// grant was given for, so that each of them that ends, ends it.
type lost struct {
	clients map[string]bool // who cannot prove himself any more as he could
	static  map[string]bool // doors that a sequence does not open any more
	any     map[string]bool // doors that are lost to someone
}

// newLost compares a configuration with the one before. If that is not known (nil),
// a door that no sequence opens has lost it.
func newLost(cfg, before *config.Config, now time.Time) lost {
	l := lost{make(map[string]bool), make(map[string]bool), make(map[string]bool)}
	for i := range cfg.Doors {
		door := &cfg.Doors[i]
		is := static(cfg, door, now)
		if before == nil {
			l.static[door.Name] = len(is) == 0
		} else if was := before.Door(door.Name); was != nil && !contains(is, static(before, was, now)) {
			l.static[door.Name], l.any[door.Name] = true, true
		}
	}
	if before != nil {
		l.compareClients(cfg, before, now)
	}
	return l
}

func (l lost) compareClients(cfg, before *config.Config, now time.Time) {
	clients := make(map[string]*config.Client, len(cfg.Clients))
	for i := range cfg.Clients {
		clients[cfg.Clients[i].Name] = &cfg.Clients[i]
	}
	for i := range before.Clients {
		was := &before.Clients[i]
		is := clients[was.Name]
		changed := is == nil || !contains(proofs(is, now), proofs(was, now))
		l.clients[was.Name] = changed
		for _, door := range was.Doors {
			if changed || !slices.Contains(is.Doors, door) {
				l.any[door] = true
			}
		}
	}
}

// static returns what opens a door without a client. One-time sequences count
// together: those that have been used may be taken out of their file.
func static(cfg *config.Config, door *config.Door, now time.Time) (list []string) {
	add := func(knocks []packet.Port) {
		if len(knocks) > 0 {
			list = append(list, fmt.Sprint(knocks))
		}
	}
	add(door.Sequence)
	if now.Before(door.PreviousUntil) {
		add(door.Previous)
	}
	for _, g := range cfg.Groups {
		if slices.Contains(g.Doors, door.Name) {
			add(g.Sequence)
		}
	}
	if door.SequencesFile != "" {
		list = append(list, "one-time")
	}
	return list
}

// proofs returns what a client can prove himself with.
func proofs(c *config.Client, now time.Time) (list []string) {
	if c.Key != nil {
		list = append(list, string(c.Key.Marshal()))
	}
	if c.Fwknop != nil {
		id := c.Fwknop.ID()
		list = append(list, string(id[:]))
	}
	for _, s := range c.Rotating.Secrets(now) {
		list = append(list, s.Text())
	}
	return list
}

// contains reports whether all of some words are in a list.
func contains(list, words []string) bool {
	return !slices.ContainsFunc(words, func(word string) bool { return !slices.Contains(list, word) })
}

// has reports whether a grant may have been given for what is lost.
func (l lost) has(g event.Grant) bool {
	switch {
	case g.Holder == event.Operator:
		return false
	case g.Holder == event.Anyone:
		return l.any[g.Door]
	case g.Client == "":
		return l.static[g.Door]
	}
	return l.clients[g.Client]
}
