package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"sallyport/client"
)

func newRemove(std stdio) *cobra.Command {
	return &cobra.Command{
		Use:     "remove PROFILE",
		Short:   "Remove a profile",
		GroupID: "client",
		Long:    `Forgets a profile. The server goes on knowing your key: "sallyport client remove" is said there.`,
		Args:    args(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, list []string) error {
			if err := client.Remove(list[0]); err != nil {
				return err
			}
			fmt.Fprintf(std.out, "removed the profile %q\n", list[0])
			return nil
		},
	}
}
