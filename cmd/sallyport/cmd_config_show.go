//go:build linux && !client_only

package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"sallyport/internal/config"
)

func newConfigShow(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "show",
		Short:   "Show all files of the configuration, without the secrets",
		Example: "  sallyport config show",
		Args:    args(cobra.NoArgs),
	}
	path := configFlag(cmd)
	secrets := cmd.Flags().Bool("secrets", false, "with the secrets")
	cmd.RunE = func(*cobra.Command, []string) error {
		main, err := filepath.Abs(*path)
		if err != nil {
			return fmt.Errorf("find the configuration: %w", err)
		}
		files, err := config.Files(os.DirFS("/"), main)
		if err != nil {
			return advise(err)
		}
		for i, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				return advise(err)
			}
			if !*secrets {
				text = config.Hide(text)
			}
			if i > 0 {
				fmt.Fprintln(std.out)
			}
			fmt.Fprintf(std.out, "# ---- %s\n%s", f, text)
		}
		return nil
	}
	return cmd
}
