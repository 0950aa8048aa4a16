package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"sallyport/internal/build"
)

func newVersion(std stdio) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		GroupID: "other",
		Example: "  sallyport version",
		Args:    args(cobra.NoArgs),
		Run: func(*cobra.Command, []string) {
			fmt.Fprintf(std.out, "sallyport %s\n", build.Version())
		},
	}
}
