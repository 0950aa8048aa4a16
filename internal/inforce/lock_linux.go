package inforce

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// lock locks an open folder until it is closed, and reports whether it could: it
// leaves no file that another user's process could stumble over.
func lock(folder *os.File) (bool, error) {
	err := unix.Flock(int(folder.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, os.NewSyscallError("flock", err)
}
