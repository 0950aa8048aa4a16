//go:build linux && !client_only

package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sallyport/internal/control"
	"sallyport/internal/phrase"
)

func newReload(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "reload [--dry-run | --confirm TIME]",
		Short:   "Apply a changed configuration",
		GroupID: "server",
		Long: `Makes the daemon read its configuration again. Grants and sequences in progress go on,
and so does every session. If there is a mistake in it, nothing changes and the mistake
is printed.

--dry-run changes nothing and shows what would change. --confirm applies the configuration
and rolls it back by itself unless "sallyport confirm" comes in time: run that from a new
session, which shows that you can still get in. The kernel rolls back even if the daemon
is killed.

Run from an SSH session whose source would have no way in any more, it refuses; --force
does it nevertheless.`,
		Example: "  sallyport reload --dry-run\n  sallyport reload --confirm 60s",
		Args:    args(cobra.NoArgs),
	}
	path := configFlag(cmd)
	var q control.ReloadRequest
	cmd.Flags().BoolVar(&q.DryRun, "dry-run", false, "show what would change, and change nothing")
	cmd.Flags().BoolVar(&q.Force, "force", false, "even if it locks this session's source out")
	confirm := addDuration(cmd, "confirm", 0, "roll back unless it is confirmed in this time")
	asJSON := cmd.Flags().Bool("json", false, "print JSON")
	cmd.MarkFlagsMutuallyExclusive("dry-run", "confirm")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if cmd.Flags().Changed("confirm") && *confirm <= 0 {
			return usageError{fmt.Errorf("--confirm %s: want a time such as 60s", phrase.Duration(*confirm))}
		}
		q.Confirm = control.Duration(*confirm)
		fromSession(&q)
		conn, err := dial(*path)
		if err != nil {
			return err
		}
		a, err := conn.Change(cmd.Context(), q)
		if err != nil {
			return err
		}
		if *asJSON {
			printJSON(std.out, a)
		} else {
			printReload(std.out, a, time.Now())
		}
		if q.DryRun && a.Lockout != "" && !q.Force {
			return hinted{errors.New("the reload would be refused: " + a.Lockout), "sallyport reload --confirm 60s --force makes it safe to try"}
		}
		return nil
	}
	return cmd
}

// printReload says what has changed, or, if nothing was applied, what would.
func printReload(w io.Writer, a control.ReloadAnswer, now time.Time) {
	for _, text := range a.Warnings {
		warn(w, "%s", text)
	}
	printWaiting(w, a)
	switch {
	case !a.Until.IsZero():
		fmt.Fprintf(w, "reloaded, on trial: it is rolled back in %s unless you run sallyport confirm\n", remaining(a.Until, now))
		return
	case a.Applied:
		fmt.Fprintln(w, "reloaded")
		return
	}
	if len(a.Changes) == 0 {
		fmt.Fprintln(w, "nothing would change")
		return
	}
	for _, c := range a.Changes {
		what := c.What
		if c.Name != "" {
			what += fmt.Sprintf(" %q", c.Name)
		}
		fmt.Fprintf(w, "%s: %s", what, c.How)
		if len(c.Keys) > 0 {
			fmt.Fprintf(w, ": %s", strings.Join(c.Keys, ", "))
		}
		fmt.Fprintln(w)
	}
	printPorts(w, "closes", a.Closes)
	printPorts(w, "opens to everybody", a.Opens)
	for _, g := range a.Ends {
		fmt.Fprintf(w, "ends the grant for door %q of %s\n", g.Door, g.For())
	}
	for _, c := range a.Connections {
		fmt.Fprintf(w, "goes on: the connection of %s to %s; its next one needs a grant\n", c.Source, c.Port)
	}
}

func printPorts(w io.Writer, verb string, list []control.Listener) {
	for _, l := range list {
		fmt.Fprintf(w, "%s %s", verb, l.Port)
		if l.Program != "" {
			fmt.Fprintf(w, ", where %s listens", l.Program)
		}
		if l.Door != "" {
			fmt.Fprintf(w, " (door %q)", l.Door)
		}
		fmt.Fprintln(w)
	}
}
