package main

import (
	"fmt"
	"os/exec"
	"time"

	"github.com/spf13/cobra"
)

func newWatch(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "watch PROFILE [DOOR ...]",
		Short:   "Keep a door open while this runs",
		GroupID: "client",
		Long: `Knocks again before the door closes, and at once when this host gets another address. At the
end (Ctrl-C) it gives the grant back. Established connections go on.

With --warn it runs a program when a door is going to close, since the server does not answer or opens it no
longer: once, until the door is kept open again. The program gets one argument, a sentence to show.`,
		Example: `  sallyport watch office
  sallyport watch office db web
  sallyport watch office --warn notify-send`,
		Args: args(cobra.MinimumNArgs(1)),
	}
	flags := addAskFlags(cmd, std)
	warn := cmd.Flags().String("warn", "", "run `PROGRAM` when a door is going to close")
	cmd.RunE = func(cmd *cobra.Command, list []string) error {
		profile, err := loadProfile(list[0])
		if err != nil {
			return err
		}
		if *warn != "" {
			if _, err := exec.LookPath(*warn); err != nil {
				return fmt.Errorf("--warn: %w", err)
			}
		}
		opts := flags.options()
		opts.Doors = list[1:]
		w := watch{std: std, profile: profile, opts: opts, local: localAddress, look: 2 * time.Second, warn: *warn}
		return w.run(cmd.Context())
	}
	return cmd
}
