//go:build linux && !client_only

package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"sallyport/internal/account"
	"sallyport/internal/config"
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
	if err := account.Become(int(owner.Uid), int(owner.Gid), daemonRights); err != nil {
		return hinted{fmt.Errorf("become the user to whom %s belongs (%s): %w", dirs[0], account.Name(owner.Uid), err),
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

// lackingRights names what the daemon cannot be without and this process does not have.
func lackingRights() (names []string) {
	for _, c := range []struct {
		name  string
		right int
	}{{"CAP_NET_ADMIN", unix.CAP_NET_ADMIN}, {"CAP_NET_RAW", unix.CAP_NET_RAW}} {
		if account.Lacks(c.right) {
			names = append(names, c.name)
		}
	}
	return names
}
