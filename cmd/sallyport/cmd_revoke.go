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
is 1 if nothing was found.

With --fleet the client is kept out at all gates of the fleet, and its connections end, until an operator lets it in
again (--lift). On a gate, the gate says so to the others; elsewhere, or with -i, an operator signs it into
the roll. The exit status is 1 until all gates have heard.`,
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
	f := fleetFlag(cmd, std, "keep the client out at all gates of the fleet")
	lift := cmd.Flags().Bool("lift", false, "with --fleet, let the client in again; an operator signs it")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := f.alone(cmd, "door", "source", "all", "cut"); err != nil {
			return err
		}
		if *lift && !f.on {
			return usageError{errors.New("--lift means nothing without --fleet")}
		}
		if f.on && q.Client == "" {
			return usageError{hinted{errors.New("--client is needed"), "a fleet keeps out clients: --client NAME"}}
		}
		if f.on && (*lift || f.identity != "" || !ofFleet(*path)) {
			return f.revokeInFleet(cmd.Context(), q.Client, *lift)
		}
		q.Fleet = f.on
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
		if f.on {
			return heard(a)
		}
		return found(q, a)
	}
	return cmd
}

// ofFleet reports whether this host is a gate of a fleet.
func ofFleet(path string) bool {
	cfg, err := loadConfig(path)
	return err == nil && cfg.Fleet.On()
}

// heard makes it an error if the other gates have not heard of a revocation.
func heard(a control.RevokeAnswer) error {
	if !a.Waiting {
		return nil
	}
	return hinted{errors.New("it holds here, and the other gates have not heard of it: etcd cannot be reached"), "this gate goes on trying, after a restart too; an operator can sign it elsewhere: sallyport revoke --fleet"}
}

// found makes it an error if connections were to be cut and there was nothing.
func found(q control.RevokeRequest, a control.RevokeAnswer) error {
	if !q.Cut || len(a.Grants)+a.Cut > 0 {
		return nil
	}
	return hinted{errors.New("there was nothing to end: neither a grant nor a connection"), "sallyport status lists the grants, sallyport events --kind use the connections"}
}
