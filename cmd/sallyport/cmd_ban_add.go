//go:build linux && !client_only

package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"sallyport/internal/control"
	"sallyport/internal/phrase"
)

func newBanAdd(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "add ADDRESS",
		Short: "Ban a source",
		Long: `Keeps a source out. With --fleet this gate says so to all gates of its fleet, for a day at most: each bans the source
too, unless it spares it. A gate says that once a second at most. Where etcd cannot be reached, the ban holds here,
and the exit status is 1.`,
		Example: "  sallyport ban add 203.0.113.7 --for 24h\n  sallyport ban add 203.0.113.7 --fleet",
		Args:    args(cobra.ExactArgs(1)),
	}
	path := configFlag(cmd)
	length := addDuration(cmd, "for", 0, "how long (default: for in [ban])")
	everywhere := cmd.Flags().Bool("fleet", false, "at all gates of the fleet")
	asJSON := cmd.Flags().Bool("json", false, "print JSON")
	cmd.RunE = func(cmd *cobra.Command, list []string) error {
		source, err := sourceArg(list[0])
		if err != nil {
			return err
		}
		if cmd.Flags().Changed("for") && *length <= 0 {
			return usageError{fmt.Errorf("--for %s: want a time such as 1h", phrase.Duration(*length))}
		}
		conn, err := dial(*path)
		if err != nil {
			return err
		}
		b, err := conn.Ban(cmd.Context(), control.BanRequest{Source: source, For: control.Duration(*length), Fleet: *everywhere})
		if err != nil {
			return err
		}
		if *asJSON {
			printJSON(std.out, b)
			return nil
		}
		fmt.Fprintln(std.out, banLine(b))
		return nil
	}
	return cmd
}
