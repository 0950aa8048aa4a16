// Package inforce keeps on the disk what is in force: a copy of the files that
// the configuration was made of, how a trial of another one went, and, in a
// format that every later version reads, what the firewall closes. A daemon
// whose configuration cannot be read at its start runs the copy; if that cannot
// be read either, it closes what was closed. So a mistake never opens a door.
//
// All of it lies in one folder that does not depend on the configuration.
// Files are replaced as a whole or not at all, and survive the machine.
package inforce

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"sallyport/internal/atomicfile"
	"sallyport/internal/config"
	"sallyport/internal/strictjson"
)

const (
	recordName = "in-force.json"
	planName   = "in-force.closed"
)

// DefaultDir is where the daemon's own unit keeps things.
const DefaultDir = "/var/lib/sallyport"

// Store is the folder.
type Store struct{ dir string }

// Open names the folder: what systemd says by StateDirectory=, else
// /var/lib/sallyport. It touches nothing.
func Open(getenv func(string) string) Store {
	dir, _, _ := strings.Cut(getenv("STATE_DIRECTORY"), ":")
	if !filepath.IsAbs(dir) {
		dir = DefaultDir
	}
	return Store{dir}
}

// Dir returns the folder.
func (s Store) Dir() string { return s.dir }

func (s Store) path(name string) string { return filepath.Join(s.dir, name) }

// Read returns nil if nothing has ever been in force.
func (s Store) Read() (*Record, error) {
	text, err := os.ReadFile(s.path(recordName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var r Record
	if err == nil {
		err = strictjson.Lenient(text, &r)
	}
	if err != nil {
		return nil, fmt.Errorf("read the copy of what is in force (%s): %w", s.path(recordName), err)
	}
	return &r, nil
}

// Write replaces the record: a trial begins, or is over.
func (s Store) Write(r *Record) error {
	text, err := json.Marshal(r)
	if err == nil {
		err = s.put(recordName, text)
	}
	if err != nil {
		return fmt.Errorf("keep a copy of what is in force: %w", err)
	}
	return nil
}

// Keep writes down that a configuration, made of these files, is in force for
// good. Removals that were written down before they were read end: what the
// files hold of those clients has come after. Later ones stay.
func (s Store) Keep(cfg *config.Config, files Files, now time.Time) (*Record, error) {
	r := &Record{Path: cfg.Path, Good: files.Snapshot, Since: now.Round(0)}
	if err := s.put(planName, planOf(cfg)); err != nil {
		return r, fmt.Errorf("keep what is closed: %w", err)
	}
	err := s.alone(func() error {
		return errors.Join(s.Write(r), s.endRemovals(files.removed))
	})
	return r, err
}

// LastGood makes the configuration that was in force again. Of its clients
// count only those whose file still exists, and who have not been removed.
func (s Store) LastGood(r *Record) (*config.Config, error) {
	cfg, err := r.Good.Remake(r.Path)
	if err != nil {
		return nil, err
	}
	cfg.Clients = slices.DeleteFunc(cfg.Clients, func(c config.Client) bool {
		_, err := os.Lstat(c.Place.File)
		return err != nil
	})
	return s.Without(cfg)
}

// Closed makes a configuration that closes what was closed, and lets in nobody
// but trusted sources. path is that of the configuration that cannot be read.
func (s Store) Closed(path string) (*config.Config, error) {
	text, err := os.ReadFile(s.path(planName))
	if err != nil {
		return nil, fmt.Errorf("read what was closed: %w", err)
	}
	cfg, err := readPlan(text, s.dir)
	if err == nil {
		cfg.Path = path
	}
	return cfg, err
}

// Socket returns the control socket of the daemon whose configuration is, or
// was, at path; "" if that is not known. It is for when the file cannot say.
func (s Store) Socket(path string) string {
	text, err := os.ReadFile(s.path(planName))
	if err != nil {
		return ""
	}
	cfg, err := readPlan(text, s.dir)
	if err != nil || cfg.Path != path {
		return ""
	}
	return cfg.Daemon.Socket
}

// Forget removes everything: the next start knows of nothing before it.
func (s Store) Forget() error {
	err := s.alone(func() error {
		var errs []error
		for _, name := range []string{planName, recordName, removedName} {
			errs = append(errs, missing(os.Remove(s.path(name))))
		}
		return errors.Join(errs...)
	})
	if missing(err) != nil {
		return fmt.Errorf("forget what was in force: %w", err)
	}
	return nil
}

// missing is no error.
func missing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// put replaces a file. What root writes belongs to the owner of the folder: the
// daemon, which is not root, must be able to read it.
func (s Store) put(name string, text []byte) error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	var o atomicfile.Options
	if os.Geteuid() == 0 {
		folder, err := os.Stat(s.dir)
		if err != nil {
			return err
		}
		o.Like = folder
	}
	return atomicfile.Replace(s.path(name), text, o)
}
