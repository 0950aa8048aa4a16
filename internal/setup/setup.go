// Package setup makes a first configuration: it looks at the host, proposes what
// to guard, and writes the configuration, the server key, the empty stores and,
// where no package has brought it, the systemd unit. It closes nothing, never
// overwrites what is there, and leaves nothing behind if it fails. It asks
// nothing either: that is for whoever calls it, between Look and Write.
package setup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"sallyport/internal/config"
	"sallyport/internal/key"
)

// Where things are unless the user says otherwise.
const (
	DefaultConfig = config.DefaultPath
	DefaultState  = "/var/lib/sallyport"
	DefaultSocket = "/run/sallyport/control.sock"
)

// Setup is a configuration that is to be.
type Setup struct {
	Host
	Dir, State, Socket string // the folders, and the control socket
	Suite              key.Suite
	OpenFor            string
	Doors              []Door
	Sequences          bool     // each door has a sequence too
	Unit               bool     // make the systemd unit
	made               []string // folders and files, in the order of their making
}

// Config is where the configuration is going to be.
func (s *Setup) Config() string { return filepath.Join(s.Dir, filepath.Base(DefaultConfig)) }

func (s *Setup) keyPath() string { return filepath.Join(s.State, "server.key") }

// Clear makes the paths absolute, and returns an error if something would be
// overwritten.
func (s *Setup) Clear() error {
	for _, p := range []*string{&s.Dir, &s.State, &s.Socket} {
		absolute, err := filepath.Abs(*p)
		if err != nil {
			return fmt.Errorf("initialise: %w", err)
		}
		*p = absolute
	}
	for _, p := range []string{s.Config(), s.keyPath()} {
		if _, err := os.Lstat(p); !errors.Is(err, fs.ErrNotExist) {
			if err == nil {
				err = fmt.Errorf("%s is there already", p)
			}
			return &advised{err, "nothing was changed; move it away to start over"}
		}
	}
	return nil
}

// advised is an error with a remedy.
type advised struct {
	error
	hint string
}

// Hint returns the remedy.
func (a *advised) Hint() string  { return a.hint }
func (a *advised) Unwrap() error { return a.error }
