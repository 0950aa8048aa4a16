package main

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/spf13/cobra"

	"sallyport/internal/control"
)

func newOpen(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "open DOOR --source ADDRESS",
		Short:   "Open a door for a source, without a knock",
		GroupID: "server",
		Example: "  sallyport open ssh --source 192.0.2.10 --for 10m",
		Args:    args(cobra.ExactArgs(1)),
	}
	path := configFlag(cmd)
	source := sourceFlag(cmd)
	duration := cmd.Flags().Duration("for", 0, "how long (default: the door's open_for)")
	asJSON := cmd.Flags().Bool("json", false, "print JSON")
	cmd.RunE = func(cmd *cobra.Command, list []string) error {
		if !source.IsValid() {
			return usageError{hinted{fmt.Errorf("--source is missing"), "usage: " + cmd.UseLine()}}
		}
		if cmd.Flags().Changed("for") && *duration <= 0 {
			return usageError{fmt.Errorf("--for %s: want a time like 30s or 10m", *duration)}
		}
		conn, err := dial(*path)
		if err != nil {
			return err
		}
		g, err := conn.Open(cmd.Context(), control.OpenRequest{Door: list[0], Source: source.Addr, For: control.Duration(*duration)})
		if err != nil {
			return err
		}
		if *asJSON {
			printJSON(std.out, g)
			return nil
		}
		fmt.Fprintf(std.out, "door %q is open for %s until %s (%s)\n", g.Door, g.Source, g.Until.Local().Format(time.TimeOnly), remaining(g.Until, time.Now()))
		return nil
	}
	return cmd
}

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

// addressFlag is an address on the command line. The zero value is none.
type addressFlag struct{ netip.Addr }

func (f *addressFlag) Set(s string) (err error) {
	f.Addr, err = netip.ParseAddr(s)
	return err
}

func (f *addressFlag) Type() string { return "address" }

func (f *addressFlag) String() string {
	if !f.IsValid() {
		return ""
	}
	return f.Addr.String()
}

func sourceFlag(cmd *cobra.Command) *addressFlag {
	f := new(addressFlag)
	cmd.Flags().Var(f, "source", "the source `ADDRESS`")
	return f
}
