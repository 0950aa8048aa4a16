//go:build linux && !client_only

package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sallyport/internal/control"
	"sallyport/internal/inert"
)

func newAsks(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "asks",
		Short:   "Show who asks to be let in",
		GroupID: "server",
		Long: `Lists who waits for an operator: clients who have asked by "sallyport ask", and people who have nothing, from a page
that you serve (sallyport asks serve). The code is not here: the person says it to you, and
"sallyport approve" lets in the address that has asked with it. An ask is over after ten minutes.`,
		Example: `  sallyport asks
  sallyport approve BCDFGH --door ssh --for 10m
  sallyport refuse 3f2a91c0`,
		Args: args(cobra.NoArgs),
	}
	path := configFlag(cmd)
	asJSON := cmd.Flags().Bool("json", false, "print JSON")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		conn, err := dial(*path)
		if err != nil {
			return err
		}
		a, err := conn.Asks(cmd.Context())
		if err != nil {
			return err
		}
		if *asJSON {
			printJSON(std.out, a.Asks)
			return nil
		}
		if len(a.Asks) == 0 {
			fmt.Fprintln(std.out, "Nobody asks to be let in.")
		}
		for _, ask := range a.Asks {
			fmt.Fprintln(std.out, askLines(ask, time.Now()))
		}
		return nil
	}
	cmd.AddCommand(newAsksServe(std))
	return cmd
}

// askLines says who asks, and under it what an operator would want to know.
func askLines(a control.Ask, now time.Time) string {
	who := "anyone"
	if a.Client != "" {
		who = inert.Text(a.Client)
	}
	line := fmt.Sprintf("%s  %s from %s", inert.Text(a.ID), who, a.Source)
	if a.Bound {
		line += " (signed)"
	}
	if a.Door != "" {
		line += ", door " + inert.Text(a.Door)
	}
	line += ", " + remaining(a.Until, now)
	if a.Note != "" {
		line += "\n          writes: " + inert.Text(a.Note)
	}
	if known := knownOf(a.Lookup); known != "" {
		line += "\n          " + known
	}
	return line
}

// knownOf says what is known of an address, in one line.
func knownOf(l *control.Lookup) string {
	if l == nil {
		return ""
	}
	var list []string
	switch {
	case l.Last == nil:
		list = append(list, "not let in in the last 30 days")
	case l.Last.Client != "":
		list = append(list, fmt.Sprintf("last let in at %s, for %s", l.Last.Time.Local().Format(time.DateTime), inert.Text(l.Last.Client)))
	default:
		list = append(list, "last let in at "+l.Last.Time.Local().Format(time.DateTime))
	}
	if l.Refusals > 0 {
		list = append(list, fmt.Sprintf("refused %d times in a day", l.Refusals))
	}
	if l.Banned {
		list = append(list, "BANNED")
	}
	for _, f := range l.Findings {
		list = append(list, fmt.Sprintf("finding %s: %s (%s)", inert.Text(f.ID), inert.Text(f.Rule), inert.Text(string(f.Severity))))
	}
	return strings.Join(list, "; ")
}
