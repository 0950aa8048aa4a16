package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newAdd(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "add FILE | - | URI",
		Short:   "Add a profile that a server has printed",
		GroupID: "client",
		Long: `Checks a profile and keeps it in your configuration folder. The server prints it with
"sallyport client profile". A URI is what its QR code holds: give it on standard input, since it holds a
secret, and other users see the arguments of a command. Prints what can be done with the profile.`,
		Example: `  sallyport add office.profile
  sallyport add office.profile --as berlin
  sallyport add -   # paste the profile or the URI, then Ctrl-D`,
		Args: args(cobra.ExactArgs(1)),
	}
	as := cmd.Flags().String("as", "", "call the profile `NAME` (default: what the server proposes)")
	replace := cmd.Flags().Bool("replace", false, "in the place of a profile with the same name")
	cmd.RunE = func(cmd *cobra.Command, list []string) error {
		profile, err := readProfile(std.in, list[0])
		if err != nil {
			return err
		}
		if *as != "" {
			profile.Name = *as
			if err := profile.Validate(); err != nil {
				return usageError{fmt.Errorf("--as %q: want 1 to 32 of a-z, 0-9, dot, dash and underscore, beginning with a letter or digit", *as)}
			}
		}
		if err := saveProfile(profile, *replace); err != nil {
			return err
		}
		printAdded(std, profile)
		if isURI(list[0]) {
			note(std.err, "the secret was an argument: it stands in the history of the shell, and was in the list of processes; "+
				"remove it there, and give it to \"sallyport add -\" next time\n")
		}
		return nil
	}
	return cmd
}
