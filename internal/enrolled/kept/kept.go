// Package kept keeps the records of invites and enrolled clients in a folder, each in a
// file of its own that is written as a whole or not at all. What cannot be read is left
// out and named; nothing here ever stands in the way of a start or a reload.
package kept

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"sallyport/internal/atomicfile"
	"sallyport/internal/enrolled"
)

// Folder holds records.
type Folder string

// Of is the folder of a state_dir.
func Of(stateDir string) Folder { return Folder(filepath.Join(stateDir, enrolled.Dir)) }

// mostFiles is how many files are looked at, drafts that a crash has left among them.
const mostFiles = 2 * enrolled.MaxRecords

// Read returns all records, and what is wrong with the rest. An error says that
// nothing could be read; a folder that is not there has no records.
func (f Folder) Read() (list []enrolled.Record, bad []string, err error) {
	dir, err := os.Open(string(f))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read the enrolled clients: %w", err)
	}
	defer dir.Close()
	folder, err := dir.Stat()
	if err != nil {
		return nil, nil, fmt.Errorf("read the enrolled clients: %w", err)
	}
	names, err := dir.Readdirnames(mostFiles)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, fmt.Errorf("read the enrolled clients: %w", err)
	}
	if len(names) == mostFiles {
		bad = append(bad, fmt.Sprintf("%s holds %d files or more: the rest is left out", f, mostFiles))
	}
	for _, name := range names {
		if strings.HasPrefix(name, ".") { // a draft that a crash has left
			continue
		}
		if len(list) == enrolled.MaxRecords {
			return list, append(bad, fmt.Sprintf("%s holds more than %d records: the rest is left out", f, enrolled.MaxRecords)), nil
		}
		r, err := f.read(folder, name)
		if err == nil && r.File() != name {
			err = fmt.Errorf("belongs into the file %s", r.File())
		}
		if err != nil {
			bad = append(bad, fmt.Sprintf("%q is left out: it %s", f.path(name), err))
			continue
		}
		list = append(list, r)
	}
	return list, bad, nil
}

func (f Folder) path(name string) string { return filepath.Join(string(f), name) }

func (f Folder) read(folder fs.FileInfo, name string) (enrolled.Record, error) {
	info, err := os.Lstat(f.path(name))
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("is no plain file")
	}
	if err == nil {
		err = distrust(folder, info)
	}
	if err != nil {
		return enrolled.Record{}, err
	}
	file, err := os.Open(f.path(name))
	if err != nil {
		return enrolled.Record{}, fmt.Errorf("cannot be read: %w", err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, enrolled.MaxSize+1))
	if err != nil {
		return enrolled.Record{}, fmt.Errorf("cannot be read: %w", err)
	}
	return enrolled.Parse(text)
}

// Write keeps a record, in place of the one before. When it returns nil that is on
// the disk and survives a loss of power.
func (f Folder) Write(r enrolled.Record) error {
	if err := os.Mkdir(string(f), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("keep what is enrolled: %w", err)
	}
	if err := atomicfile.Replace(f.path(r.File()), r.Marshal(), atomicfile.Options{}); err != nil {
		return fmt.Errorf("keep what is enrolled: %w", err)
	}
	return nil
}

// Remove forgets a record.
func (f Folder) Remove(r enrolled.Record) error {
	if err := os.Remove(f.path(r.File())); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forget what was enrolled: %w", err)
	}
	return nil
}
