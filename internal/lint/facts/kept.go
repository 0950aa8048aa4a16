//go:build linux

package facts

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"sallyport/internal/account"
	"sallyport/internal/config"
	"sallyport/internal/inforce"
	"sallyport/internal/inspect"
	"sallyport/internal/key"
	"sallyport/internal/keyfile"
	"sallyport/internal/lint"
	"sallyport/internal/phrase"
)

// suites are those of the server keys, as far as this user may see: a key that is to be
// made at the first start is not there yet.
func suites(cfg *config.Config) []key.Suite {
	ring, err := keyfile.Load(cfg.SPA.ServerKey)
	if err != nil {
		return nil
	}
	return ring.Suites()
}

// unusable looks at what the daemon keeps: a start must not find out first that
// it cannot be used. What this user may not see is left out.
func unusable(cfg *config.Config, store inforce.Store) (list []lint.Unusable) {
	if cfg.SPA.Port != 0 {
		_, err := keyfile.Load(cfg.SPA.ServerKey)
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
			list = append(list, lint.Unusable{Path: cfg.SPA.ServerKey, Text: err.Error(),
				Remedy: "restore it from a backup; without one remove it, and give the new key to every client"})
		}
	}
	seen := make(map[string]bool)
	for _, dir := range []string{cfg.Daemon.StateDir, store.Dir()} {
		if seen[dir] {
			continue
		}
		seen[dir] = true
		info, err := os.Stat(dir)
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission): // it is made at the start; root sees more
		case err != nil:
			list = append(list, lint.Unusable{Path: dir, Text: "the daemon keeps things there, and it cannot be used: " + err.Error(), Remedy: "name a folder in state_dir"})
		case !info.IsDir():
			list = append(list, lint.Unusable{Path: dir, Text: "the daemon keeps things there, and it is no folder", Remedy: "remove it, or name a folder in state_dir"})
		case errors.Is(unix.Access(dir, unix.W_OK), unix.EROFS):
			list = append(list, lint.Unusable{Path: dir, Text: "the daemon keeps things there, and the file system is mounted read-only",
				Remedy: "mount it for writing, or name another folder in state_dir (in a unit of systemd with sandboxing, also in ReadWritePaths=)"})
		default:
			list = append(list, foreign(dir, cfg.SPA.ServerKey)...)
		}
	}
	return list
}

// foreign names what in a folder of the daemon does not belong to the folder's
// owner, who cannot use it.
func foreign(dir, key string) []lint.Unusable {
	owner, names := inspect.Foreign(dir, key)
	if len(names) == 0 {
		return nil
	}
	name := account.Name(owner)
	return []lint.Unusable{{Path: dir, Text: fmt.Sprintf("the folder belongs to %s, the daemon's user, and not what is in it: %s", name, phrase.Some(names, 3)),
		Remedy: fmt.Sprintf("chown -R %s: %s", name, dir)}}
}
