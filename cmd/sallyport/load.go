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
	if errors.Is(err, fs.ErrNotExist) && !exists(absolute) {
		return nil, noConfig(absolute)
	}
	return cfg, advise(err)
}

// noConfig is a configuration that is not there: the usual one, because nobody
// has made one yet; another, because of its name.
func noConfig(path string) error {
	hint := "sallyport init makes one, and asks what it should guard; -c FILE names another"
	if path != defaultConfig {
		hint = "look at the name after -c; without -c it is " + defaultConfig
	}
	return hinted{fmt.Errorf("there is no configuration %s", path), hint}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil || !errors.Is(err, fs.ErrNotExist)
}

// advise adds the usual remedy to a failure of the file system, unless there is
// one already.
func advise(err error) error {
	if errors.Is(err, fs.ErrPermission) && !errors.As(err, new(interface{ Hint() string })) {
		return hinted{err, "run it as root (sudo)"}
	}
	return err
}

// defaultConfig is where the configuration is unless a flag says otherwise.
const defaultConfig = config.DefaultPath

// configFlag adds -c to a command.
func configFlag(cmd *cobra.Command) *string {
	path := cmd.Flags().StringP("config", "c", defaultConfig, "configuration `FILE`")
	_ = cmd.MarkFlagFilename("config", "toml") // cannot fail: the flag has just been defined
	return path
}
