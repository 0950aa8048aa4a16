//go:build linux && !client_only

package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"sallyport/internal/control"
)

func newBanRemove(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "remove ADDRESS",
		Short:   "End a ban",
		Example: "  sallyport ban remove 203.0.113.7",
		Args:    args(cobra.ExactArgs(1)),
	}
	path := configFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, list []string) error {
		source, err := sourceArg(list[0])
		if err != nil {
			return err
		}
		conn, err := dial(*path)
		if err != nil {
			return err
		}
		if err := conn.Unban(cmd.Context(), control.UnbanRequest{Source: source}); err != nil {
			return err
		}
		fmt.Fprintf(std.out, "%s is no longer banned\n", source)
		return nil
	}
	return cmd
}
