//go:build linux && !client_only

package main

import (
	"time"

	"github.com/spf13/cobra"
)

func newServerKeyCommand(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "server-key",
		Short:   "Show or rotate the server's key",
		GroupID: "server",
		Example: "  sallyport server-key show",
		Args:    args(cobra.NoArgs),
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newServerKeyShow(std), newServerKeyRotate(std))
	return cmd
}

// defaultKeep is how long the key before a rotation is accepted.
const defaultKeep = 30 * 24 * time.Hour
