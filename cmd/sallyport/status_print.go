//go:build linux && !client_only

package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"sallyport/internal/control"
	"sallyport/internal/event"
	"sallyport/internal/inert"
	"sallyport/internal/packet"
	"sallyport/internal/phrase"
)

func printStatus(w io.Writer, s control.Status, now time.Time) {
	fmt.Fprintf(w, "sallyport %s, up %s, policy %s, closed ports %s\n", inert.Text(s.Version), remaining(now, s.Started), inert.Text(s.Policy), inert.Text(s.Closed))
	for _, p := range s.Problems {
		warn(w, "%s", p)
	}
	printFleet(w, s.Fleet)
	printDoors(w, s.Doors)
	printGrants(w, s, now)
	printCounters(w, s)
	printMoat(w, s.Moat)
}

// printFleet shows how a gate stands in its fleet.
func printFleet(w io.Writer, f *control.Fleet) {
	if f == nil {
		return
	}
	fmt.Fprintf(w, "fleet: gate %s, %s in all; entry %d of the roll is in force; %s may knock here, %d revoked; etcd was heard of %s\n",
		inert.Text(f.Gate), phrase.Count(f.Gates, "gate"), f.Entry, phrase.Count(f.Clients, "client"), f.Revoked, inert.Text(f.Heard))
	if f.Behind != "" {
		warn(w, "clients of the fleet get nothing new: %s", f.Behind)
	}
}

// manyDoors is how many doors are listed; of more, those in use.
const manyDoors = 50

func printDoors(w io.Writer, doors []control.Door) {
	shown := doors
	if len(doors) > manyDoors {
		shown = slices.DeleteFunc(slices.Clone(doors), func(d control.Door) bool { return d.Grants == 0 })
		fmt.Fprintf(w, "\n%d doors; those with grants:\n", len(doors))
	} else {
		fmt.Fprintln(w)
	}
	table(w, func(row func(...any)) {
		row("DOOR", "PORTS", "A GRANT LASTS", "GRANTS NOW", "PACKETS DROPPED")
		for _, d := range shown {
			lasts := d.OpenFor
			if t, err := time.ParseDuration(lasts); err == nil {
				lasts = phrase.Duration(t)
			}
			if d.Single {
				lasts += ", one connection"
			}
			row(labelled(d.Name, d.Label), spelled(d.Ports), lasts, d.Grants, d.Dropped)
		}
	})
}

// spelled writes ports for people, ranges in short.
func spelled(words []string) string {
	ports := make([]packet.Port, len(words))
	for i, w := range words {
		if ports[i].UnmarshalText([]byte(w)) != nil { // of a newer daemon
			return strings.Join(words, " ")
		}
	}
	return strings.Join(packet.Spell(ports), " ")
}

func printGrants(w io.Writer, s control.Status, now time.Time) {
	if len(s.Grants) == 0 {
		fmt.Fprintln(w, "\nNo grants: every door is closed.")
		return
	}
	fmt.Fprintln(w)
	table(w, func(row func(...any)) {
		row("GRANT AT DOOR", "FOR SOURCE", "OF CLIENT", "ENDS IN")
		for _, g := range s.Grants {
			left := remaining(g.Until, now)
			if g.Single {
				left += ", one connection"
			}
			row(g.Door, g.For(), holder(s, g), left)
		}
	})
}

// holder says whose a grant is.
func holder(s control.Status, g event.Grant) string {
	if g.Holder == event.Named && g.Client != "" {
		return labelled(g.Client, s.Labels[g.Client])
	}
	return "(" + g.Owner().String() + ")"
}

func printCounters(w io.Writer, s control.Status) {
	fmt.Fprintln(w)
	line := func(format string, args ...any) { screenOf(w).prose("", "", inert.Text(fmt.Sprintf(format, args...))) }
	line("Dropped at closed ports: %s. Strangers try every host; these came to nothing.", phrase.Count(int(s.Dropped), "packet"))
	for _, name := range slices.Sorted(maps.Keys(s.Capture)) {
		line("%s", captured(name, s.Capture[name]))
	}
	if s.Elsewhere > 0 {
		line("Not counted as knocks, because they were not at an address of this host: %s.", phrase.Count(int(s.Elsewhere), "packet"))
	}
	for _, u := range s.Fwknop {
		last := "not since the start"
		if u.Grants > 0 {
			last = fmt.Sprintf("%s, the last at %s", phrase.Count(int(u.Grants), "grant"), u.Last.Local().Format(time.DateTime))
		}
		line("With fwknop: client %s, %s.", u.Client, last)
	}
	if len(s.Refusals) == 0 {
		return
	}
	var list []string
	for _, reason := range slices.Sorted(maps.Keys(s.Refusals)) {
		list = append(list, fmt.Sprintf("%s %d", reason, s.Refusals[reason]))
	}
	line("Refusals since the start, by reason: %s. What each means: sallyport report.", strings.Join(list, ", "))
}

// captured says what one ring of the capture has seen. Whatever is lost may have
// been a knock.
func captured(name string, ring control.Ring) string {
	what := map[string]string{"knocks": "Looked at, whether they are knocks", "spa": "Looked at, whether they are SPA messages"}[name]
	if what == "" { // of another daemon
		what = "Capture " + name
	}
	text := fmt.Sprintf("%s: %s", what, phrase.Count(int(ring.Received), "packet"))
	if ring.Lost > 0 {
		text += fmt.Sprintf("; %d more were lost, since the host was too busy", ring.Lost)
	}
	if ring.Late > 0 {
		text += fmt.Sprintf("; %d were looked at too late to count", ring.Late)
	}
	return text + "."
}

// printMoat says in a few lines how junk is kept off.
func printMoat(w io.Writer, m control.Moat) {
	text := fmt.Sprintf("Moat: %s.", strings.Join(moatPlaces(m), "; "))
	if len(m.Interfaces) == 0 || m.Mode == "off" {
		text += " It would drop junk before that costs anything; no door depends on it."
	}
	if n := m.Dropped[event.BadTag] + m.Dropped[event.OverBudget]; n > 0 {
		text += fmt.Sprintf(" Dropped: %s with a wrong tag, %d over the budget of their source.", phrase.Count(int(m.Dropped[event.BadTag]), "message"), m.Dropped[event.OverBudget])
	}
	if m.Sampled > 1 {
		text += fmt.Sprintf(" Of packets to closed ports, one in %d is looked at.", m.Sampled)
	}
	screenOf(w).prose("", "", inert.Text(text))
	if m.Problem != "" {
		warn(w, "moat: %s", m.Problem)
	}
}

func moatPlaces(m control.Moat) []string {
	if m.Mode == "off" {
		return []string{"off, as configured"}
	}
	if len(m.Interfaces) == 0 {
		return []string{"off, there is no interface for it"}
	}
	var list []string
	for _, i := range m.Interfaces {
		place := i.Name + " " + i.Mode
		if i.Reason != "" {
			place += " (" + i.Reason + ")"
		}
		list = append(list, place)
	}
	return list
}
