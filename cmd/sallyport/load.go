package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

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
