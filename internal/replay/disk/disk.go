// Package disk keeps the files of a replay store in a directory.
package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"sallyport/internal/replay"
)

const suffix = ".new" // of a file that is being replaced

// Dir is a directory that holds a replay store and nothing else. It is to be
// used by one store at a time.
type Dir struct {
	root  *os.Root
	file  *os.File // the one last written to with WriteAt
	name  string   // its name
	dirty map[string]struct{}
}

var _ replay.Files = (*Dir)(nil)

// Open opens the directory, and makes it, for its owner only, if it is not
// there. Its parent must exist.
func Open(path string) (*Dir, error) {
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("make the directory of the replay store: %w", err)
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, fmt.Errorf("open the directory of the replay store: %w", err)
	}
	info, err := root.Stat(".")
	if err != nil {
		_ = root.Close()
		return nil, fmt.Errorf("open the directory of the replay store: %w", err)
	}
	if info.Mode().Perm()&0o022 != 0 {
		_ = root.Close()
		return nil, fmt.Errorf("the directory %q of the replay store may be written by others (mode %#o): want 0700", path, info.Mode().Perm())
	}
	return &Dir{root: root, dirty: map[string]struct{}{}}, nil
}

// Read returns a whole file.
func (d *Dir) Read(name string) ([]byte, error) { return d.root.ReadFile(name) }

// Replace writes a file beside the old one and puts it in its place.
func (d *Dir) Replace(name string, data []byte) error {
	if err := d.root.WriteFile(name+suffix, data, 0o600); err != nil {
		_ = d.root.Remove(name + suffix)
		return err
	}
	if d.name == name {
		d.closeFile()
	}
	if err := d.root.Rename(name+suffix, name); err != nil {
		return err
	}
	d.dirty[name] = struct{}{}
	return nil
}

// WriteAt overwrites a part of a file.
func (d *Dir) WriteAt(name string, data []byte, offset int64) error {
	if d.name != name {
		d.closeFile()
		f, err := d.root.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		d.file, d.name = f, name
	}
	d.dirty[name] = struct{}{}
	_, err := d.file.WriteAt(data, offset)
	return err
}

// Remove deletes a file.
func (d *Dir) Remove(name string) error {
	if d.name == name {
		d.closeFile()
	}
	delete(d.dirty, name)
	return d.root.Remove(name)
}

// Sync brings the files that were written, and their names, to the disk.
func (d *Dir) Sync() error {
	for name := range d.dirty {
		if err := d.syncFile(name); err != nil {
			return err
		}
		delete(d.dirty, name)
	}
	return d.syncFile(".")
}

func (d *Dir) syncFile(name string) error {
	f, err := d.root.Open(name)
	if err != nil {
		return err
	}
	err = f.Sync()
	return errors.Join(err, f.Close())
}

func (d *Dir) closeFile() {
	if d.file != nil {
		_ = d.file.Close() // what was written to it is in the page cache already
	}
	d.file, d.name = nil, ""
}

// Close lets go of the directory.
func (d *Dir) Close() error {
	d.closeFile()
	return d.root.Close()
}
