package lint

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"sallyport/internal/config"
	"sallyport/internal/packet"
)

// static is a sequence that is written in the configuration.
type static struct {
	owner  string // whom it opens: `door "ssh"`
	kind   string // "" or what distinguishes it: ", the sequence before"
	knocks []packet.Port
	place  config.Place
	once   bool // it opens once, and not before all others in its file have
}

// title says which sequence it is.
func (s static) title() string { return s.owner + s.kind }

// statics lists the sequences of doors and groups: those of now, those before
// as long as they open, and those that open once.
func (in input) statics() []static {
	var list []static
	for _, d := range in.Doors {
		owner := fmt.Sprintf("door %q", d.Name)
		if len(d.Sequence) > 0 {
			list = append(list, static{owner, "", d.Sequence, d.Place, false})
		}
		if len(d.Previous) > 0 && in.now.Before(d.PreviousUntil) {
			list = append(list, static{owner, ", the sequence before", d.Previous, d.Place, false})
		}
		for _, o := range d.OneTime {
			list = append(list, static{owner, ", a one-time sequence", o.Knocks, o.Place, true})
		}
	}
	for _, g := range in.Groups {
		if len(g.Sequence) > 0 {
			list = append(list, static{fmt.Sprintf("group %q", g.Name), "", g.Sequence, g.Place, false})
		}
	}
	return list
}

// lasting lists those that open more than once.
func (in input) lasting() []static {
	return slices.DeleteFunc(in.statics(), func(s static) bool { return s.once })
}

// way is how a door can be opened, beside the open command.
type way struct{ static, client bool }

// ways finds them for each door, by its name. A client whose key has expired
// opens nothing.
func (in input) ways() map[string]way {
	ways := make(map[string]way, len(in.Doors))
	for _, d := range in.Doors {
		ways[d.Name] = way{static: len(d.Sequence) > 0 || len(d.OneTime) > 0}
	}
	for _, g := range in.Groups {
		for _, name := range g.Doors {
			w := ways[name]
			w.static = w.static || len(g.Sequence) > 0
			ways[name] = w
		}
	}
	for _, c := range in.Clients {
		for _, name := range c.Doors {
			w := ways[name]
			w.client = w.client || in.knocks(c)
			ways[name] = w
		}
	}
	return ways
}

// knocks reports whether a client can open doors at all.
func (in input) knocks(c config.Client) bool {
	expired := !c.Expires.IsZero() && !in.now.Before(c.Expires)
	return !expired && in.SPA.Knocks(&c)
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
