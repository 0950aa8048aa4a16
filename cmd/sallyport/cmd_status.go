//go:build linux && !client_only

package main

import (
	"time"

	"github.com/spf13/cobra"

	"sallyport/internal/control"
)

func newStatus(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "status",
		Short:   "Show doors, grants and refusals",
		GroupID: "server",
		Example: "  sallyport status\n  sallyport status --watch\n  sallyport status --json",
		Args:    args(cobra.NoArgs),
	}
	path := configFlag(cmd)
	asJSON := cmd.Flags().Bool("json", false, "print JSON")
	watch := cmd.Flags().BoolP("watch", "w", false, "go on showing, with a countdown")
	cmd.MarkFlagsMutuallyExclusive("json", "watch")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		conn, err := dial(*path)
		if err != nil {
			return err
		}
		if *watch {
			return watchStatus(cmd.Context(), std, conn)
		}
		s, err := conn.Status(cmd.Context())
		if err != nil {
			return err
		}
		open := openFindings(cmd.Context(), *path)
		if *asJSON {
			printJSON(std.out, struct {
				control.Status
				Findings findingCounts `json:"findings"`
			}{s, open})
		} else {
			printStatus(std.out, s, time.Now())
			open.print(std.out)
		}
		return nil
	}
	return cmd
}
