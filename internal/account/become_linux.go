package account

import (
	"os"
	"os/user"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// Become starts this program again, in the same process, as another user, who has those
// of these rights (capabilities(7)) that this thread has. It returns with an error only.
// Rights belong to a thread (capabilities(7)); only by starting again do all
// threads have the same.
func Become(uid, gid int, rights []int) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread() // after a failure
	keep, err := held(rights)
	if err != nil {
		return err
	}
	// Of this thread alone. Without SETUID the rights would be lost with it.
	if err := unix.Prctl(unix.PR_SET_KEEPCAPS, 1, 0, 0, 0); err != nil {
		return os.NewSyscallError("prctl", err)
	}
	if err := unix.Setgroups(groupsOf(uid, gid)); err != nil {
		return os.NewSyscallError("setgroups", err)
	}
	if err := unix.Setresgid(gid, gid, gid); err != nil {
		return os.NewSyscallError("setresgid", err)
	}
	if err := unix.Setresuid(uid, uid, uid); err != nil {
		return os.NewSyscallError("setresuid", err)
	}
	if err := inheritRights(keep); err != nil {
		return err
	}
	// By this name also where the new user cannot find the program.
	return os.NewSyscallError("exec", unix.Exec("/proc/self/exe", os.Args, os.Environ()))
}

// groupsOf are the groups that a user is in.
func groupsOf(uid, gid int) []int {
	groups := []int{gid}
	u, err := user.LookupId(strconv.Itoa(uid))
	if err != nil {
		return groups // a user without a name
	}
	ids, _ := u.GroupIds()
	for _, id := range ids {
		if n, err := strconv.Atoi(id); err == nil && n != gid {
			groups = append(groups, n)
		}
	}
	return groups
}

// header is what capget and capset want, in the version with 64 rights.
func header() *unix.CapUserHeader {
	return &unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
}

// held returns those of some rights that this thread has.
func held(rights []int) (list []int, err error) {
	var data [2]unix.CapUserData
	if err := unix.Capget(header(), &data[0]); err != nil {
		return nil, os.NewSyscallError("capget", err)
	}
	for _, c := range rights {
		if data[c/32].Permitted&(1<<(c%32)) != 0 {
			list = append(list, c)
		}
	}
	return list, nil
}

// inheritRights leaves this thread, and what it starts, these rights.
func inheritRights(keep []int) error {
	var data [2]unix.CapUserData
	for _, c := range keep {
		d, bit := &data[c/32], uint32(1)<<(c%32)
		d.Permitted, d.Effective, d.Inheritable = d.Permitted|bit, d.Effective|bit, d.Inheritable|bit
	}
	if err := unix.Capset(header(), &data[0]); err != nil {
		return os.NewSyscallError("capset", err)
	}
	for _, c := range keep {
		if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, uintptr(c), 0, 0); err != nil {
			return os.NewSyscallError("prctl", err)
		}
	}
	return nil
}

// Lacks reports whether this process is known not to have a right in force.
func Lacks(right int) bool {
	var data [2]unix.CapUserData
	return unix.Capget(header(), &data[0]) == nil && data[right/32].Effective&(1<<(right%32)) == 0
}
