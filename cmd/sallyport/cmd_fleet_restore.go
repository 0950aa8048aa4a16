//go:build linux && !client_only

package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"sallyport/internal/fleet/desk"
)

func newFleetRestore(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "restore",
		Short: "Put back what etcd has lost of the roll",
		Long: `Puts the entries of the roll that were seen here back into etcd, after an old snapshot was restored or its data
is gone. They are signed, so nothing is signed again. Where another history lies in etcd, nothing is written.
Until the roll is whole again, gates give nothing new to clients of the fleet.`,
		Example: "  sallyport fleet restore",
		Args:    args(cobra.NoArgs),
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		folder, err := desk.Default()
		if err != nil {
			return err
		}
		file, err := folder.Read()
		if err != nil {
			return fleetAdvice(folder, err)
		}
		s, _, err := desk.Connect(file)
		if err != nil {
			return advise(err)
		}
		defer s.Close()
		n, err := folder.Restore(cmd.Context(), s)
		if err != nil {
			return fleetAdvice(folder, err)
		}
		pin, err := folder.Pin()
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(std.out, "put back: %d; the roll reaches entry %d\n", n, pin.Head.Number)
		return err
	}
	return cmd
}
