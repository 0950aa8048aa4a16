// Package account knows the users of this host: what they are called, and how a process
// becomes one of them without losing the rights that it needs.
package account

import (
	"os/user"
	"strconv"
)

// Name is the name of a user, or the number of one that has no name.
func Name(uid uint32) string {
	id := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return id
}
