//go:build linux && !client_only

package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"sallyport/internal/detect"
	"sallyport/internal/event"
	"sallyport/internal/inert"
	"sallyport/internal/lang"
)

var severityColors = map[event.Severity]string{event.Critical: alarm, event.High: red, event.Medium: yellow, event.Low: cyan, event.Info: faint}

func newFindings(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "findings [--all] [--severity LEVEL] [--rule RULE]",
		Short:   "Show what is worth a look",
		GroupID: "server",
		Long: `Lists what the daemon has found in the stream of events: scans, guessing, replays, keys in other
hands. Each is raised once and counted. One that you have looked at is acknowledged, and comes
back only if it becomes more severe.`,
		Example: `  sallyport findings
  sallyport findings --severity medium --json
  sallyport findings --rule near-miss
  sallyport findings ack 3f2a91`,
		Args: args(cobra.NoArgs),
	}
	var place journalPlace
	place.journalFlags(cmd)
	all := cmd.Flags().Bool("all", false, "acknowledged ones too")
	severity := cmd.Flags().String("severity", string(event.Info), "only this `LEVEL` and above: info, low, medium, high or critical")
	rule := cmd.Flags().String("rule", "", "only those of this `RULE`, such as near-miss")
	language := languageFlag(cmd)
	asJSON := cmd.Flags().Bool("json", false, "print JSON")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		least := event.Severity(*severity)
		if least.Rank() < 0 {
			return usageError{fmt.Errorf("--severity %q: want info, low, medium, high or critical", *severity)}
		}
		if *rule != "" && !slices.Contains(detect.Rules(), *rule) {
			return usageError{hinted{fmt.Errorf("--rule %q is not known", *rule), didYouMean(*rule, detect.Rules(), "known are: "+strings.Join(detect.Rules(), ", "))}}
		}
		r, err := place.open()
		if err != nil {
			return err
		}
		defer r.Close()
		list, err := r.Findings(cmd.Context(), *all)
		if err != nil {
			return err
		}
		list = slices.DeleteFunc(list, func(f event.Finding) bool { return !f.Severity.AtLeast(least) || *rule != "" && f.Rule != *rule })
		if *asJSON {
			if list == nil {
				list = []event.Finding{}
			}
			printJSON(std.out, list)
			return nil
		}
		findingsPrinter{screenOf(std.out), language.get(), readLabels(place.config)}.print(list)
		return nil
	}
	cmd.AddCommand(newAck(std))
	return cmd
}

// findingsPrinter prints findings for people.
type findingsPrinter struct {
	screen
	lang   lang.Lang
	labels labels
}

func (w findingsPrinter) print(list []event.Finding) {
	if len(list) == 0 {
		fmt.Fprintln(w, w.lang.Say("No findings."))
		return
	}
	for i, f := range list {
		f = detect.In(w.lang, f)
		if i > 0 {
			fmt.Fprintln(w)
		}
		w.prose(severityColors[f.Severity], w.lang.Say(strings.ToUpper(inert.Text(string(f.Severity))))+"  ", inert.Text(f.Explanation)+w.seen(f))
		w.prose("", "  ", fmt.Sprintf("%s  %s  %s, %s", inert.Text(f.ID), inert.Text(f.Rule), w.subject(f), w.span(f)))
		for _, e := range f.Evidence {
			w.prose("", "  - ", inert.Text(e))
		}
		if f.Advice != "" {
			w.prose("", "  ", w.lang.Sayf("What to do: %s", inert.Text(f.Advice)))
		}
	}
}

func (w findingsPrinter) seen(f event.Finding) string {
	switch {
	case f.Acknowledged && f.By != "":
		return w.lang.Sayf(" (acknowledged by %s, %s)", inert.Text(f.By), w.lang.Time(f.At.Local(), lang.Minute))
	case f.Acknowledged:
		return w.lang.Say(" (acknowledged)")
	}
	return ""
}

// subject says whom a finding is about.
func (w findingsPrinter) subject(f event.Finding) string {
	var words []string
	if f.Source.IsValid() {
		words = append(words, w.lang.Sayf("source %s", f.Source))
	}
	if f.Client != "" {
		words = append(words, w.lang.Sayf("client %s", w.labels.client(f.Client)))
	}
	if f.Door != "" {
		words = append(words, w.lang.Sayf("door %s", w.labels.door(f.Door)))
	}
	if len(words) == 0 {
		return w.lang.Say("this host")
	}
	return strings.Join(words, ", ")
}

func (w findingsPrinter) span(f event.Finding) string {
	first, last := w.lang.Time(f.First.Local(), lang.Second), w.lang.Time(f.Last.Local(), lang.Second)
	if f.Count <= 1 || first == last {
		return w.lang.Sayf("at %s", last)
	}
	return w.lang.Sayf("%s from %s to %s", timesIn(w.lang, f.Count), first, last)
}
