//go:build !client_only

package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sallyport/internal/config"
	"sallyport/internal/control"
	"sallyport/internal/lint"
	"sallyport/internal/lint/facts"
	"sallyport/internal/phrase"
)

type checkOptions struct {
	config   string
	policy   string
	offline  bool
	json     bool
	severity string
}

func newCheck(std stdio) *cobra.Command {
	var o checkOptions
	cmd := &cobra.Command{
		Use:     "check",
		Short:   "Check a configuration, and whether this host fits it",
		GroupID: "server",
		Long: `Reads the configuration without using it, and says what is wrong with it:
mistakes, sequences that can be guessed, doors that nobody can open or that
another firewall keeps shut, ways around a door, secrets that are overdue.
docs/LINT.md describes the rules. With --policy it also says what an organisation
demands and the configuration does not keep; each breach is an error.

The exit status is 0 if nothing is as grave as --severity, and 1 if something is.`,
		Example: `  sallyport check
  sallyport check --offline --severity warning -c gate.toml   # in CI
  sallyport check --policy /etc/company/policy.toml`,
		Args: args(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error { return check(std, o) },
	}
	path := configFlag(cmd)
	cmd.PreRun = func(*cobra.Command, []string) { o.config = *path }
	policyFlag(cmd, &o.policy)
	cmd.Flags().BoolVar(&o.offline, "offline", false, "look at the configuration alone, not at this host")
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON")
	cmd.Flags().StringVar(&o.severity, "severity", string(lint.Error), "the least `SEVERITY` that makes the exit status 1: error, warning or info")
	return cmd
}

// checked is what check prints as JSON.
type checked struct {
	Config   string                `json:"config"`
	Doors    int                   `json:"doors"`
	Clients  int                   `json:"clients"`
	Host     bool                  `json:"host"` // whether it was looked at
	Notes    []string              `json:"notes"`
	Problems []control.LintProblem `json:"problems"`
}

func check(std stdio, o checkOptions) error {
	least := lint.Severity(o.severity)
	if !slices.Contains(lint.Severities, least) {
		return usageError{hinted{fmt.Errorf("severity %q", o.severity), "want error, warning or info"}}
	}
	cfg, err := loadConfig(o.config)
	if err != nil {
		return invalid(std, o, err)
	}
	cfg, left := withRecords(cfg)
	result := checked{Config: cfg.Path, Doors: len(cfg.Doors), Clients: len(cfg.Clients), Host: !o.offline, Notes: append([]string{}, left...), Problems: []control.LintProblem{}}
	now := time.Now()
	var host *lint.Facts
	if !o.offline {
		var notes []string
		host, notes = facts.OfHost(cfg)
		result.Notes = append(result.Notes, notes...)
	}
	result.Host = host != nil
	problems, err := broken(cfg, host, o.policy, now)
	if err != nil {
		return err
	}
	grave := false
	for _, p := range problems {
		result.Problems = append(result.Problems, control.NewLintProblem(p))
		grave = grave || p.Severity.AtLeast(least)
	}
	if o.json {
		printJSON(std.out, result)
	} else {
		result.print(std.out)
	}
	if grave {
		return errSilent
	}
	return nil
}

// broken returns the breaches of all rules, those of a policy too if there is one.
func broken(cfg *config.Config, facts *lint.Facts, policy string, now time.Time) ([]lint.Problem, error) {
	list := lint.Check(cfg, facts, now)
	want, err := loadPolicy(policy)
	if want == nil || err != nil {
		return list, err
	}
	list = append(list, lint.Hold(cfg, want, now)...)
	slices.SortStableFunc(list, func(a, b lint.Problem) int {
		return slices.Index(lint.Severities, a.Severity) - slices.Index(lint.Severities, b.Severity)
	})
	return list, nil
}

// invalid reports a configuration that cannot be loaded.
func invalid(std stdio, o checkOptions, err error) error {
	var mistakes config.Errors
	if !o.json || !errors.As(err, &mistakes) {
		return err
	}
	result := checked{Config: o.config, Notes: []string{}, Problems: []control.LintProblem{}}
	if absolute, err := filepath.Abs(o.config); err == nil {
		result.Config = absolute
	}
	for _, m := range mistakes {
		result.Problems = append(result.Problems, control.NewLintProblem(lint.Problem{Rule: "invalid", Severity: lint.Error, Place: m.Place, Text: m.Err.Error(), Remedy: "correct it"}))
	}
	printJSON(std.out, result)
	return errSilent
}

var problemColors = map[lint.Severity]string{lint.Error: alarm, lint.Warning: yellow, lint.Info: cyan}

// print writes problems for people, by severity. A remedy is written once for
// several problems in a row.
func (c checked) print(out io.Writer) {
	w := screenOf(out)
	summary := "good"
	for i, p := range c.Problems {
		first := i == 0 || c.Problems[i-1].Severity != p.Severity
		last := i == len(c.Problems)-1 || c.Problems[i+1].Severity != p.Severity
		if first {
			fmt.Fprintf(w, "%s:\n", w.paint(problemColors[p.Severity], string(p.Severity)))
		}
		w.prose("", "  ", fmt.Sprintf("%s: %s: %s", config.Place{File: p.File, Line: p.Line}, p.Rule, p.Text))
		if last || c.Problems[i+1].Remedy != p.Remedy {
			w.prose("", "      ", p.Remedy)
		}
	}
	var counts []string
	for _, s := range lint.Severities {
		if n := c.count(s); n > 0 {
			counts = append(counts, counted(n, s))
		}
	}
	if len(counts) > 0 {
		summary = strings.Join(counts, ", ")
	}
	for _, note := range c.Notes {
		w.prose(cyan, "note: ", note)
	}
	w.prose("", "", fmt.Sprintf("%s: %s, %s: %s", c.Config, phrase.Count(c.Doors, "door"), phrase.Count(c.Clients, "client"), summary))
}

func (c checked) count(s lint.Severity) (n int) {
	for _, p := range c.Problems {
		if p.Severity == s {
			n++
		}
	}
	return n
}

// counted writes "1 error", "2 warnings", "3 info".
func counted(n int, s lint.Severity) string {
	if s == lint.Info {
		return fmt.Sprintf("%d info", n)
	}
	return phrase.Count(n, string(s))
}
