package client

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"sallyport/internal/atomicfile"
)

const suffix = ".profile"

// Dir returns the folder that holds the profiles of this user, whether or not
// it exists.
func Dir() (string, error) {
	base, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("find the folder for profiles: %w", err)
	}
	return filepath.Join(base, "sallyport", "profiles"), nil
}

// pathOf returns where the profile of that name is or would be.
func pathOf(name string) (string, error) {
	if !validName(name) {
		return "", fmt.Errorf("%q is not the name of a profile: want %s", name, wantName)
	}
	dir, err := Dir()
	return filepath.Join(dir, name+suffix), err
}

// Load reads the profile of that name. The error is fs.ErrNotExist if there is
// none. A file that others can read or change is refused (not on Windows).
func Load(name string) (*Profile, error) {
	path, err := pathOf(name)
	if err != nil {
		return nil, err
	}
	text, err := readPrivate(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no profile %q: %w", name, fs.ErrNotExist)
	}
	if err != nil {
		return nil, fmt.Errorf("load the profile %q: %w", name, err)
	}
	p, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if p.Name != name {
		return nil, fmt.Errorf("%s: line 2: the name is %q: want the name of the file", path, p.Name)
	}
	return p, nil
}

// Save writes a profile for Load, in the place of one with the same name, as a
// whole or not at all.
func Save(p *Profile) error {
	if err := p.Validate(); err != nil {
		return err
	}
	path, err := pathOf(p.Name)
	if err != nil {
		return err
	}
	if err := writePrivate(path, p.Marshal()); err != nil {
		return fmt.Errorf("save the profile %q: %w", p.Name, err)
	}
	forget(path)
	return nil
}

// writePrivate replaces a file by one that only its owner can read.
func writePrivate(path string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return atomicfile.Replace(path, text, atomicfile.Options{})
}

// List returns the names of all profiles, sorted.
func List() ([]string, error) {
	dir, err := Dir()
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir) // sorted
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list the profiles: %w", err)
	}
	var names []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), suffix); ok && validName(name) {
			names = append(names, name)
		}
	}
	return names, nil
}

// Remove deletes the profile of that name. The error is fs.ErrNotExist if
// there is none.
func Remove(name string) error {
	path, err := pathOf(name)
	if err != nil {
		return err
	}
	err = os.Remove(path)
	forget(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no profile %q: %w", name, fs.ErrNotExist)
	}
	return err
}
