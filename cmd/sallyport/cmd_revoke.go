//go:build linux && !client_only

package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"sallyport/internal/control"
)

func newRevoke(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "revoke [--door DOOR] [--source ADDRESS] [--client NAME] | --all",
		Short:   "End grants before their time",
		GroupID: "server",
		Long: `Ends the grants that fit every flag given. Where others have the door open for the same source,
it stays open for them. Established connections go on, unless --cut ends them too: with --client
those that the client's grants have let in, also if these have ended. With --cut, the exit status
is 1 if nothing was found.`,
		Example: "  sallyport revoke --client alice --cut\n  sallyport revoke --door ssh --source 192.0.2.7\n  sallyport revoke --all",
		Args:    args(cobra.NoArgs),
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
		} else {
			printRevoked(std.out, q, a)
		}
		return found(q, a)
	}
	return cmd
}

// found makes it an error if connections were to be cut and there was nothing.
func found(q control.RevokeRequest, a control.RevokeAnswer) error {
	if !q.Cut || len(a.Grants)+a.Cut > 0 {
		return nil
	}
	return hinted{errors.New("there was nothing to end: neither a grant nor a connection"), "sallyport status lists the grants, sallyport events --kind use the connections"}
}
