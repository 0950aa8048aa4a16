package main

import "github.com/spf13/cobra"

func newDoor(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "door",
		Short:   "Change doors on the server",
		GroupID: "server",
		Args:    args(cobra.NoArgs),
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newDoorRotate(std))
	return cmd
}
