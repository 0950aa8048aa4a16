// Package atomicfile writes files as a whole or not at all: a reader of one
// finds the old text or the new one, also after a crash or a loss of power. The
// new text is written beside the file, synced, and put in its place; then the
// folder is synced, without which a rename may be lost.
//
// The draft is "." and the name of the file and a random end. After a crash one
// may be left; it has nothing but its owner's rights and no name that others
// look for.
package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
)

// Options say what a file is to be like.
type Options struct {
	Mode   fs.FileMode  // 0: only the owner may read and write
	Like   fs.FileInfo  // whose owner it gets; nil: the user who writes
	Check  func() error // asked last, when all is written; an error stops it
	NoSync bool         // it need not survive a loss of power
}

// Create writes a file that is not there yet. The error is fs.ErrExist if it is.
func Create(path string, text []byte, o Options) error { return write(path, text, o, link) }

// Replace writes a file, in the place of one that may be there.
func Replace(path string, text []byte, o Options) error { return write(path, text, o, os.Rename) }

func write(path string, text []byte, o Options, place func(draft, path string) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return named(err, path)
	}
	defer os.Remove(f.Name()) // unless it was renamed
	_, err = f.Write(text)
	if err == nil && o.Like != nil {
		err = KeepOwner(f.Name(), o.Like)
	}
	if err == nil && o.Mode != 0 {
		err = os.Chmod(f.Name(), o.Mode)
	}
	if err == nil && !o.NoSync {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return named(err, path)
	}
	if o.Check != nil {
		if err := o.Check(); err != nil {
			return err
		}
	}
	if err := place(f.Name(), path); err != nil || o.NoSync {
		return named(err, path)
	}
	return syncFolder(filepath.Dir(path))
}

// named has an error speak of the file, and not of a draft that nobody has heard of.
func named(err error, path string) error {
	var file *fs.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &link):
		return &fs.PathError{Op: "write", Path: path, Err: link.Err}
	case errors.As(err, &file):
		return &fs.PathError{Op: "write", Path: path, Err: file.Err}
	}
	return err
}

// link puts a draft in a place that must be free. Where the file system knows
// no links, an empty file holds the place for a moment.
func link(draft, path string) error {
	err := os.Link(draft, path)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	holder, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(holder.Close(), os.Rename(draft, path)); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

// syncFolder makes the names in a folder survive a loss of power, where the
// system can.
func syncFolder(path string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	err = dir.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		err = nil // as some network file systems say
	}
	return errors.Join(err, dir.Close())
}
