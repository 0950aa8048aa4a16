//go:build linux && !client_only

package main

import "github.com/spf13/cobra"

func newDoor(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "door",
		Short:   "Add, list, change and remove doors on the server",
		GroupID: "server",
		Example: "  sallyport door add web=tcp/8443\n  sallyport door list",
		Args:    args(cobra.NoArgs),
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newDoorAdd(std), newDoorList(std), newDoorRemove(std), newDoorRotate(std))
	return cmd
}
