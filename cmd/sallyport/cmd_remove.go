package main

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"

	"sallyport/client"
)

func newRemove(std stdio) *cobra.Command {
	return &cobra.Command{
		Use:     "remove PROFILE",
		Short:   "Remove a profile",
		GroupID: "client",
		Long:    `Forgets a profile. The server still knows your key: to end that, run "sallyport client remove" there.`,
		Example: "  sallyport remove office",
		Args:    args(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, list []string) error {
			if err := client.Remove(list[0]); errors.Is(err, fs.ErrNotExist) {
				return noProfile(list[0])
			} else if err != nil {
				return err
			}
			fmt.Fprintf(std.out, "removed the profile %q\n", list[0])
			return nil
		},
	}
}
