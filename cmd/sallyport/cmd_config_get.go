//go:build linux && !client_only

package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"sallyport/internal/config"
)

func newConfigGet(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "get KEY",
		Short:   "Print one value, as it is written in the configuration",
		Example: "  sallyport config get gate.policy\n  sallyport config get door.ssh.open_for",
		Args:    args(cobra.ExactArgs(1)),
	}
	path := configFlag(cmd)
	cmd.RunE = func(_ *cobra.Command, list []string) error {
		s, err := findSetting(*path, list[0])
		if err != nil {
			return err
		}
		value, ok := "", false
		if s.line != 0 {
			if value, ok, err = config.Value(s.text, s.line, s.key); err != nil {
				return fmt.Errorf("%s:%d %w", s.file, s.line, err)
			}
		}
		if !ok {
			return hinted{fmt.Errorf("%s is not set", list[0]), "its default is in sallyport.toml(5)"}
		}
		fmt.Fprintln(std.out, value)
		return nil
	}
	return cmd
}
