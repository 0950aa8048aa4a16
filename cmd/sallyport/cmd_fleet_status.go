//go:build linux && !client_only

package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sallyport/internal/fleet/desk"
	"sallyport/internal/fleet/roll"
	"sallyport/internal/phrase"
)

// fleetStatus is a fleet as it is shown.
type fleetStatus struct {
	Fleet     string          `json:"fleet"`
	Entry     uint64          `json:"entry"`
	Hash      string          `json:"hash"`
	Problem   string          `json:"problem,omitempty"` // why what lies behind that entry does not count
	Operators []fleetOperator `json:"operators"`
	Clients   int             `json:"clients"`
	Gates     []fleetGate     `json:"gates"`
	Requests  []string        `json:"requests,omitempty"` // gates that ask to be let in
	Warnings  []string        `json:"warnings,omitempty"`
}

type fleetOperator struct {
	Name     string `json:"name"`
	Key      string `json:"key"`
	Software bool   `json:"software_key"`
}

// fleetGate is a gate by its own word.
type fleetGate struct {
	Name     string   `json:"name"`
	Groups   []string `json:"groups,omitempty"`
	Key      string   `json:"key"`
	Heard    bool     `json:"heard"`
	Entry    uint64   `json:"entry,omitempty"`
	Version  string   `json:"version,omitempty"`
	Problems int      `json:"problems,omitempty"`
	Behind   bool     `json:"behind,omitempty"` // it gives nothing new to clients of the fleet
	Clock    float64  `json:"clock_seconds,omitempty"`
	Doors    string   `json:"doors,omitempty"`
	At       string   `json:"at,omitempty"`
}

func newFleetStatus(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "status",
		Short:   "Show the fleet's gates, operators, and how far each gate is",
		Example: "  sallyport fleet status\n  sallyport fleet status --json",
		Args:    args(cobra.NoArgs),
	}
	asJSON := cmd.Flags().Bool("json", false, "print JSON")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		d, err := openFleet(cmd.Context())
		if err != nil {
			return err
		}
		defer d.Close()
		list, err := d.Standings(cmd.Context())
		if err != nil {
			return fleetAdvice(d.Folder, err)
		}
		requests, err := d.Requests(cmd.Context(), time.Now())
		if err != nil {
			return fleetAdvice(d.Folder, err)
		}
		s := fleetStatusOf(d, list, requests, time.Now())
		if *asJSON {
			printJSON(std.out, s)
		} else {
			s.print(std.out)
		}
		return nil
	}
	return cmd
}

func fleetStatusOf(d *desk.Desk, list []desk.Standing, requests []desk.Request, now time.Time) fleetStatus {
	s := fleetStatus{Fleet: d.View.Fleet.String(), Entry: d.View.Head.Number, Hash: d.View.Head.Hash.String(), Clients: len(d.View.Clients), Gates: []fleetGate{}, Warnings: fleetAmiss(d, list, now)}
	if d.View.Problem != nil {
		s.Problem = d.View.Problem.Error()
	}
	for _, name := range desk.Names(d.View.Operators) {
		o := d.View.Operators[name]
		k, _ := o.PublicKey() // it is in the roll
		s.Operators = append(s.Operators, fleetOperator{name, keyText(k), o.Software})
	}
	for _, g := range list {
		s.Gates = append(s.Gates, standingOf(g))
	}
	for _, q := range requests {
		if !q.Twice {
			s.Requests = append(s.Requests, q.Gate.Name)
		}
	}
	return s
}

func standingOf(g desk.Standing) fleetGate {
	shown := fleetGate{Name: g.Name, Groups: g.Gate.Groups, Key: fingerprint(g.Gate.Key)}
	if b := g.Beat; b != nil {
		shown.Heard, shown.Entry, shown.Version, shown.Problems, shown.Behind = true, b.Head.Number, b.Version, int(b.Problems), b.Behind
		shown.Doors, shown.At = fmt.Sprintf("%x", b.Doors), b.At.UTC().Format(time.RFC3339)
	}
	return shown
}

// fleetAmiss says what differs between gates that should be alike, and what ends soon.
func fleetAmiss(d *desk.Desk, list []desk.Standing, now time.Time) (lines []string) {
	for _, c := range d.Certs {
		if text, _ := c.Due(now); text != "" {
			lines = append(lines, text)
		}
	}
	versions, doors := map[string][]string{}, map[[8]byte][]string{}
	var silent, forked []string
	for _, g := range list {
		if g.Beat == nil {
			silent = append(silent, g.Name)
			continue
		}
		versions[g.Beat.Version] = append(versions[g.Beat.Version], g.Name)
		doors[g.Beat.Doors] = append(doors[g.Beat.Doors], g.Name)
		if g.Beat.Head.Number == d.View.Head.Number && g.Beat.Head != d.View.Head {
			forked = append(forked, g.Name)
		}
		if ahead := g.Beat.At.Sub(now); ahead > maxAhead {
			lines = append(lines, fmt.Sprintf("the clock of gate %q is %s ahead of this one", g.Name, phrase.Duration(ahead.Round(time.Second))))
		}
	}
	if len(forked) > 0 {
		lines = append(lines, fmt.Sprintf("another history than here is in force at %s: %v", phrase.Some(forked, manyGates), roll.ErrFork))
	}
	if len(silent) > 0 {
		lines = append(lines, "nothing is heard of "+phrase.Some(silent, manyGates))
	}
	if len(versions) > 1 {
		lines = append(lines, "the gates have different versions: "+differing(versions))
	}
	if len(doors) > 1 {
		lines = append(lines, fmt.Sprintf("not all gates have the doors that clients of the fleet use, by the same names: there are %d kinds of gates", len(doors)))
	}
	return lines
}

// maxAhead is how far a gate's clock may be ahead. How far it is behind is not seen in a
// heartbeat, which may be as old as it can be.
const maxAhead = 5 * time.Second

func differing(by map[string][]string) string {
	var parts []string
	for _, v := range desk.Names(by) {
		parts = append(parts, fmt.Sprintf("%s at %s", v, phrase.Some(by[v], manyGates)))
	}
	return strings.Join(parts, "; ")
}

func (s fleetStatus) print(w io.Writer) {
	fmt.Fprintf(w, "fleet %s\nentry %d %s\n", s.Fleet, s.Entry, s.Hash)
	if s.Problem != "" {
		warn(w, "what lies behind that entry does not count: %s", s.Problem)
	}
	fmt.Fprintf(w, "%s; %s\n\n", phrase.Count(len(s.Operators), "operator"), phrase.Count(s.Clients, "client"))
	table(w, func(row func(...any)) {
		row("OPERATOR", "KEY", "")
		for _, o := range s.Operators {
			row(o.Name, o.Key, map[bool]string{true: "in software"}[o.Software])
		}
	})
	fmt.Fprintln(w)
	if len(s.Gates) > 0 {
		table(w, func(row func(...any)) {
			row("GATE", "GROUPS", "ENTRY", "VERSION", "PROBLEMS", "HEARTBEAT")
			for _, g := range s.Gates {
				row(g.Name, orDash(strings.Join(g.Groups, " ")), g.entry(), orDash(g.Version), g.Problems, orDash(g.At))
			}
		})
	}
	for _, name := range s.Requests {
		warn(w, "gate %q asks to be let in: sallyport fleet approve %s", name, name)
	}
	for _, text := range s.Warnings {
		warn(w, "%s", text)
	}
}

func (g fleetGate) entry() string {
	switch {
	case !g.Heard:
		return "not heard"
	case g.Behind:
		return fmt.Sprintf("%d, gives nothing new", g.Entry)
	}
	return fmt.Sprint(g.Entry)
}
