//go:build linux

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"sallyport/bench/internal/machine"
	"sallyport/bench/internal/measure"
	"sallyport/bench/internal/report"
	"sallyport/bench/peers"
	"sallyport/internal/lab"
)

// programVariable hands the path of the built program to the second run, in
// the lab's namespaces.
const programVariable = "SALLYPORT_BENCH_PROGRAM"

// settings are the command line.
type settings struct {
	only, systems []string
	json          string
	quiet         bool
	measure.Options
}

func run(ctx context.Context, args []string) (int, error) {
	s, err := parse(args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return 0, nil
	}
	if err != nil {
		return 2, err
	}
	if err := findPrograms(); err != nil {
		return 1, err
	}
	if os.Getenv(programVariable) == "" {
		if err := provide(ctx, s.Sallyport); err != nil {
			return 1, err
		}
	}
	inside, status, err := lab.Enter(ctx)
	if !inside {
		return status, err
	}
	s.Sallyport = os.Getenv(programVariable)
	if s.quiet {
		s.Progress = io.Discard
	}
	return 0, compare(ctx, s, args)
}

func parse(args []string) (s settings, err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // mistakes are told once, by main
	list := func(to *[]string, name, value, usage string) {
		*to = strings.Split(value, ",")
		flags.Func(name, usage+" (default "+value+")", func(text string) error {
			*to = strings.Split(text, ",")
			return nil
		})
	}
	list(&s.only, "only", "latency,goodput,flood,growth", "the `SECTIONS` to run")
	list(&s.systems, "systems", "all", "the `SYSTEMS` to compare, by the beginning of their names")
	flags.StringVar(&s.json, "json", filepath.Join("bench", "out", "peers.json"), "write the report to `FILE`; empty: do not")
	flags.BoolVar(&s.quiet, "quiet", false, "print no progress")
	flags.StringVar(&s.Sallyport, "sallyport", "", "measure this `PROGRAM` (default: build ./cmd/sallyport)")
	flags.IntVar(&s.Rounds, "rounds", 60, "knocks of each system in the latency section")
	flags.IntVar(&s.Knocks, "knocks", 10, "honest knocks of each system during a flood")
	flags.IntVar(&s.Offered, "offered", 30, "honest knocks within a second in the goodput section, at most 36")
	flags.IntVar(&s.Repeats, "repeats", 3, "repetitions of each measurement of processor time")
	flags.DurationVar(&s.Burst, "burst", 2*time.Second, "junk in each such measurement")
	numbers(flags, &s.Grants, "grants", []int{100_000}, "active `GRANTS` in the growth section")
	numbers(flags, &s.Clients, "clients", []int{1000, 100_000}, "`CLIENTS` in the growth section")
	numbers(flags, &s.Doors, "doors", []int{1, 1000, 10_000}, "`DOORS` in the growth section")
	numbers(flags, &s.Rates, "rates", []int{10_000, 100_000, 400_000, 0}, "packets of junk a second; 0: as many as possible")
	flags.DurationVar(&s.Soak, "soak", 10*time.Minute, "length of the soak section")
	flags.Uint64Var(&s.Sources, "sources", 1_000_000, "spoofed sources in the growth section")
	s.Progress, s.Settle = os.Stderr, 10*time.Second
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			flags.SetOutput(os.Stdout)
			flags.Usage()
		}
		return s, err
	}
	if flags.NArg() > 0 {
		return s, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	return s, s.check()
}

// numbers declares a flag that takes a list of numbers from 0.
func numbers(flags *flag.FlagSet, to *[]int, name string, value []int, usage string) {
	*to = value
	flags.Func(name, fmt.Sprintf("%s (default %v)", usage, value), func(text string) error {
		*to = nil
		for word := range strings.SplitSeq(text, ",") {
			n, err := strconv.ParseUint(word, 10, 31)
			if err != nil {
				return fmt.Errorf("%q: want a whole number", word)
			}
			*to = append(*to, int(n))
		}
		return nil
	})
}

// check refuses what would end in an empty table, or never.
func (s *settings) check() error {
	for _, name := range s.only {
		if !slices.ContainsFunc(sections, func(known section) bool { return known.name == name }) {
			return fmt.Errorf("no section %q: want %s", name, strings.Join(sectionNames(), ", "))
		}
	}
	for _, name := range s.systems {
		if name != "all" && len(selected(settings{systems: []string{name}})) == 0 {
			return fmt.Errorf("no system %q", name)
		}
	}
	switch {
	case s.Rounds < 1:
		return errors.New("rounds: want at least 1")
	case s.Knocks < 1:
		return errors.New("knocks: want at least 1")
	case s.Offered < 1 || s.Offered > 36:
		return errors.New("offered: want 1 to 36")
	case s.Repeats < 1:
		return errors.New("repeats: want at least 1")
	case s.Burst <= 0:
		return errors.New("burst: want more than 0s")
	case s.Soak < time.Second:
		return errors.New("soak: want at least 1s")
	case s.Sources > 1<<24-1: // as many as there are in flood.Sources
		return errors.New("sources: want at most 16,777,215")
	}
	return nil
}

// findPrograms makes the programs of administrators found without root's PATH.
func findPrograms() error {
	return os.Setenv("PATH", os.Getenv("PATH")+":/usr/local/sbin:/usr/sbin:/sbin")
}

// provide finds or builds the program to measure.
func provide(ctx context.Context, program string) error {
	if program == "" {
		program = filepath.Join("bench", "out", "sallyport")
		build := exec.CommandContext(ctx, "go", "build", "-o", program, "./cmd/sallyport")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("build sallyport (run this in the top directory of the source): %w\n%s", err, out)
		}
	}
	absolute, err := filepath.Abs(program)
	if err != nil {
		return err
	}
	return os.Setenv(programVariable, absolute)
}

// section is one benchmark.
type section struct {
	name string
	run  func(context.Context, []peers.System, measure.Options) (measure.Section, error)
}

// sections are reported in this order.
var sections = []section{
	{"latency", measure.Latency},
	{"goodput", measure.Goodput},
	{"flood", measure.Flood},
	{"growth", measure.Growth},
	{"soak", measure.Soak},
}

func sectionNames() (names []string) {
	for _, s := range sections {
		names = append(names, s.name)
	}
	return names
}

// compare runs the sections and writes the report.
func compare(ctx context.Context, s settings, args []string) error {
	systems := selected(s)
	if err := requirePeers(systems); err != nil {
		return err
	}
	r := &report.Report{Started: time.Now(), Command: append([]string{"bench"}, args[1:]...), Machine: machine.Look()}
	for _, section := range sections {
		if !slices.Contains(s.only, section.name) {
			continue
		}
		found, err := section.run(ctx, systems, s.Options)
		if err != nil {
			return fmt.Errorf("section %q: %w", section.name, err)
		}
		r.Add(found.Systems, found.Tables)
	}
	r.Took = time.Since(r.Started).Round(time.Second).String()
	if err := r.WriteText(os.Stdout); err != nil {
		return err
	}
	return writeJSON(r, s.json)
}

// selected returns the systems whose names begin as asked for.
func selected(s settings) []peers.System {
	all := peers.All(s.Sallyport)
	if slices.Equal(s.systems, []string{"all"}) {
		return all
	}
	return slices.DeleteFunc(all, func(p peers.System) bool {
		return !slices.ContainsFunc(s.systems, func(name string) bool { return strings.HasPrefix(p.Name(), name) })
	})
}

func requirePeers(systems []peers.System) error {
	if !slices.Contains(strings.Split(os.Getenv("SALLYPORT_REQUIRE"), ","), "peers") {
		return nil
	}
	for _, s := range systems {
		if missing := peers.Missing(s); strings.HasPrefix(missing, "not installed") {
			return fmt.Errorf("tier \"peers\" is required: %s: %s", s.Name(), missing)
		}
	}
	return nil
}

func writeJSON(r *report.Report, path string) error {
	if path == "" {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(r.WriteJSON(file), file.Close())
}
