//go:build !client_only

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

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

// defaultConfig is where the configuration is unless a flag says otherwise.
const defaultConfig = config.DefaultPath

// configFlag adds -c to a command.
func configFlag(cmd *cobra.Command) *string {
	path := cmd.Flags().StringP("config", "c", defaultConfig, "configuration `FILE`")
	_ = cmd.MarkFlagFilename("config", "toml") // cannot fail: the flag has just been defined
	return path
}
