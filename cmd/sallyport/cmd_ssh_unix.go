//go:build !windows

package main

import (
	"fmt"
	"os"
	"syscall"
)

// become turns this process into another program.
func become(path string, args []string) error {
	return fmt.Errorf("run %s: %w", path, syscall.Exec(path, args, os.Environ()))
}
