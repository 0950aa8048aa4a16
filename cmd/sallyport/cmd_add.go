package main

import "github.com/spf13/cobra"

func newAdd(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "add FILE | - | URI",
		Short:   "Add a profile that a server has printed",
		GroupID: "client",
		Long: `Checks a profile and keeps it in your configuration folder. The server prints it with
"sallyport client profile". A URI is what its QR code holds. Prints what ssh needs to knock by itself.`,
		Example: "  sallyport add office.profile",
		Args:    args(cobra.ExactArgs(1)),
	}
	replace := cmd.Flags().Bool("replace", false, "in the place of a profile with the same name")
	cmd.RunE = func(cmd *cobra.Command, list []string) error {
		profile, err := readProfile(std.in, list[0])
		if err != nil {
			return err
		}
		if err := saveProfile(profile, *replace); err != nil {
			return err
		}
		printAdded(std, profile)
		return nil
	}
	return cmd
}

// maxInput is more than anything that is read as a whole may have.
const maxInput = 1 << 16
