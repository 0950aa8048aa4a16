//go:build linux && !client_only

package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"sallyport/internal/demo"
	"sallyport/internal/lab"
)

func newDemo(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "demo",
		Short:   "Show a closed door, a knock, an open door, closed again",
		GroupID: "other",
		Long: `Builds three hosts out of network namespaces, runs the real daemon on one of them, and shows
on real packets what it does, with what the kernel says at each step. Nothing outside is touched,
and no rights are needed where the system allows unprivileged user namespaces.`,
		Example: "  sallyport demo",
		Args:    args(cobra.NoArgs),
	}
	verbose := cmd.Flags().BoolP("verbose", "v", false, "show the daemon's log")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		inside, status, err := lab.Enter(cmd.Context())
		if err != nil {
			return err
		}
		if !inside {
			if status != exitDone {
				return errSilent // the program inside has said why
			}
			return nil
		}
		executable, err := os.Executable()
		if err != nil {
			return fmt.Errorf("find this program: %w", err)
		}
		opts := demo.Options{Out: std.out, Color: screenOf(std.out).color, Executable: executable}
		if *verbose {
			opts.Log = std.err
		}
		return demo.Run(cmd.Context(), opts)
	}
	return cmd
}
