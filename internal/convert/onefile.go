package convert

import (
	"io/fs"
	"strings"
	"time"
)

// importPath is where config.Load finds what is to be checked.
const importPath = "/import.toml"

// single is a file system with one file, which only its owner may read.
type single string

func (s single) Open(name string) (fs.File, error) {
	if "/"+name != importPath {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &opened{strings.NewReader(string(s)), int64(len(s))}, nil
}

type opened struct {
	*strings.Reader
	size int64
}

var _ fs.FileInfo = (*opened)(nil)

func (o *opened) Stat() (fs.FileInfo, error) { return o, nil }
func (o *opened) Close() error               { return nil }
func (o *opened) Name() string               { return importPath[1:] }
func (o *opened) Size() int64                { return o.size }
func (o *opened) Mode() fs.FileMode          { return 0o600 }
func (o *opened) ModTime() time.Time         { return time.Time{} }
func (o *opened) IsDir() bool                { return false }
func (o *opened) Sys() any                   { return nil }
