//go:build linux && !client_only

package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sallyport/internal/control"
	"sallyport/internal/inert"
	"sallyport/internal/phrase"
)

func newApprove(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "approve CODE",
		Short:   "Let in who asks, by the code that the person says",
		GroupID: "server",
		Long: `Opens one door for the one address that has asked with this code, as "sallyport open" does. The journal says who
let whom in. Look at the address first: sallyport asks lists it, with what is known of it.`,
		Example: `  sallyport approve BCDFGH
  sallyport approve "bcd fgh" --door ssh --for 10m`,
		Args: args(cobra.MinimumNArgs(1)),
	}
	path := configFlag(cmd)
	door := cmd.Flags().String("door", "", "the `DOOR` (default: the one that was asked for, or the only one)")
	duration := addDuration(cmd, "for", 0, "how long (default: the door's open_for)")
	id := cmd.Flags().String("id", "", "the `ID` of the ask that is meant, where two have the same code")
	asJSON := cmd.Flags().Bool("json", false, "print JSON")
	cmd.RunE = func(cmd *cobra.Command, list []string) error {
		if cmd.Flags().Changed("for") && *duration <= 0 {
			return usageError{fmt.Errorf("--for %s: want a time such as 30s or 10m", phrase.Duration(*duration))}
		}
		conn, err := dial(*path)
		if err != nil {
			return err
		}
		q := control.ApproveRequest{Code: strings.Join(list, " "), Door: *door, For: control.Duration(*duration), ID: *id}
		a, err := conn.Approve(cmd.Context(), q)
		if err != nil {
			return err
		}
		if *asJSON {
			printJSON(std.out, a)
			return nil
		}
		who := ""
		if a.Client != "" {
			who = " (" + inert.Text(a.Client) + ")"
		}
		fmt.Fprintf(std.out, "door %q is open for %s%s until %s (%s)\n", a.Door, a.Source, who, a.Until.Local().Format(time.TimeOnly), remaining(a.Until, time.Now()))
		return nil
	}
	return cmd
}
