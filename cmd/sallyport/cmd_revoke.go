//go:build linux && !client_only

package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"sallyport/internal/control"
)

func newRevoke(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "revoke [--door DOOR] [--source ADDRESS] [--client NAME] | --all",
		Short:   "End grants before their time",
		GroupID: "server",
		Long: `Ends the grants that fit every flag given. Established connections go on, unless --cut
ends them too.`,
		Args: args(cobra.NoArgs),
	}
	path := configFlag(cmd)
	var q control.RevokeRequest
	source := sourceFlag(cmd)
	cmd.Flags().StringVar(&q.Door, "door", "", "only grants of this `DOOR`")
	cmd.Flags().StringVar(&q.Client, "client", "", "only grants of this `CLIENT`")
	cmd.Flags().BoolVar(&q.All, "all", false, "every grant")
	cmd.Flags().BoolVar(&q.Cut, "cut", false, "end established connections too")
	asJSON := cmd.Flags().Bool("json", false, "print JSON")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		q.Source = source.Addr
		if q.Door == "" && q.Client == "" && !q.Source.IsValid() && !q.All {
			return usageError{hinted{fmt.Errorf("nothing says which grants to revoke"), "name a --door, a --source or a --client, or say --all"}}
		}
		conn, err := dial(*path)
		if err != nil {
			return err
		}
		a, err := conn.Revoke(cmd.Context(), q)
		if err != nil {
			return err
		}
		if *asJSON {
			printJSON(std.out, a)
			return nil
		}
		for _, g := range a.Grants {
			fmt.Fprintf(std.out, "door %q is closed for %s\n", g.Door, g.For())
		}
		fmt.Fprintf(std.out, "%s revoked", count(len(a.Grants), "grant"))
		if q.Cut {
			fmt.Fprintf(std.out, ", %s cut", count(a.Cut, "connection"))
		}
		fmt.Fprintln(std.out)
		return nil
	}
	return cmd
}
