//go:build linux && !client_only

package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"sallyport/internal/control"
)

func newRefuse(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "refuse ID",
		Short:   "Do not let in who asks",
		GroupID: "server",
		Long:    `Ends an ask. The person hears of it on the page, if the ask is from there; a client's program is not answered.`,
		Example: "  sallyport refuse 3f2a91c0",
		Args:    args(cobra.ExactArgs(1)),
	}
	path := configFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, list []string) error {
		conn, err := dial(*path)
		if err != nil {
			return err
		}
		a, err := conn.Refuse(cmd.Context(), control.RefuseRequest{ID: list[0]})
		if err != nil {
			return err
		}
		fmt.Fprintf(std.out, "%s is not let in\n", a.Source)
		return nil
	}
	return cmd
}
