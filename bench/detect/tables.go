package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"testing/fstest"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/detect/days"
	"sallyport/internal/lint"
)

// loaded loads a configuration that the linter neither calls wrong nor
// warns of, but for static sequences as such.
func loaded(text string) (*config.Config, error) {
	cfg, err := config.Load(fstest.MapFS{"s.toml": {Data: []byte(text), Mode: 0o600}}, "/s.toml")
	if err != nil {
		return nil, err
	}
	for _, p := range lint.Check(cfg, nil, days.Begin) {
		if p.Severity.AtLeast(lint.Warning) && p.Rule != "static-only" { // of which this is about
			return nil, fmt.Errorf("%s: %s", p.Place, p.Text)
		}
	}
	return cfg, nil
}

// ours is the configuration of all days.
func ours() *config.Config {
	cfg, err := loaded(days.Settings)
	if err != nil {
		panic(err) // it is ours
	}
	return cfg
}

// ordinaryDays prints what is found on days without an attack, and returns how
// many findings above info there were: none of them is right.
func ordinaryDays(out io.Writer, seed uint64, count int) (wrong int) {
	fmt.Fprintf(out, "Ordinary days, each with about %d knocks of %d people and %d sources of noise:\n", days.KnocksADay, days.People, days.NoiseADay)
	for day := range count {
		d := days.Ordinary(ours(), seed, uint64(day))
		wrong += len(d.Above)
		fmt.Fprintf(out, "  day %d: %d grants, %d events; findings above info: %d; info:", day+1, d.Grants, d.Events, len(d.Above))
		for _, rule := range slices.Sorted(maps.Keys(d.Info)) {
			fmt.Fprintf(out, " %s %d", rule, d.Info[rule])
		}
		fmt.Fprintln(out)
		for _, f := range d.Above {
			fmt.Fprintf(out, "    WRONG: %s %s: %s (%d times; %q)\n", f.Rule, f.Severity, f.Explanation, f.Count, f.Evidence)
		}
	}
	fmt.Fprintln(out)
	return wrong
}

// attackTable runs every model in the middle of an ordinary afternoon, and
// prints how often it was found, and what else was. It returns how often
// something was not as it should be.
func attackTable(out io.Writer, seed uint64, trials int) (wrong int) {
	fmt.Fprintf(out, "Attacks, %d of each model, an hour into ordinary traffic:\n", trials)
	fmt.Fprintf(out, "  %-40s %-26s %8s %8s %8s   %s\n", "model", "finding", "found", "missed", "others", "raised after, median")
	for i := range days.Models {
		m := &days.Models[i]
		right, others := 0, 0
		var delays []time.Duration
		for trial := range trials {
			o := m.Try(ours(), seed, uint64(1000+100*i)<<32+uint64(trial))
			for _, f := range o.Others {
				others++
				fmt.Fprintf(out, "    %s: also %s %s: %s (%d times; %q)\n", m.Name, f.Rule, f.Severity, f.Explanation, f.Count, f.Evidence)
			}
			if o.Seen {
				right++
				delays = append(delays, o.After)
			}
		}
		wrong += trials - right + others
		median := "-"
		if slices.Sort(delays); len(delays) > 0 {
			median = delays[len(delays)/2].Round(100 * time.Millisecond).String()
		}
		fmt.Fprintf(out, "  %-40s %-26s %8d %8d %8d   %s\n", m.Name, m.Rule+" "+string(m.Severity), right, trials-right, others, median)
	}
	fmt.Fprintln(out)
	return wrong
}
