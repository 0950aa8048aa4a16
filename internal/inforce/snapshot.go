package inforce

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"sallyport/internal/config"
)

// Snapshot is every file and folder of which a configuration was made, by its
// path without the first slash. It is a file system that holds nothing else, so
// that the same configuration can be made again when the files have changed.
type Snapshot map[string]saved

type saved struct {
	Mode    fs.FileMode `json:"mode"`
	Data    []byte      `json:"data,omitempty"`
	Entries []string    `json:"entries,omitempty"` // of a folder
}

// read reads a configuration from the disk and keeps what it was made of.
func read(absolute string) (*config.Config, Snapshot, error) {
	r := recorder{os.DirFS("/"), make(Snapshot)}
	cfg, err := config.Load(r, absolute)
	return cfg, r.to, err
}

// Digest is the same for the same files.
func (s Snapshot) Digest() string {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err) // there is nothing in it that cannot be encoded
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// recorder is a file system that keeps what is read.
type recorder struct {
	fs.FS
	to Snapshot
}

func (r recorder) Stat(name string) (fs.FileInfo, error) {
	info, err := fs.Stat(r.FS, name)
	if err == nil {
		s := r.to[name]
		s.Mode = info.Mode()
		r.to[name] = s
	}
	return info, err
}

func (r recorder) ReadDir(name string) ([]fs.DirEntry, error) {
	list, err := fs.ReadDir(r.FS, name)
	if err == nil {
		s := r.to[name]
		s.Mode |= fs.ModeDir
		for _, e := range list {
			s.Entries = append(s.Entries, e.Name())
		}
		r.to[name] = s
	}
	return list, err
}

func (r recorder) Open(name string) (fs.File, error) {
	f, err := r.FS.Open(name)
	if err != nil {
		return nil, err
	}
	s := r.to[name]
	s.Data = nil
	r.to[name] = s
	return recorded{f, name, r.to}, nil
}

type recorded struct {
	fs.File
	name string
	to   Snapshot
}

func (f recorded) Read(p []byte) (int, error) {
	n, err := f.File.Read(p)
	s := f.to[f.name]
	s.Data = append(s.Data, p[:n]...)
	f.to[f.name] = s
	return n, err
}

func (s Snapshot) find(op, name string) (saved, error) {
	file, ok := s[name]
	if !ok {
		return file, &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
	}
	return file, nil
}

// Open opens a file.
func (s Snapshot) Open(name string) (fs.File, error) {
	file, err := s.find("open", name)
	return keptFile{bytes.NewReader(file.Data), keptInfo{name, file}}, err
}

// Stat describes a file or folder.
func (s Snapshot) Stat(name string) (fs.FileInfo, error) {
	file, err := s.find("stat", name)
	return keptInfo{name, file}, err
}

// ReadDir lists a folder.
func (s Snapshot) ReadDir(name string) ([]fs.DirEntry, error) {
	folder, err := s.find("open", name)
	var list []fs.DirEntry
	for _, entry := range slices.Sorted(slices.Values(folder.Entries)) {
		full := strings.TrimPrefix(path.Join(name, entry), "./")
		list = append(list, fs.FileInfoToDirEntry(keptInfo{full, s[full]}))
	}
	return list, err
}

// keptFile is a file of a Snapshot, open.
type keptFile struct {
	*bytes.Reader
	info keptInfo
}

func (f keptFile) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f keptFile) Close() error               { return nil }

// keptInfo describes a file of a snapshot.
type keptInfo struct {
	path string
	saved
}

func (i keptInfo) Name() string       { return path.Base(i.path) }
func (i keptInfo) Size() int64        { return int64(len(i.Data)) }
func (i keptInfo) Mode() fs.FileMode  { return i.saved.Mode }
func (i keptInfo) ModTime() time.Time { return time.Time{} }
func (i keptInfo) IsDir() bool        { return i.saved.Mode.IsDir() }
func (i keptInfo) Sys() any           { return nil }

// Remake makes the configuration of a snapshot again.
func (s Snapshot) Remake(absolute string) (*config.Config, error) {
	cfg, err := config.Load(s, absolute)
	if err != nil {
		return nil, fmt.Errorf("use the kept copy of the configuration: %w", err)
	}
	return cfg, nil
}
