//go:build linux && !client_only

package main

import (
	"time"

	"github.com/spf13/cobra"
)

func newServerKeyShow(std stdio) *cobra.Command {
	cmd := &cobra.Command{Use: "show", Short: "Show the server's public key", Example: "  sallyport server-key show --json", Args: args(cobra.NoArgs)}
	path := configFlag(cmd)
	asJSON := cmd.Flags().Bool("json", false, "print JSON")
	cmd.RunE = func(*cobra.Command, []string) error {
		cfg, err := loadConfig(*path)
		if err != nil {
			return err
		}
		ring, err := loadServerKey(cfg)
		if err != nil {
			return err
		}
		s := shown(ring, time.Now())
		if *asJSON {
			printJSON(std.out, s)
			return nil
		}
		s.print(std.out)
		return nil
	}
	return cmd
}
