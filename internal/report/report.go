// Package report turns what the journal holds into something a person looks at:
// the reasons of decisions in plain words, and a summary of days or weeks as a
// page or as text.
//
// It is pure: events go in, text comes out. Every word that an attacker may
// have chosen is escaped where it is printed.
package report

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/event"
	"sallyport/internal/lang"
)

// Subject says what a report is about.
type Subject struct {
	Host         string
	Version      string
	Lang         lang.Lang // of the page and the text
	Since, Until time.Time
	Zone         *time.Location // of the times shown; nil: UTC
	Doors        []Named        // as configured
	Clients      []Named        // as configured
	Overdue      []config.Overdue
	RotationDue  time.Duration   // 0: nobody has said how often secrets are to be changed
	Findings     []event.Finding // those not acknowledged, the most severe first, in English
}

// Named is a door or a client of the configuration.
type Named struct {
	Name, Label string
}

const (
	buckets    = 84      // of a time line: two hours each for a week
	maxSources = 100_000 // of which the report keeps account
	topSources = 12      // listed
	maxWords   = 2_000   // doors or clients of which the report keeps account
)

// Report is a summary. Add events, then print it.
type Report struct {
	Subject
	Opened, Refused, Touched Line
	Events                   uint64
	Grants                   uint64
	Renewals                 uint64 // of grants that were in force, which do not count as grants
	Refusals                 uint64
	Packets                  uint64 // that touched closed ports
	Uses                     uint64 // grants whose connection was seen
	Starts, Failures, Lost   uint64

	reasons map[event.Reason]uint64
	sources map[netip.Addr]*Source
	others  uint64 // events of sources beyond maxSources
	doors   map[string]*Use
	clients map[string]*Use
	trouble []event.Event // the latest ones
	inForce inForce
}

// Line is a time line: one number for each bucket.
type Line [buckets]uint64

// Max returns the highest number.
func (l *Line) Max() uint64 { return slices.Max(l[:]) }

// Source is what came from one address.
type Source struct {
	Addr             netip.Addr
	Grants, Refusals uint64
	Packets          uint64 // that touched closed ports
	Ports            uint32 // the most in one interval
	Last             time.Time
	Reason           event.Reason // of the latest refusal
	Client           string       // the latest that had a grant
}

// Use is how a door, or a client, was used.
type Use struct {
	Named
	Configured       bool
	Grants, Refusals uint64
	Uses             uint64 // grants whose connection was seen
	Last             time.Time
	From             netip.Addr   // of the latest grant
	Reason           event.Reason // of the latest refusal
	Fwknop           uint64       // knocks of its fwknop
	LastFwknop       time.Time
}

// New begins a report.
func New(s Subject) *Report {
	if s.Zone == nil {
		s.Zone = time.UTC
	}
	r := &Report{Subject: s, reasons: make(map[event.Reason]uint64), sources: make(map[netip.Addr]*Source),
		doors: make(map[string]*Use), clients: make(map[string]*Use), inForce: make(inForce)}
	for _, d := range s.Doors {
		r.doors[d.Name] = &Use{Named: d, Configured: true}
	}
	for _, c := range s.Clients {
		r.clients[c.Name] = &Use{Named: c, Configured: true}
	}
	return r
}

// Add takes one event. Their order does not matter much: the latest is the one
// added last.
func (r *Report) Add(e event.Event) {
	n := max(e.Count.Packets, 1)
	r.Events++
	goesOn := r.inForce.goesOn(e)
	switch e.Kind {
	case event.KindGrant:
		if goesOn {
			r.Renewals++
			n = 0
		}
		r.Grants += n
		r.at(&r.Opened, e.Time, n)
	case event.KindRefusal:
		r.Refusals += n
		r.reasons[e.Reason] += n
		r.at(&r.Refused, e.Time, n)
	case event.KindContacts:
		r.Packets += n
		r.at(&r.Touched, e.Time, n)
	case event.KindUse:
		if goesOn || !e.Count.First.IsZero() { // the end of one that was counted
			return
		}
		r.Uses++
	case event.KindStart:
		r.Starts++
	case event.KindFailure, event.KindOverload, event.KindRepair:
		r.Failures++
		r.trouble = append(r.trouble[max(0, len(r.trouble)-9):], e)
	}
	r.source(e, n)
	use(r.doors, e.Door, e, n)
	use(r.clients, e.Client, e, n)
}

func (r *Report) at(line *Line, t time.Time, n uint64) {
	whole := r.Until.Sub(r.Since)
	if whole <= 0 || t.Before(r.Since) || t.After(r.Until) {
		return
	}
	line[min(int(t.Sub(r.Since)*buckets/whole), buckets-1)] += n
}

func (r *Report) source(e event.Event, n uint64) {
	if !e.Source.IsValid() {
		return
	}
	s := r.sources[e.Source]
	if s == nil {
		if len(r.sources) >= maxSources {
			r.others += n
			return
		}
		s = &Source{Addr: e.Source}
		r.sources[e.Source] = s
	}
	s.Last = e.Time
	switch e.Kind {
	case event.KindGrant:
		s.Grants += n
		s.Client = e.Client
	case event.KindRefusal:
		s.Refusals += n
		s.Reason = e.Reason
	case event.KindContacts:
		s.Packets += n
		s.Ports = max(s.Ports, e.Count.Ports)
	}
}

func use(all map[string]*Use, name string, e event.Event, n uint64) {
	if name == "" {
		return
	}
	u := all[name]
	if u == nil {
		if len(all) >= maxWords {
			return
		}
		u = &Use{Named: Named{Name: name}}
		all[name] = u
	}
	switch e.Kind {
	case event.KindGrant:
		u.Grants += n
		u.Last, u.From = e.Time, e.Source
		if e.Reason == event.ByFwknop {
			u.Fwknop++
			u.LastFwknop = e.Time
		}
	case event.KindRefusal:
		u.Refusals += n
		u.Reason = e.Reason
	case event.KindUse:
		u.Uses++
	}
}

// Reason is how often one reason was given.
type Reason struct {
	Reason  event.Reason
	Count   uint64
	Meaning string
}

// RefusalsByReason returns the reasons of refusals, the most frequent first.
func (r *Report) RefusalsByReason() []Reason {
	var list []Reason
	for reason, n := range r.reasons {
		e, _ := Explain(reason)
		list = append(list, Reason{reason, n, r.Lang.Say(e.Meaning)})
	}
	slices.SortFunc(list, func(a, b Reason) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Reason, b.Reason)) })
	return list
}

// TopSources returns the sources that made the most noise.
func (r *Report) TopSources() []Source {
	var list []Source
	for _, s := range r.sources {
		if s.Refusals+s.Packets > 0 {
			list = append(list, *s)
		}
	}
	slices.SortFunc(list, func(a, b Source) int {
		return cmp.Or(cmp.Compare(b.Refusals+b.Packets, a.Refusals+a.Packets), a.Addr.Compare(b.Addr))
	})
	return list[:min(len(list), topSources)]
}

// Noisy returns how many sources were refused, or touched closed ports.
func (r *Report) Noisy() int {
	n := 0
	for _, s := range r.sources {
		if s.Refusals+s.Packets > 0 {
			n++
		}
	}
	return n
}

// Quieter returns how many of them are left out of the top sources.
func (r *Report) Quieter() int { return max(r.Noisy()-topSources, 0) }

// DoorUse returns all doors, the most used first.
func (r *Report) DoorUse() []Use { return uses(r.doors) }

// ClientUse returns all clients, the most recent first.
func (r *Report) ClientUse() []Use {
	list := uses(r.clients)
	slices.SortStableFunc(list, func(a, b Use) int { return b.Last.Compare(a.Last) })
	return list
}

func uses(all map[string]*Use) []Use {
	list := make([]Use, 0, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		list = append(list, *all[name])
	}
	slices.SortStableFunc(list, func(a, b Use) int { return cmp.Compare(b.Grants, a.Grants) })
	return list
}

// door returns a door with its label, and client a client.
func (r *Report) door(name string) Named   { return named(r.doors, name) }
func (r *Report) client(name string) Named { return named(r.clients, name) }

func named(all map[string]*Use, name string) Named {
	if u := all[name]; u != nil {
		return u.Named
	}
	return Named{Name: name}
}

// String is the name with the label behind it.
func (n Named) String() string {
	if n.Label == "" {
		return n.Name
	}
	return n.Name + " (" + n.Label + ")"
}

// Trouble returns the latest failures and losses, the oldest first.
func (r *Report) Trouble() []event.Event { return r.trouble }
