//go:build unix

package journal

import (
	"path/filepath"

	"golang.org/x/sys/unix"
)

// writableFolder reports whether files can be made beside path.
func writableFolder(path string) bool { return unix.Access(filepath.Dir(path), unix.W_OK) == nil }
