package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"sallyport/internal/config"
)

// loadConfig reads a configuration and adds advice to what can go wrong.
func loadConfig(path string) (*config.Config, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("find the configuration: %w", err)
	}
	cfg, err := config.Load(os.DirFS("/"), absolute)
	if errors.Is(err, fs.ErrNotExist) && path == defaultConfig {
		return nil, hinted{err, "name another file with -c"}
	}
	return cfg, err
}

func newCheck(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "check",
		Short:   "Check a configuration without using it",
		GroupID: "server",
		Args:    args(cobra.NoArgs),
	}
	path := configFlag(cmd)
	cmd.RunE = func(*cobra.Command, []string) error {
		cfg, err := loadConfig(*path)
		if err != nil {
			return err
		}
		for _, w := range append(cfg.Warnings(), dueWarnings(cfg, time.Now())...) {
			fmt.Fprintf(std.out, "warning: %s\n", w)
		}
		fmt.Fprintf(std.out, "%s: %s, %s: good\n", cfg.Path, count(len(cfg.Doors), "door"), count(len(cfg.Clients), "client"))
		return nil
	}
	return cmd
}
