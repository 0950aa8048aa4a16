//go:build linux && !client_only

package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sallyport/internal/inert"
	"sallyport/internal/lang"
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
	language := languageFlag(cmd)
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
		observedPrinter{std.out, language.get()}.print(r)
		return nil
	}
	return cmd
}

// shownSources is how many of those who would be shut out are listed.
const shownSources = 50

// observedPrinter prints what was observed for people.
type observedPrinter struct {
	io.Writer
	lang lang.Lang
}

func (w observedPrinter) line(text string) { fmt.Fprintln(w, text) }

func (w observedPrinter) print(r *observe.Record) {
	l := w.lang
	w.line(l.Say(sayNothingClosed) + l.Say(".") + "\n")
	w.line(l.Sayf("Observed for %s, from %s to %s.", phrase.Duration(r.Watch.Round(time.Second)), l.Time(r.Since.Local(), lang.Second), l.Time(r.Latest.Local(), lang.Second)))
	if r.Watch < 7*24*time.Hour {
		w.line(l.Say("That is less than a week: who comes less often has not been seen."))
	}
	if r.Lost > 0 {
		w.line(l.Sayf("The kernel dropped reports (%d times): some connections are not counted.", r.Lost))
	}
	a := r.Advise()
	w.line("")
	w.use(a)
	w.shut(a.Shut)
	if len(a.Doors) > 0 {
		w.line("\n" + l.Say("sallyport init --from-observed makes these doors."))
	}
}

func (w observedPrinter) use(a observe.Advice) {
	l := w.lang
	table(w, func(row func(cells ...any)) {
		row(l.Say("PORT"), l.Say("NAME"), l.Say("CONNECTIONS"), l.Say("SOURCES"), l.Say("ADVICE"))
		for _, p := range a.Doors {
			advice := l.Say("make it a door")
			if p.Connections == 0 {
				advice = l.Say("nobody used it: stop the service, or make it a door")
			}
			row(p.Port, inert.Text(p.Door), p.Connections, len(p.Sources), advice)
		}
		for _, p := range a.Public {
			sources := fmt.Sprint(len(p.Sources))
			if p.Others > 0 {
				sources = l.Sayf("more than %d", len(p.Sources))
			}
			row(p.Port, inert.Text(p.Door), p.Connections, sources, l.Say("many use it: leave it public, or find out who they are"))
		}
	})
}

func (w observedPrinter) shut(shut []observe.Shut) {
	if len(shut) == 0 {
		return
	}
	l := w.lang
	w.line("\n" + l.Say("These would be shut out until they knock. Make a client for each that is known (sallyport client add);\nstrangers belong outside:"))
	table(w, func(row func(cells ...any)) {
		for _, s := range shut[:min(len(shut), shownSources)] {
			count := l.Sayf("%d connections", s.Connections)
			if s.Connections == 1 {
				count = l.Say("1 connection")
			}
			row("  "+s.Source, inert.Text(strings.Join(s.Doors, " ")), count)
		}
	})
	if more := len(shut) - shownSources; more > 0 {
		w.line(l.Sayf("and %d more (--json lists all)", more))
	}
}
