package inspect

import (
	"io/fs"
	"syscall"
)

// Owner returns the user to whom a file belongs.
func Owner(info fs.FileInfo) (uid uint32, ok bool) {
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return s.Uid, true
}
