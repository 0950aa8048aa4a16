//go:build linux && !client_only

package main

import (
	"fmt"
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
		fmt.Fprintf(std.out, "fingerprint  %s\nsuite        %s\n", s.Fingerprint, s.Suite)
		if s.Previous != "" {
			fmt.Fprintf(std.out, "previous     %s, accepted until %s\n", s.Previous, s.PreviousUntil.Local().Format(time.DateTime))
		}
		fmt.Fprintf(std.out, "public key, for clients only:\n%s\n", s.PublicKey)
		return nil
	}
	return cmd
}
