//go:build linux && !client_only

package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"sallyport/internal/event"
)

func newBanList(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "Show who is banned",
		Example: "  sallyport ban list --json",
		Args:    args(cobra.NoArgs),
	}
	path := configFlag(cmd)
	asJSON := cmd.Flags().Bool("json", false, "print JSON")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		conn, err := dial(*path)
		if err != nil {
			return err
		}
		list, err := conn.Bans(cmd.Context())
		if err != nil {
			return err
		}
		if *asJSON {
			if list == nil {
				list = []event.Ban{}
			}
			printJSON(std.out, list)
			return nil
		}
		if len(list) == 0 {
			fmt.Fprintln(std.out, "Nobody is banned.")
		}
		for _, b := range list {
			fmt.Fprintln(std.out, banLine(b))
		}
		return nil
	}
	return cmd
}
