//go:build linux && !client_only

package main

import (
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"sallyport/internal/config"
	"sallyport/internal/control"
	"sallyport/internal/inforce"
)

// daemonRights are what the daemon of a package has (see sallyport.service), and
// what the moat needs beside it.
var daemonRights = []int{unix.CAP_NET_ADMIN, unix.CAP_NET_RAW, unix.CAP_BPF, unix.CAP_PERFMON}

// becomeDaemon makes a daemon that root has started by hand the user to whom
// its files belong, with the rights that its unit would give it. Otherwise root
// would leave files that this user, as whom the unit runs, cannot read: keys,
// the journal, and what was used, without which nothing opens. Where the files
// are root's, root remains. It returns only if there is nothing to become, or
// with an error.
func becomeDaemon(path string, store inforce.Store) error {
	if os.Geteuid() != 0 {
		return nil
	}
	dirs := []string{store.Dir()}
	cfg, err := config.Load(os.DirFS("/"), path)
	if err == nil { // else the daemon says what is wrong with it
		dirs = append([]string{cfg.Daemon.StateDir}, dirs...)
	}
	owner := func() *syscall.Stat_t {
		for _, dir := range dirs {
			if info, err := os.Stat(dir); err == nil {
				return info.Sys().(*syscall.Stat_t)
			}
		}
		return nil
	}()
	if owner == nil || owner.Uid == 0 {
		return nil
	}
	for _, dir := range dirs {
		makeFor(dir, 0o700, owner)
	}
	if err == nil {
		makeFor(filepath.Dir(cfg.Daemon.Socket), 0o750, owner)
	}
	if err := becomeUser(int(owner.Uid), int(owner.Gid)); err != nil {
		return hinted{fmt.Errorf("become the user to whom %s belongs (%s): %w", dirs[0], control.UserName(owner.Uid), err),
			"start the daemon with systemctl start sallyport, or as that user"}
	}
	return nil
}

// makeFor makes a folder that only root could make. If it cannot, the daemon
// says what it misses.
func makeFor(dir string, mode fs.FileMode, owner *syscall.Stat_t) {
	if os.Mkdir(dir, mode) == nil {
		_ = os.Lchown(dir, int(owner.Uid), int(owner.Gid))
	}
}

// becomeUser starts this program again, in the same process, as another user.
// Rights belong to a thread (capabilities(7)); only by starting again do all
// threads have the same.
func becomeUser(uid, gid int) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread() // after a failure
	keep, err := heldRights()
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

// heldRights returns those of the daemon's rights that this thread has.
func heldRights() (held []int, err error) {
	var data [2]unix.CapUserData
	if err := unix.Capget(header(), &data[0]); err != nil {
		return nil, os.NewSyscallError("capget", err)
	}
	for _, c := range daemonRights {
		if data[c/32].Permitted&(1<<(c%32)) != 0 {
			held = append(held, c)
		}
	}
	return held, nil
}

// lackingRights names what the daemon cannot be without and this process does not have.
func lackingRights() (names []string) {
	var data [2]unix.CapUserData
	if unix.Capget(header(), &data[0]) != nil {
		return nil
	}
	for _, c := range []struct {
		name  string
		right int
	}{{"CAP_NET_ADMIN", unix.CAP_NET_ADMIN}, {"CAP_NET_RAW", unix.CAP_NET_RAW}} {
		if data[0].Effective&(1<<c.right) == 0 {
			names = append(names, c.name)
		}
	}
	return names
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
