//go:build linux && !client_only

package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sallyport/internal/control"
	"sallyport/internal/event"
	"sallyport/internal/packet"
	"sallyport/internal/phrase"
)

// watchEvery is how often a watched status is refreshed.
const watchEvery = time.Second

func newStatus(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "status",
		Short:   "Show doors, grants and refusals",
		GroupID: "server",
		Example: "  sallyport status\n  sallyport status --watch\n  sallyport status --json",
		Args:    args(cobra.NoArgs),
	}
	path := configFlag(cmd)
	asJSON := cmd.Flags().Bool("json", false, "print JSON")
	watch := cmd.Flags().BoolP("watch", "w", false, "go on showing, with a countdown")
	cmd.MarkFlagsMutuallyExclusive("json", "watch")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		conn, err := dial(*path)
		if err != nil {
			return err
		}
		if *watch {
			return watchStatus(cmd.Context(), std.out, conn)
		}
		s, err := conn.Status(cmd.Context())
		if err != nil {
			return err
		}
		open := openFindings(cmd.Context(), *path)
		if *asJSON {
			printJSON(std.out, struct {
				control.Status
				Findings findingCounts `json:"findings"`
			}{s, open})
		} else {
			printStatus(std.out, s, time.Now())
			open.print(std.out)
		}
		return nil
	}
	return cmd
}

// watchStatus shows the status again and again, in place on a terminal.
func watchStatus(ctx context.Context, w io.Writer, conn *control.Conn) error {
	every := time.NewTicker(watchEvery)
	defer every.Stop()
	for {
		s, err := conn.Status(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		showPage(screenOf(w), func(page screen) { printStatus(page, s, time.Now()) })
		select {
		case <-ctx.Done():
			return nil
		case <-every.C:
		}
	}
}

// showPage shows a page in the place of the one before. What does not fit a
// terminal is left out at its end, and said.
func showPage(w screen, print func(screen)) {
	var page strings.Builder
	print(w.on(&page))
	lines := strings.Split(strings.TrimRight(page.String(), "\n"), "\n")
	if w.height == 0 {
		fmt.Fprintf(w, "%s\n\n", strings.Join(lines, "\n"))
		return
	}
	const clear = "\x1b[H\x1b[2J"
	shown, used := 0, 0
	for shown < len(lines) && used+w.rows(lines[shown]) < w.height {
		used += w.rows(lines[shown])
		shown++
	}
	left := ""
	if shown < len(lines) { // the last of the lines makes room for the note
		shown = max(shown-1, 0)
		left = w.paint(faint, fmt.Sprintf("%s more: a larger window shows them", phrase.Count(len(lines)-shown, "line")))
	}
	fmt.Fprint(w, clear, strings.Join(append(lines[:shown:shown], left), "\n"))
}

func printStatus(w io.Writer, s control.Status, now time.Time) {
	fmt.Fprintf(w, "sallyport %s, up %s, policy %s, closed ports %s\n", s.Version, remaining(now, s.Started), s.Policy, s.Closed)
	for _, p := range s.Problems {
		warn(w, "%s", p)
	}
	printDoors(w, s.Doors)
	printGrants(w, s, now)
	printCounters(w, s)
	printMoat(w, s.Moat)
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
		row("DOOR", "PORTS", "OPENS FOR", "GRANTS", "DROPPED")
		for _, d := range shown {
			opens := d.OpenFor
			if d.Single {
				opens += ", single"
			}
			row(labelled(d.Name, d.Label), spelled(d.Ports), opens, d.Grants, d.Dropped)
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
		row("OPEN", "FOR", "CLIENT", "REMAINING")
		for _, g := range s.Grants {
			left := remaining(g.Until, now)
			if g.Single {
				left += ", single"
			}
			row(g.Door, g.For(), orDash(labelled(g.Client, s.Labels[g.Client])), left)
		}
	})
}

func printCounters(w io.Writer, s control.Status) {
	fmt.Fprintf(w, "\nDropped at closed ports: %s.", phrase.Count(int(s.Dropped), "packet"))
	for _, name := range slices.Sorted(maps.Keys(s.Capture)) {
		ring := s.Capture[name]
		fmt.Fprintf(w, " Capture %s: %d seen, %d lost", name, ring.Received, ring.Lost)
		if ring.Late > 0 {
			fmt.Fprintf(w, ", %d looked at too late to count", ring.Late)
		}
		fmt.Fprint(w, ".")
	}
	fmt.Fprintln(w)
	if s.Elsewhere > 0 {
		fmt.Fprintf(w, "Not counted as knocks, because they were not at an address of this host: %s.\n", phrase.Count(int(s.Elsewhere), "packet"))
	}
	for _, u := range s.Fwknop {
		last := "not since the start"
		if u.Grants > 0 {
			last = fmt.Sprintf("%s, the last at %s", phrase.Count(int(u.Grants), "grant"), u.Last.Local().Format(time.DateTime))
		}
		fmt.Fprintf(w, "With fwknop: client %s, %s.\n", u.Client, last)
	}
	if len(s.Refusals) == 0 {
		return
	}
	var list []string
	for _, reason := range slices.Sorted(maps.Keys(s.Refusals)) {
		list = append(list, fmt.Sprintf("%s %d", reason, s.Refusals[reason]))
	}
	fmt.Fprintf(w, "Refusals: %s.\n", strings.Join(list, ", "))
}

// printMoat tells in a few lines how junk is kept off.
func printMoat(w io.Writer, m control.Moat) {
	fmt.Fprintf(w, "Moat: %s.", strings.Join(moatPlaces(m), "; "))
	if n := m.Dropped[event.BadTag] + m.Dropped[event.OverBudget]; n > 0 {
		fmt.Fprintf(w, " Dropped %d with a wrong tag, %d over the budget.", m.Dropped[event.BadTag], m.Dropped[event.OverBudget])
	}
	if m.Sampled > 1 {
		fmt.Fprintf(w, " Of packets to closed ports, one in %d is looked at.", m.Sampled)
	}
	fmt.Fprintln(w)
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
