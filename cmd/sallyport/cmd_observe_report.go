//go:build linux && !client_only

package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sallyport/internal/inert"
	"sallyport/internal/observe"
	"sallyport/internal/phrase"
)

func newObserveReport(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "report",
		Short:   "Say who would be shut out, and which doors to make",
		Long:    `Says what "sallyport observe" has seen: who uses which port, who would be shut out, and what to make.`,
		Example: "  sallyport observe report\n  sallyport observe report --json",
		Args:    args(cobra.NoArgs),
	}
	file := cmd.Flags().String("file", defaultObserved, "`FILE` that keeps what was observed")
	asJSON := cmd.Flags().Bool("json", false, "print what was observed as JSON")
	cmd.PreRunE = noneEmpty
	cmd.RunE = func(*cobra.Command, []string) error {
		r, err := observed(*file)
		if err != nil {
			return err
		}
		if *asJSON {
			printJSON(std.out, r)
			return nil
		}
		printObserved(std.out, r)
		return nil
	}
	return cmd
}

// shownSources is how many of those who would be shut out are listed.
const shownSources = 50

func printObserved(w io.Writer, r *observe.Record) {
	fmt.Fprintf(w, "%s.\n\n", nothingClosed)
	fmt.Fprintf(w, "Observed for %s, from %s to %s.\n", phrase.Duration(r.Watch.Round(time.Second)), r.Since.Local().Format(time.DateTime), r.Latest.Local().Format(time.DateTime))
	if r.Watch < 7*24*time.Hour {
		fmt.Fprintln(w, "That is less than a week: who comes less often has not been seen.")
	}
	if r.Lost > 0 {
		fmt.Fprintf(w, "The kernel dropped reports %s: some connections are not counted.\n", phrase.Count(int(min(r.Lost, 1<<30)), "time"))
	}
	a := r.Advise()
	fmt.Fprintln(w)
	printUse(w, a)
	printShut(w, a.Shut)
	if len(a.Doors) > 0 {
		fmt.Fprintln(w, "\nsallyport init --from-observed makes these doors.")
	}
}

func printUse(w io.Writer, a observe.Advice) {
	table(w, func(row func(cells ...any)) {
		row("PORT", "NAME", "CONNECTIONS", "SOURCES", "ADVICE")
		for _, p := range a.Doors {
			advice := "make it a door"
			if p.Connections == 0 {
				advice = "nobody used it: stop the service, or make it a door"
			}
			row(p.Port, inert.Text(p.Door), p.Connections, len(p.Sources), advice)
		}
		for _, p := range a.Public {
			sources := fmt.Sprint(len(p.Sources))
			if p.Others > 0 {
				sources = "more than " + sources
			}
			row(p.Port, inert.Text(p.Door), p.Connections, sources, "many use it: leave it public, or find out who they are")
		}
	})
}

func printShut(w io.Writer, shut []observe.Shut) {
	if len(shut) == 0 {
		return
	}
	fmt.Fprintln(w, "\nThese would be shut out until they knock. Make a client for each that is known (sallyport client add);\nstrangers belong outside:")
	table(w, func(row func(cells ...any)) {
		for _, s := range shut[:min(len(shut), shownSources)] {
			row("  "+s.Source, inert.Text(strings.Join(s.Doors, " ")), phrase.Count(int(min(s.Connections, 1<<30)), "connection"))
		}
	})
	if more := len(shut) - shownSources; more > 0 {
		fmt.Fprintf(w, "and %d more (--json lists all)\n", more)
	}
}
