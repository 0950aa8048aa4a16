package inspect

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// Foreign names what in a folder does not belong to the folder's owner, by
// paths in it; and the owner. It leaves out the files in except, and what this
// user may not look at. In root's folders nothing is foreign: root can use all.
func Foreign(dir string, except ...string) (owner uint32, names []string) {
	info, err := os.Stat(dir)
	if err != nil {
		return 0, nil
	}
	ours, ok := Owner(info)
	if !ok || ours == 0 {
		return 0, nil
	}
	// The error is that of a callback that returns none.
	_ = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || slices.Contains(except, path) {
			return nil
		}
		if info, err := e.Info(); err == nil {
			if uid, ok := Owner(info); ok && uid != ours {
				name, _ := filepath.Rel(dir, path)
				names = append(names, name)
			}
		}
		return nil
	})
	return ours, names
}
