package main

import (
	"fmt"
	"io"
	"strings"

	"sallyport/internal/control"
	"sallyport/internal/event"
)

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
		fmt.Fprintf(w, "! moat: %s\n", m.Problem)
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
