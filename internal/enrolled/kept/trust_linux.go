package kept

import (
	"errors"
	"io/fs"
	"syscall"
)

// distrust says why a record may be another's than the daemon's: a folder that was put
// back from a backup may be open to others, and what lies there decides who gets in.
func distrust(folder, file fs.FileInfo) error {
	if file.Mode().Perm()&0o022 != 0 {
		return errors.New("may be written by others: look at it, then chmod 600")
	}
	of, known := folder.Sys().(*syscall.Stat_t)
	is, ok := file.Sys().(*syscall.Stat_t)
	if !known || !ok || is.Uid != of.Uid && is.Uid != 0 {
		return errors.New("belongs to another user than its folder")
	}
	return nil
}
