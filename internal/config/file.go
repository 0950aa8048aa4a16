package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"unicode/utf8"
)

// Limits on what is read. A client takes about 150 bytes, so the total leaves
// room for more clients than maxClients.
const (
	maxFile  = 1 << 20
	maxTotal = 64 << 20
)

// file is one configuration file, read.
type file struct {
	path string // absolute
	mode fs.FileMode
	data []byte
}

// folder returns the folder that adds to a main file.
func folder(main string) string { return path.Join(path.Dir(main), "conf.d") }

// files returns the main file's path and those of its conf.d folder.
func files(fsys fs.FS, main string) ([]string, error) {
	paths := []string{main}
	dir := folder(main)
	entries, err := fs.ReadDir(fsys, name(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return paths, nil
	}
	if err != nil {
		return paths, fmt.Errorf("cannot be read as a folder: %w", cause(err))
	}
	if info, err := fs.Stat(fsys, name(dir)); err == nil && info.Mode()&0o002 != 0 {
		return paths, fmt.Errorf("everybody may add files to this folder (mode %04o): run chmod o-w %s", info.Mode().Perm(), dir)
	}
	for _, entry := range entries { // in the order of their names
		n := entry.Name()
		if strings.HasSuffix(n, ".toml") && !strings.HasPrefix(n, ".") {
			paths = append(paths, path.Join(dir, n))
		}
	}
	return paths, nil
}

// Files returns the paths of all files of the configuration whose main file has
// the given absolute path, in the order in which they are read.
func Files(fsys fs.FS, absolute string) ([]string, error) { return files(fsys, absolute) }

// name returns the name of an absolute path in a file system rooted at "/".
func name(absolute string) string {
	if absolute == "/" {
		return "."
	}
	return strings.TrimPrefix(absolute, "/")
}

// read reads one file of at most maxFile bytes. It asks what the file is
// before it opens it: opening a named pipe would wait for ever.
func read(fsys fs.FS, absolute string) (file, error) {
	info, err := fs.Stat(fsys, name(absolute))
	if err != nil {
		return file{}, fmt.Errorf("cannot be read: %w", cause(err))
	}
	if info.IsDir() {
		return file{}, errors.New("is a folder: want a file")
	}
	if !info.Mode().IsRegular() {
		return file{}, errors.New("is not a regular file")
	}
	if info.Size() > maxFile {
		return file{}, fmt.Errorf("has %d bytes: want at most %d; doors and clients can be spread over files in conf.d", info.Size(), maxFile)
	}
	f, err := fsys.Open(name(absolute))
	if err != nil {
		return file{}, fmt.Errorf("cannot be read: %w", cause(err))
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return file{}, fmt.Errorf("cannot be read: %w", cause(err))
	}
	if len(data) > maxFile {
		return file{}, fmt.Errorf("grew while it was read: want at most %d bytes", maxFile)
	}
	return file{absolute, info.Mode(), data}, nil
}

// cause drops the operation and the path, which the place tells already.
func cause(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// text checks that a file is plain UTF-8. TOML demands it, and what a person
// cannot see in an editor has no business in a configuration.
func (f file) text() (line int, err error) {
	if bytes.HasPrefix(f.data, []byte("\ufeff")) {
		return 1, errors.New("starts with a byte order mark: save the file as UTF-8 without one")
	}
	if i := bytes.IndexByte(f.data, 0); i >= 0 {
		return f.line(i), errors.New("holds a NUL byte: want UTF-8 text")
	}
	if !utf8.Valid(f.data) {
		valid := 0
		for rest := f.data; ; {
			r, n := utf8.DecodeRune(rest)
			if r == utf8.RuneError && n == 1 {
				break
			}
			valid, rest = valid+n, rest[n:]
		}
		return f.line(valid), errors.New("is not UTF-8 text: save the file as UTF-8")
	}
	return 0, nil
}

// line returns the number of the line that holds the byte at offset.
func (f file) line(offset int) int { return 1 + bytes.Count(f.data[:offset], []byte("\n")) }
