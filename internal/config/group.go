package config

import (
	"slices"
	"time"

	"sallyport/internal/packet"
)

// Group is a name for several doors: one knock opens all of them.
type Group struct {
	Name     string
	Doors    []string      // names of existing doors, at least one
	Sequence []packet.Port // empty: none; else as that of a door
	Within   time.Duration // limit for the whole sequence
	Place    Place
}

// maxGroups is enough for any host, and so few that nobody notices them.
const maxGroups = 1000

func (l *loader) readGroup(t *table) {
	s := l.section("group", t)
	g := Group{
		Place:    t.place,
		Name:     readName(s),
		Doors:    list(s, "doors", `names of doors in quotes, such as ["ssh", "web"]`, once(func(name string) (string, error) { return name, nil })),
		Sequence: list(s, "sequence", `knocks in quotes, such as ["tcp/7000", "udp/8000"]`, packet.ParsePort),
		Within:   s.duration("within", 10*time.Second, 100*time.Millisecond, 10*time.Minute),
	}
	if s.empty("doors") {
		s.errorf(s.at("doors"), `doors is missing: want at least one name of a door, such as ["ssh", "web"]`)
	}
	l.checkSequence(s, "sequence", g.Sequence)
	checkWithin(s)
	s.finish()
	l.config.Groups = append(l.config.Groups, g)
	l.groups = append(l.groups, s)
}

// checkGroups checks what groups name. The names of doors and groups share
// one space, because SPA messages name both in the same way.
func (l *loader) checkGroups() {
	doors := make(map[string]Place, len(l.doors))
	ids := make(map[[4]byte]string, len(l.doors))
	for _, s := range l.doors {
		doors[s.name] = s.table.place
		ids[doorID(s.name)] = s.name
	}
	groups := make(map[string]Place, len(l.groups))
	for _, s := range l.groups {
		if s.name == "" {
			continue // reported already
		}
		if at, taken := doors[s.name]; taken {
			s.errorf(s.at("name"), "there is a door of this name at %s: choose another name", at)
		} else if at, twice := groups[s.name]; twice {
			s.errorf(s.table.place, "already defined at %s", at)
		} else if err := claim(ids, doorID(s.name), s.name); err != nil {
			s.errorf(s.at("name"), "%w", err)
		}
		groups[s.name] = s.table.place
	}
	for i, s := range l.groups {
		for _, name := range l.config.Groups[i].Doors {
			_, door := doors[name]
			_, group := groups[name]
			switch {
			case group && !door:
				s.errorf(s.at("doors"), "doors: %q is a group: want doors only, no groups in groups", name)
			case !door:
				s.errorf(s.at("doors"), "doors: there is no door %q", name)
			}
		}
	}
}

// expandGroups puts the doors of groups in the place of the groups that
// clients name.
func (l *loader) expandGroups() {
	groups := make(map[string]*Group, len(l.config.Groups))
	for i := range l.config.Groups {
		groups[l.config.Groups[i].Name] = &l.config.Groups[i]
	}
	if len(groups) == 0 {
		return
	}
	for i := range l.config.Clients {
		c := &l.config.Clients[i]
		var doors []string
		add := func(name string) {
			if !slices.Contains(doors, name) {
				doors = append(doors, name)
			}
		}
		for _, name := range c.Doors {
			g := groups[name]
			if g == nil {
				add(name)
				continue
			}
			c.Groups = append(c.Groups, name)
			for _, d := range g.Doors {
				add(d)
			}
		}
		c.Doors = doors
	}
}

// Group returns the group of that name, or nil.
func (c *Config) Group(name string) *Group {
	for i := range c.Groups {
		if c.Groups[i].Name == name {
			return &c.Groups[i]
		}
	}
	return nil
}

// checkWiden refuses what contradicts itself: a single grant is there to keep
// neighbours out, a wider one lets them in.
func checkWiden(s *section, d Door) {
	for _, key := range []string{"widen4", "widen6"} {
		if s.table.values[key] != nil && d.Single {
			s.errorf(s.at(key), "%s means nothing with single = true, which lets nobody follow: remove one of them", key)
		}
	}
}

// Widen is the length of the prefix that a grant of this door is for, for a
// source with addresses of so many bits; 0: the source alone.
func (d *Door) Widen(addressBits int) int {
	if addressBits == 32 {
		return d.Widen4
	}
	return d.Widen6
}
