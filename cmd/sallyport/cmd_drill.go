//go:build linux && !client_only

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sallyport/internal/build"
	"sallyport/internal/config"
	"sallyport/internal/consent"
	"sallyport/internal/drill"
	"sallyport/internal/event"
	"sallyport/internal/lab"
	"sallyport/internal/phrase"
)

type drillCommand struct {
	std                          stdio
	config, since                string
	groups                       []string
	html                         string
	quick, list                  bool
	asJSON, log                  bool
	atOnce                       int
	severity                     string
	wait                         *time.Duration
	exercising, history, grouped bool
	consenting                   bool
	sources                      []string
	valid                        *time.Duration
	from, token, result          string
	lang                         *langFlag
}

func newDrill(std stdio) *cobra.Command {
	c := drillCommand{std: std}
	cmd := &cobra.Command{
		Use:     "drill [ATTACK…|FILE]",
		Short:   "Attack a copy of your own gate, and grade it",
		GroupID: "server",
		Long: `Builds a network out of namespaces, runs the real daemon in it with a copy of your configuration,
and attacks it: scans, guessing, overheard and stolen secrets, floods, a killed daemon. For each
attack it prints which finding was expected and what was seen, after how many seconds, and which
door opened that should not. Nothing outside is touched: hooks, webhooks and listeners are left
out, keys and rotating secrets are made for the drill, sequences are never printed. No rights are
needed where the system allows unprivileged user namespaces, but to read the configuration.

With --exercise nothing is attacked: the running daemon raises a finding that is none, through its
webhooks, its log, and hooks with exercise = true, and the command waits until someone has run
sallyport findings ack. It bans nobody and closes nothing; --history lists who answered, and when.

A gate can be attacked from another machine, too, and that takes both sides. On the gate,
--consent --for ADDRESS prints a token. On the attacker's machine, --from GATE --token TOKEN sends
at most 200 packets a second from its own address, and prints a record. Back on the gate,
--result TOKEN grades the record, lifts the bans that came of it, and ends the consent.

The exit status is 0 if everything was as expected, 1 if not, and 2 for wrong use.`,
		Example: `  sallyport drill --quick
  sallyport drill scan-ordered replay-restart
  sallyport drill --group stolen --html /root/drill.html
  sallyport drill --json > drill.json; sallyport drill --since drill.json
  sallyport drill --exercise --severity critical --wait 30m
  sallyport drill --exercise --history
  sallyport drill --consent --for 203.0.113.7
  sallyport drill --from gate.example.net --token TOKEN > record.json
  sallyport drill --result TOKEN record.json`,
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return drillNames(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			c.grouped = cmd.Flags().Changed("group")
			if err := c.fits(cmd, args); err != nil {
				return err
			}
			switch {
			case c.history:
				return c.printExercises(cmd.Context())
			case c.exercising:
				return c.exercise(cmd.Context())
			case c.consenting:
				return c.giveConsent(cmd.Context())
			case cmd.Flags().Changed("from"):
				return c.attackFrom(cmd.Context(), args)
			case cmd.Flags().Changed("result"):
				return c.gradeRecord(cmd.Context(), args)
			}
			return c.run(cmd.Context(), args)
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&c.config, "config", "c", defaultConfig, "configuration `FILE`")
	flags.StringSliceVar(&c.groups, "group", nil, "only attacks of this `GROUP`: "+strings.Join(drill.Groups(), ", "))
	flags.BoolVar(&c.quick, "quick", false, "leave out what takes long")
	flags.BoolVar(&c.list, "list", false, "list the attacks and carry none out")
	flags.StringVar(&c.html, "html", "", "write a page to this `FILE`, too")
	flags.StringVar(&c.since, "since", "", "compare with a `FILE` that --json has written")
	flags.IntVar(&c.atOnce, "at-once", 4, "carry out `N` attacks side by side")
	flags.BoolVar(&c.asJSON, "json", false, "print JSON")
	flags.BoolVarP(&c.log, "verbose", "v", false, "show the daemons' logs")
	flags.BoolVar(&c.exercising, "exercise", false, "attack nothing: raise a finding, and see who acknowledges it")
	flags.StringVar(&c.severity, "severity", string(event.High), "with --exercise: its `LEVEL`: info, low, medium, high or critical")
	c.wait = addDuration(cmd, "wait", 15*time.Minute, "with --exercise: how long to wait for that; 0s: not at all")
	flags.BoolVar(&c.history, "history", false, "with --exercise: raise none, and list those there have been")
	flags.BoolVar(&c.consenting, "consent", false, "on the gate: agree to attacks from another machine, and print the token for it")
	flags.StringSliceVar(&c.sources, "for", nil, "with --consent: the attacker's `ADDRESS` as the gate sees it; me: where this SSH session comes from")
	c.valid = addDuration(cmd, "valid", consent.Longest, "with --consent: for how long, 1m to 1h")
	flags.StringVar(&c.from, "from", "", "on the attacker's machine: attack the gate at this `HOST` from here, and print a record")
	flags.StringVar(&c.token, "token", "", "with --from: the `TOKEN` that --consent has printed")
	flags.StringVar(&c.result, "result", "", "on the gate: grade the record in FILE, or of the input, of the drill with this `TOKEN`")
	c.lang = languageFlag(cmd)
	cmd.MarkFlagsMutuallyExclusive("list", "since")
	cmd.MarkFlagsMutuallyExclusive("list", "html")
	return cmd
}

// drillFlags says which flags go with which way of using the command; "" attacks a copy.
var drillFlags = map[string][]string{
	"":         {"config", "json", "lang", "group", "quick", "list", "html", "since", "at-once", "verbose"},
	"exercise": {"config", "json", "lang", "severity", "wait", "history"},
	"consent":  {"config", "json", "lang", "for", "valid"},
	"from":     {"json", "lang", "token", "quick"},
	"result":   {"config", "json", "lang", "html"},
}

// fits reports what of the command line does not go together.
func (c *drillCommand) fits(cmd *cobra.Command, args []string) error {
	mode := ""
	var err error
	cmd.Flags().Visit(func(f *pflag.Flag) {
		switch _, is := drillFlags[f.Name]; {
		case is && mode != "":
			err = usageError{fmt.Errorf("--%s does not go with --%s", f.Name, mode)}
		case is:
			mode = f.Name
		}
	})
	without := map[string]string{"exercise": ", which attacks nothing"}[mode]
	cmd.Flags().Visit(func(f *pflag.Flag) {
		switch of := drillModeOf(f.Name); {
		case err != nil || f.Name == mode || slices.Contains(drillFlags[mode], f.Name):
		case of != "" && mode == "":
			err = usageError{fmt.Errorf("--%s goes with --%s only", f.Name, of)}
		default:
			err = usageError{fmt.Errorf("--%s does not go with --%s%s", f.Name, mode, without)}
		}
	})
	switch {
	case err != nil:
	case len(args) > 0 && (mode == "exercise" || mode == "consent"):
		err = usageError{fmt.Errorf("%q does not go with --%s%s", args[0], mode, without)}
	case len(args) > 1 && mode == "result":
		err = usageError{fmt.Errorf("%q is one file too many: --result grades one", args[1])}
	case mode == "from" && c.token == "":
		err = usageError{hinted{errors.New("--from needs --token TOKEN"), "sallyport drill --consent prints it, on the gate that is attacked"}}
	case *c.wait > 24*time.Hour:
		err = usageError{fmt.Errorf("--wait %s: want 0s to 24h", phrase.Duration(*c.wait))}
	}
	return err
}

// drillModeOf is the flag that another one goes with, if it is not for the lab.
func drillModeOf(flag string) string {
	if slices.Contains(drillFlags[""], flag) {
		return ""
	}
	for mode, flags := range drillFlags {
		if slices.Contains(flags, flag) {
			return mode
		}
	}
	return ""
}

func drillNames() (names []string) {
	for _, a := range drill.Catalogue() {
		names = append(names, a.ID)
	}
	return names
}

// chosen are the attacks that were asked for.
func (c *drillCommand) chosen(ids []string) ([]drill.Attack, error) {
	for _, id := range ids {
		if !slices.Contains(drillNames(), id) {
			return nil, usageError{hinted{fmt.Errorf("there is no attack %q", id), didYouMean(id, drillNames(), "sallyport drill --list names them all")}}
		}
	}
	if c.grouped && len(c.groups) == 0 {
		return nil, usageError{hinted{errors.New("--group names no group"), "known are: " + strings.Join(drill.Groups(), ", ")}}
	}
	for _, g := range c.groups {
		if !slices.Contains(drill.Groups(), g) {
			return nil, usageError{hinted{fmt.Errorf("there is no group %q", g), didYouMean(g, drill.Groups(), "known are: "+strings.Join(drill.Groups(), ", "))}}
		}
	}
	return slices.DeleteFunc(drill.Catalogue(), func(a drill.Attack) bool {
		return len(ids) > 0 && !slices.Contains(ids, a.ID) || len(c.groups) > 0 && !slices.Contains(c.groups, a.Group) || c.quick && a.Slow
	}), nil
}

func (c *drillCommand) run(ctx context.Context, ids []string) error {
	attacks, err := c.chosen(ids)
	if err != nil {
		return err
	}
	if c.atOnce < 1 || c.atOnce > 64 {
		return usageError{fmt.Errorf("--at-once %d: want 1 to 64", c.atOnce)}
	}
	if c.list {
		c.printList(attacks)
		return nil
	}
	var before drill.Report
	if c.since != "" {
		if before, err = drill.Read(c.since); err != nil {
			return usageError{err}
		}
	}
	cfg, err := loadConfig(c.config)
	if err != nil {
		return err
	}
	inside, status, err := lab.Enter(ctx)
	if err != nil || !inside {
		if err == nil && status != exitDone {
			err = errSilent // the program inside has said why
		}
		return err
	}
	r, err := c.carryOut(ctx, cfg, attacks)
	if err != nil {
		return err
	}
	return c.print(r, before)
}

func (c *drillCommand) printList(attacks []drill.Attack) {
	l := c.lang.get()
	if c.asJSON {
		printJSON(c.std.out, attacks)
		return
	}
	table(c.std.out, func(row func(cells ...any)) {
		for _, a := range attacks {
			does, _ := a.Described(l)
			row(a.ID, a.Group, orDash(a.Rule), orDash(a.Technique), does)
		}
	})
}

// carryOut runs the attacks, with a line of progress on a terminal.
func (c *drillCommand) carryOut(ctx context.Context, cfg *config.Config, attacks []drill.Attack) (r drill.Report, err error) {
	opts := drill.Options{Config: cfg, AtOnce: c.atOnce}
	if opts.Executable, err = os.Executable(); err != nil {
		return r, fmt.Errorf("find this program: %w", err)
	}
	if c.log {
		opts.Log = c.std.err
	}
	done := 0
	if s := screenOf(c.std.err); s.color {
		opts.Done = func(result drill.Result) {
			done++
			fmt.Fprintf(c.std.err, "\r\x1b[K%d/%d %s: %s", done, len(attacks), result.ID, result.Verdict.In(c.lang.get()))
		}
		defer fmt.Fprint(c.std.err, "\r\x1b[K")
	}
	began := time.Now()
	r = drill.Report{Version: build.Version(), Config: c.config, Began: began}
	r.Results, err = drill.Run(ctx, attacks, opts)
	if errors.Is(err, drill.ErrStopped) {
		err = fmt.Errorf("the drill was stopped after %d of %d attacks", len(attacks)-r.Count(""), len(attacks))
	}
	r.Seconds = time.Since(began).Seconds()
	return r, err
}

// print prints a report, and fails if anything was not as expected.
func (c *drillCommand) print(r, before drill.Report) error {
	l := c.lang.get()
	if c.html != "" {
		if err := writeHTML(c.std.out, c.html, func(w io.Writer) error { return r.HTML(w, l) }); err != nil {
			return err
		}
	}
	switch {
	case c.asJSON:
		printJSON(c.std.out, r)
	default:
		if err := r.Text(c.std.out, l); err != nil {
			return err
		}
		if c.since != "" {
			drill.Changes(c.std.out, l, r.Since(before))
		}
	}
	if !r.Ok() {
		return errSilent
	}
	return nil
}
