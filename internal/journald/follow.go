package journald

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// every is how often the journal is looked at.
const every = 500 * time.Millisecond

// Entry is what someone has logged.
type Entry struct {
	UID        string // of the process, as the kernel has told the journal: nobody can claim another's
	Identifier string // as the process calls itself
	Message    string
}

// Where journald keeps its files: with Storage=persistent, and else.
var homes = []string{"/var/log/journal", "/run/log/journal"}

// Follow calls put for every entry that is added to the journal of this host,
// until the context ends. It begins at its end, and goes on with the next file
// when journald begins one. A journal that is not there is waited for; troubled
// is called with the reason once, and again after it has been read in between.
//
// Read are the system's own files, which hold what services log, and not those
// of users.
func Follow(ctx context.Context, put func(Entry), troubled func(error)) {
	f := follower{where: here, put: put}
	defer f.close()
	tick := time.NewTicker(every)
	defer tick.Stop()
	var told string
	for {
		err := f.advance(ctx)
		switch {
		case err == nil:
			told = ""
		case err.Error() != told:
			told = err.Error()
			troubled(explained(err))
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// explained says what was to be done, and who may do it.
func explained(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("read the journal of systemd, as group systemd-journal may: %w", err)
	}
	return fmt.Errorf("read the journal of systemd: %w", err)
}

// here returns the file that journald writes to now.
func here() (string, error) {
	id, err := os.ReadFile("/etc/machine-id")
	if err != nil {
		return "", err
	}
	var first error
	for _, home := range homes {
		path := filepath.Join(home, strings.TrimSpace(string(id)), "system.journal")
		_, err := os.Stat(path)
		if err == nil {
			return path, nil
		}
		if first == nil || !errors.Is(err, fs.ErrNotExist) {
			first = err
		}
	}
	return "", first
}

type follower struct {
	where func() (string, error)
	put   func(Entry)

	path    string // of the file that was read last
	open    *os.File
	journal *file
}

func (f *follower) close() {
	if f.open != nil {
		f.open.Close()
		f.open, f.journal = nil, nil
	}
}

// advance reads what is new, and changes over to another file if there is one.
func (f *follower) advance(ctx context.Context) error {
	path, err := f.where()
	if f.open != nil && errors.Is(err, fs.ErrNotExist) {
		path, err = f.path, nil // between two files
	}
	if err != nil {
		return err
	}
	renewed := f.renewed(path) // before the last of it is read
	if f.open != nil {
		if err := f.read(ctx); err != nil {
			f.close()
			f.path = "" // do not read all of it again
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	if !renewed {
		return nil
	}
	f.close()
	if err := f.begin(path); err != nil {
		f.close()
		return err
	}
	return f.read(ctx)
}

// renewed reports whether the file at a path is not the one that is open.
func (f *follower) renewed(path string) bool {
	if f.open == nil {
		return true
	}
	there, err := os.Stat(path)
	if err != nil {
		return false
	}
	open, err := f.open.Stat()
	return err != nil || !os.SameFile(open, there)
}

// begin opens a file. One that has taken the place of another is read from its
// beginning. In another place there is a copy of what was read already.
func (f *follower) begin(path string) (err error) {
	if f.open, err = os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0); err != nil {
		return err
	}
	if f.journal, err = openFile(f.open); err == nil && path != f.path {
		err = f.journal.skip()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	f.path = path
	return nil
}

func (f *follower) read(ctx context.Context) error {
	for ctx.Err() == nil {
		var e Entry
		if more, err := f.journal.next(e.take); err != nil || !more {
			return err
		}
		f.put(e)
	}
	return nil
}

// take takes one field; the first of a name counts.
func (e *Entry) take(field []byte) {
	name, value, _ := bytes.Cut(field, []byte("="))
	to := (*string)(nil)
	switch string(name) {
	case "_UID":
		to = &e.UID
	case "SYSLOG_IDENTIFIER":
		to = &e.Identifier
	case "MESSAGE":
		to = &e.Message
	}
	if to != nil && *to == "" {
		*to = string(value)
	}
}
