//go:build linux && !client_only

package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"sallyport/internal/config"
)

func newClientLabel(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "label NAME TEXT",
		Short:   "Write beside a client's name who or what it is",
		Long:    "TEXT may be in any script. It is shown where the client is listed. An empty TEXT takes the label away.",
		Example: `  sallyport client label alice "Sales, Alice's laptop"`,
		Args:    args(cobra.ExactArgs(2)),
	}
	a := alteration{}
	path := configFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, list []string) error {
		a.path = *path
		if is, err := labelEnrolled(cmd.Context(), std.out, *path, list[0], list[1]); is || err != nil {
			return err
		}
		s, err := findSetting(a.path, "client."+list[0]+".label")
		if err != nil {
			return err
		}
		value := ""
		if list[1] != "" {
			value = config.Quote(list[1])
		}
		after, err := s.with(value)
		if err != nil {
			return err
		}
		if err := a.apply(cmd.Context(), std.out, s.file, s.text, after); err != nil {
			return fmt.Errorf("label client %q: %w", list[0], err)
		}
		return nil
	}
	return cmd
}
