//go:build unix

package journal

import (
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// readable reports why a file cannot be read better than SQLite does. It does not
// open the file: to close it again would give up the locks that SQLite holds on it
// in this process (fcntl(2)), and the daemon reads the journal that it writes.
func readable(path string) (os.FileInfo, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if err := unix.Faccessat(unix.AT_FDCWD, path, unix.R_OK, unix.AT_EACCESS); err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return info, nil
}
