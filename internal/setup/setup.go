// Package setup makes a first configuration: it looks at the host, proposes what
// to guard, and writes the configuration, the server key, the empty stores and,
// where no package has brought it, the systemd unit. It closes nothing, never
// overwrites what is there, and leaves nothing behind if it fails. It asks
// nothing either: that is for the caller, between Look and Write.
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
	Unit               bool     // make the systemd units
	Console            bool     // let the console ask the daemon, and act
	KeyKept            bool     // there is a server key already, which stays as it is
	made               []string // folders and files, in the order of their making
}

// Config is where the configuration is going to be.
func (s *Setup) Config() string { return filepath.Join(s.Dir, filepath.Base(DefaultConfig)) }

// KeyPath is where the server key is.
func (s *Setup) KeyPath() string { return filepath.Join(s.State, "server.key") }

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
	switch _, err := os.Lstat(s.Config()); {
	case err == nil:
		return &advised{fmt.Errorf("%s is there already", s.Config()), "nothing was changed; sallyport config edit changes it, or move it away to start over"}
	case !errors.Is(err, fs.ErrNotExist):
		return failed(err)
	}
	switch _, err := os.Lstat(s.KeyPath()); {
	case err == nil:
		s.KeyKept = true
	case !errors.Is(err, fs.ErrNotExist):
		return failed(err)
	}
	return nil
}

// failed says what to do about a place that cannot be looked at. What helps against a
// refusal depends on the user: that is for the caller.
func failed(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("nothing was changed: %w", err)
	}
	return &advised{err, "nothing was changed; name another place with --dir and --state"}
}

// advised is an error with a remedy.
type advised struct {
	error
	hint string
}

// Hint returns the remedy.
func (a *advised) Hint() string  { return a.hint }
func (a *advised) Unwrap() error { return a.error }
