package inforce

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"sallyport/internal/config"
)

// removedName is the list of removals: names of clients, one a line, in the order
// in which they were written down. Who is removed twice stands there twice, so
// that a part of the list is known by its length.
const removedName = "in-force.removed"

// maxRemoved bounds the list, in bytes.
const maxRemoved = 1 << 20

// Files are those of a configuration as they were read, with the removals that
// had been written down before.
type Files struct {
	Snapshot
	removed string
}

// Load reads a configuration from the disk and keeps what it was made of.
func (s Store) Load(absolute string) (*config.Config, Files, error) {
	removed, unknown := s.removals() // without them none end, which brings nobody back
	if unknown != nil {
		removed = ""
	}
	cfg, files, err := read(absolute)
	return cfg, Files{files, removed}, err
}

// Remove has a client removed, and writes that down, so that no copy of an
// earlier configuration brings the client back. It is written down before, since
// remove may be the last that happens; and once more after it, since a
// configuration that was read in between has the client still. Where nothing was
// ever kept there is nothing to write.
func (s Store) Remove(client string, remove func() error) error {
	if err := s.note(client); err != nil {
		return err
	}
	if err := remove(); err != nil {
		return err
	}
	return s.note(client)
}

func (s Store) note(client string) error {
	if _, err := os.Lstat(s.dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	err := s.alone(func() error {
		list, err := s.removals()
		if err != nil {
			return err
		}
		if len(list)+len(client) >= maxRemoved {
			return fmt.Errorf("the list of removed clients (%s) is full: sallyport reload empties it", s.path(removedName))
		}
		return s.put(removedName, []byte(list+client+"\n"))
	})
	if err != nil {
		return fmt.Errorf("note that client %q is removed: %w", client, err)
	}
	return nil
}

// Without returns a configuration without the clients that have been removed.
func (s Store) Without(cfg *config.Config) (*config.Config, error) {
	list, err := s.removals()
	if err != nil {
		return nil, err
	}
	removed := strings.Fields(list)
	left := *cfg
	left.Clients = slices.DeleteFunc(slices.Clone(cfg.Clients), func(c config.Client) bool { return slices.Contains(removed, c.Name) })
	return &left, nil
}

// endRemovals takes the first removals off the list. Another list than the one
// that began with them stays.
func (s Store) endRemovals(first string) error {
	list, err := s.removals()
	if err != nil {
		return err
	}
	rest, ok := strings.CutPrefix(list, first)
	switch {
	case !ok, first == "":
		return nil
	case rest == "":
		return missing(os.Remove(s.path(removedName)))
	}
	return s.put(removedName, []byte(rest))
}

func (s Store) removals() (string, error) {
	info, err := os.Stat(s.path(removedName))
	if err == nil && info.Size() > maxRemoved {
		return "", fmt.Errorf("the list of removed clients (%s) has %d bytes", s.path(removedName), info.Size())
	}
	text, err := os.ReadFile(s.path(removedName))
	if missing(err) != nil {
		return "", fmt.Errorf("read the list of removed clients: %w", err)
	}
	return string(text), nil
}

// The list has several writers: the daemon, and each command that removes a client. Each
// holds the folder for as long as it takes to write a file.
const (
	lockPatience = 5 * time.Second
	lockAgain    = 5 * time.Millisecond
)

// alone runs f while no other process of ours writes to the folder.
func (s Store) alone(f func() error) error {
	folder, err := os.Open(s.dir)
	if err != nil {
		return err
	}
	defer folder.Close() // ends the lock
	for deadline := time.Now().Add(lockPatience); ; time.Sleep(lockAgain) {
		held, err := lock(folder)
		switch {
		case err != nil:
			return err
		case held:
			return f()
		case time.Now().After(deadline):
			return fmt.Errorf("another process holds %s", s.dir)
		}
	}
}
