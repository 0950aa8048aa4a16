//go:build linux && !client_only

package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newConfirm(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "confirm",
		Short:   "Keep the configuration that is on trial",
		GroupID: "server",
		Long:    `Keeps what "reload --confirm" or "serve --confirm" has put on trial. Run it from a new session.`,
		Example: "  sallyport confirm",
		Args:    args(cobra.NoArgs),
	}
	path := configFlag(cmd)
	asJSON := cmd.Flags().Bool("json", false, "print JSON")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		conn, err := dial(*path)
		if err == nil {
			err = conn.Confirm(cmd.Context())
		}
		switch {
		case err != nil:
			return err
		case *asJSON:
			printJSON(std.out, map[string]bool{"confirmed": true})
		default:
			fmt.Fprintln(std.out, "confirmed: the configuration stays")
		}
		return nil
	}
	return cmd
}
