package inspect

import (
	"io/fs"
	"os/user"
	"strconv"
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

// UserName is the name of a user, or its number.
func UserName(uid uint32) string {
	id := strconv.Itoa(int(uid))
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return id
}
