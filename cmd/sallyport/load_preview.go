//go:build linux && !client_only

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"sallyport/internal/config"
)

// loadWith reads the configuration at main as it would be with one more file,
// which does not exist yet.
func loadWith(main, file string, text []byte) (*config.Config, error) {
	absolute, err := filepath.Abs(main)
	if err != nil {
		return nil, fmt.Errorf("find the configuration: %w", err)
	}
	return config.Load(preview{os.DirFS("/"), strings.TrimPrefix(file, "/"), text}, absolute)
}

// loadWithout reads the configuration at main as it would be without a file.
func loadWithout(main, file string) (*config.Config, error) {
	absolute, err := filepath.Abs(main)
	if err != nil {
		return nil, fmt.Errorf("find the configuration: %w", err)
	}
	return config.Load(withoutFile{os.DirFS("/"), strings.TrimPrefix(file, "/")}, absolute)
}

// preview is a file system with one more file in it.
type preview struct {
	fs.FS
	name string
	text []byte
}

func (p preview) Open(name string) (fs.File, error) {
	if name != p.name {
		return p.FS.Open(name)
	}
	return previewed{bytes.NewReader(p.text), p.info()}, nil
}

func (p preview) Stat(name string) (fs.FileInfo, error) {
	if name != p.name {
		return fs.Stat(p.FS, name)
	}
	return p.info(), nil
}

// ReadDir lists a folder, which need not exist yet if the file is in it.
func (p preview) ReadDir(name string) ([]fs.DirEntry, error) {
	list, err := fs.ReadDir(p.FS, name)
	if name != path.Dir(p.name) || err != nil && !errors.Is(err, fs.ErrNotExist) {
		return list, err
	}
	base := path.Base(p.name)
	list = slices.DeleteFunc(list, func(e fs.DirEntry) bool { return e.Name() == base }) // it is there in another form
	list = append(list, fs.FileInfoToDirEntry(p.info()))
	slices.SortFunc(list, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return list, nil
}

func (p preview) info() previewInfo { return previewInfo{path.Base(p.name), int64(len(p.text))} }

// previewed is the file that does not exist yet, open.
type previewed struct {
	*bytes.Reader
	info previewInfo
}

func (f previewed) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f previewed) Close() error               { return nil }

// previewInfo describes that file as it is going to be written.
type previewInfo struct {
	name string
	size int64
}

func (i previewInfo) Name() string       { return i.name }
func (i previewInfo) Size() int64        { return i.size }
func (i previewInfo) Mode() fs.FileMode  { return 0o640 }
func (i previewInfo) ModTime() time.Time { return time.Time{} }
func (i previewInfo) IsDir() bool        { return false }
func (i previewInfo) Sys() any           { return nil }

// withoutFile is a file system that lacks one file.
type withoutFile struct {
	fs.FS
	name string
}

func (w withoutFile) Open(name string) (fs.File, error) {
	if name == w.name {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return w.FS.Open(name)
}

func (w withoutFile) ReadDir(name string) ([]fs.DirEntry, error) {
	list, err := fs.ReadDir(w.FS, name)
	var kept []fs.DirEntry
	for _, e := range list {
		if name+"/"+e.Name() != w.name {
			kept = append(kept, e)
		}
	}
	return kept, err
}
