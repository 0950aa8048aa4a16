//go:build linux && !client_only

package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"sallyport/internal/inert"
	"sallyport/internal/journal"
)

func newAck(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "ack ID ...",
		Short:   "Mark findings as seen",
		Example: "  sallyport findings ack 3f2a91",
		Args:    args(cobra.MinimumNArgs(1)),
	}
	var place journalPlace
	place.journalFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, list []string) error {
		path, err := place.path()
		if err != nil {
			return err
		}
		for _, id := range list {
			ok, err := journal.Acknowledge(cmd.Context(), path, id)
			switch {
			case errors.Is(err, os.ErrPermission):
				return hinted{err, "only root and the daemon may change it: use sudo"}
			case err != nil:
				return err
			case !ok:
				return hinted{fmt.Errorf("there is no finding %q", id), "sallyport findings --all lists them"}
			}
			fmt.Fprintf(std.out, "finding %s is acknowledged\n", inert.Text(id))
		}
		return nil
	}
	return cmd
}
