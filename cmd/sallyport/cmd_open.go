//go:build linux && !client_only

package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"sallyport/internal/control"
	"sallyport/internal/phrase"
)

func newOpen(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "open DOOR --source ADDRESS",
		Short:   "Open a door for a source, without a knock",
		GroupID: "server",
		Example: "  sallyport open ssh --source 192.0.2.10 --for 10m",
		Args:    args(cobra.ExactArgs(1)),
	}
	path := configFlag(cmd)
	source := sourceFlag(cmd)
	duration := addDuration(cmd, "for", 0, "how long (default: the door's open_for)")
	asJSON := cmd.Flags().Bool("json", false, "print JSON")
	cmd.RunE = func(cmd *cobra.Command, list []string) error {
		if !source.IsValid() {
			return usageError{hinted{fmt.Errorf("--source is missing"), "usage: " + cmd.UseLine()}}
		}
		if cmd.Flags().Changed("for") && *duration <= 0 {
			return usageError{fmt.Errorf("--for %s: want a time such as 30s or 10m", phrase.Duration(*duration))}
		}
		conn, err := dial(*path)
		if err != nil {
			return err
		}
		g, err := conn.Open(cmd.Context(), control.OpenRequest{Door: list[0], Source: source.Addr, For: control.Duration(*duration)})
		if err != nil {
			return err
		}
		if *asJSON {
			printJSON(std.out, g)
			return nil
		}
		fmt.Fprintf(std.out, "door %q is open for %s until %s (%s)\n", g.Door, g.Source, g.Until.Local().Format(time.TimeOnly), remaining(g.Until, time.Now()))
		return nil
	}
	return cmd
}
