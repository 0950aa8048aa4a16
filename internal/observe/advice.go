package observe

import (
	"cmp"
	"slices"
)

// few is how many sources a port may have to be taken for one of known people.
// With more, it is taken for a public service.
const few = 16

// Advice is what a record suggests.
type Advice struct {
	Doors  []*Port // used by few, or by nobody: close them
	Unused []*Port // of those, used by nobody
	Public []*Port // used by many
	Shut   []Shut  // who would be shut out by the doors until they knock
}

// Shut is a source and the doors that it uses.
type Shut struct {
	Source      string
	Doors       []string
	Connections uint64
}

// Advise draws conclusions. None is drawn from silence while reports were lost:
// then a port is unused only as far as is known, which Record.Lost says.
func (r *Record) Advise() Advice {
	var a Advice
	by := make(map[string]*Shut)
	for _, p := range r.Ports {
		if len(p.Sources) > few || p.Others > 0 {
			a.Public = append(a.Public, p)
			continue
		}
		a.Doors = append(a.Doors, p)
		if p.Connections == 0 {
			a.Unused = append(a.Unused, p)
		}
		for _, s := range p.Sources {
			name := s.Prefix.String()
			if s.Prefix.IsSingleIP() {
				name = s.Prefix.Addr().String()
			}
			if by[name] == nil {
				by[name] = &Shut{Source: name}
			}
			by[name].Doors = append(by[name].Doors, p.Door)
			by[name].Connections += s.Connections
		}
	}
	for _, s := range by {
		a.Shut = append(a.Shut, *s)
	}
	slices.SortFunc(a.Shut, func(x, y Shut) int {
		return cmp.Or(cmp.Compare(y.Connections, x.Connections), cmp.Compare(x.Source, y.Source))
	})
	return a
}
