//go:build !windows

package client

import (
	"fmt"
	"io"
	"os"
)

// readPrivate reads a file that must not be open to others.
func readPrivate(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if mode := info.Mode(); !mode.IsRegular() || mode.Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s is open to others (mode %v): chmod 600 %s", path, mode, path)
	}
	return io.ReadAll(io.LimitReader(file, maxProfile+1))
}
