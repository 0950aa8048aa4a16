//go:build linux && !client_only

package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"sallyport/internal/control"
)

func newBanRemove(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "remove ADDRESS",
		Short: "End a ban",
		Long: `Ends a ban. With --fleet it ends at all gates, as far as it is a ban of the fleet, whichever gate has made it; what a gate
has banned by itself stays there. Without --fleet a ban of the fleet ends here, until the daemon is restarted.`,
		Example: "  sallyport ban remove 203.0.113.7\n  sallyport ban remove 203.0.113.7 --fleet",
		Args:    args(cobra.ExactArgs(1)),
	}
	path := configFlag(cmd)
	everywhere := cmd.Flags().Bool("fleet", false, "at all gates of the fleet")
	cmd.RunE = func(cmd *cobra.Command, list []string) error {
		source, err := sourceArg(list[0])
		if err != nil {
			return err
		}
		conn, err := dial(*path)
		if err != nil {
			return err
		}
		if err := conn.Unban(cmd.Context(), control.UnbanRequest{Source: source, Fleet: *everywhere}); err != nil {
			return err
		}
		fmt.Fprintf(std.out, "%s is no longer banned\n", source)
		return nil
	}
	return cmd
}
