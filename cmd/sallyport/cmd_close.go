package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"sallyport/client"
)

func newClose(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "close PROFILE [DOOR ...]",
		Short:   "Give a grant back before its time",
		GroupID: "client",
		Long:    `Closes doors that you have opened. Established connections go on.`,
		Example: "  sallyport close office",
		Args:    args(cobra.MinimumNArgs(1)),
	}
	flags := addAskFlags(cmd, std)
	asJSON := cmd.Flags().Bool("json", false, "print JSON")
	cmd.RunE = func(cmd *cobra.Command, list []string) error {
		profile, err := loadProfile(list[0])
		if err != nil {
			return err
		}
		opts := flags.options()
		opts.Doors = list[1:]
		result, err := client.Close(cmd.Context(), profile, opts)
		switch {
		case err != nil:
		case *asJSON:
			printJSON(std.out, resultJSON(result))
		case len(result.Grants) == 0:
			fmt.Fprintln(std.out, "there was no grant to give back")
		}
		if !*asJSON {
			printClosed(std, result)
		}
		warnOf(std.err, profile, result)
		return err
	}
	return cmd
}
