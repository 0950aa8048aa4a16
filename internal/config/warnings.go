package config

import (
	"fmt"
	"slices"

	"sallyport/internal/packet"
)

// Warning is something in a valid configuration that is probably not meant.
type Warning struct {
	Place Place
	Text  string
}

// String returns "file:line: text".
func (w Warning) String() string { return w.Place.String() + ": " + w.Text }

// Warnings returns what is worth a second look, in the order of the
// configuration.
func (c *Config) Warnings() []Warning {
	var list []Warning
	warn := func(at Place, format string, args ...any) {
		list = append(list, Warning{at, fmt.Sprintf(format, args...)})
	}
	if len(c.Doors) == 0 && c.Gate.Policy == PolicyDoors {
		warn(Place{File: c.Path}, `no [[door]]: nothing is closed`)
	}
	if i := slices.IndexFunc(c.Clients, func(client Client) bool { return client.Rotating.Current.IsZero() }); i >= 0 && c.SPA.Port == 0 {
		warn(c.Clients[i].Place, "clients cannot knock: SPA is off; set port in [spa]")
	}
	reachable := c.reachable()
	contained := c.contained()
	for _, d := range c.Doors {
		if d.SequencesFile != "" && len(d.OneTime) == 0 {
			warn(d.Place, "door %q has no one-time sequence: %s holds none", d.Name, d.SequencesFile)
		}
		if len(d.Sequence) == 0 && len(d.OneTime) == 0 && !reachable(d.Name) {
			warn(d.Place, "door %q has no way in but the open command: no sequence, and no client that may open it", d.Name)
		}
		if other, ok := contained[spell(d.Sequence)]; ok {
			warn(d.Place, "door %q opens on the way to door %q, whose sequence contains its own", d.Name, c.Doors[other].Name)
		}
		for _, p := range d.To {
			if p.Bits() == 0 && len(c.Gate.Interfaces) == 0 {
				warn(d.Place, "door %q guards every destination (%s): connections from behind this host to the outside need it open too; set interfaces in [gate] to the outer ones", d.Name, p)
			}
		}
	}
	return list
}

// reachable returns a function that tells whether a client, or the sequence of
// a group, may open a door.
func (c *Config) reachable() func(door string) bool {
	doors := make(map[string]bool)
	for _, client := range c.Clients {
		for _, name := range client.Doors {
			doors[name] = doors[name] || client.Key != nil && c.SPA.Port != 0 || !client.Rotating.Current.IsZero()
		}
	}
	for _, g := range c.Groups {
		for _, name := range g.Doors {
			doors[name] = doors[name] || len(g.Sequence) > 0
		}
	}
	return func(door string) bool { return doors[door] }
}

// contained finds the sequences that are part of a longer one without
// beginning it: as spelled, with the index of a door that has the longer.
func (c *Config) contained() map[string]int {
	have := make(map[string]struct{})
	var lengths []int
	for _, d := range c.Doors {
		if n := len(d.Sequence); n > 0 {
			have[spell(d.Sequence)] = struct{}{}
			if !slices.Contains(lengths, n) {
				lengths = append(lengths, n)
			}
		}
	}
	found := make(map[string]int)
	for i, d := range c.Doors {
		text := spell(d.Sequence)
		for at := 1; at < len(d.Sequence); at++ {
			for _, n := range lengths {
				if at+n > len(d.Sequence) {
					continue
				}
				part := text[at*knockSize : (at+n)*knockSize]
				if _, ok := have[part]; ok {
					found[part] = i
				}
			}
		}
	}
	return found
}

const knockSize = 3

// spell writes a sequence as a string, knockSize bytes a knock.
func spell(knocks []packet.Port) string {
	text := make([]byte, 0, len(knocks)*knockSize)
	for _, p := range knocks {
		text = append(text, byte(p.Proto), byte(p.Number>>8), byte(p.Number))
	}
	return string(text)
}
