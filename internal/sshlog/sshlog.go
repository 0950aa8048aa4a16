// Package sshlog follows the file that sshd's lines go to, and reports who logs
// in and who fails to.
//
// It understands what OpenSSH writes, by whatever syslog daemon, and nothing else:
// lines of other programs, and everything that does not look exactly as sshd
// would write it, are passed over. A user name is whatever an attacker types; it
// can look like the rest of a line, and must not pass for it.
//
// Where sshd's lines are in the journal of systemd instead, another reads that,
// and Said takes them.
package sshlog

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"sallyport/internal/event"
)

const (
	// every is how often the file is looked at.
	every = 500 * time.Millisecond

	// maxLine is what is kept of a line; no line of sshd's is as long.
	maxLine = 4096
)

// Follow calls put for every login at the end of the file, until the context
// ends. It begins at the file's end, and goes on with its successor when it is
// rotated. A file that is not there is waited for; troubled is called with the
// reason once, and again after it has been read in between.
func Follow(ctx context.Context, path string, put func(event.Event), troubled func(error)) {
	f := follower{path: path, put: put}
	defer f.close()
	tick := time.NewTicker(every)
	defer tick.Stop()
	var told string
	for atEnd := true; ; atEnd = false {
		err := f.advance(atEnd)
		switch {
		case err == nil:
			told = ""
		case err.Error() != told:
			told = err.Error()
			troubled(fmt.Errorf("follow sshd's log: %w", err))
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

type follower struct {
	path string
	put  func(event.Event)
	file *os.File // nil: not open
	in   *bufio.Reader
	line []byte // the beginning of one that has not ended yet
	long bool   // the rest of a line that is too long is skipped
}

// advance reads what is new, and changes over to another file if there is one.
func (f *follower) advance(atEnd bool) error {
	if f.file == nil {
		if err := f.open(atEnd); err != nil {
			return err
		}
	}
	if err := f.read(); err != nil {
		f.close()
		return err
	}
	same, err := f.isCurrent()
	if err != nil || same {
		return err
	}
	f.close()
	if err := f.open(false); err != nil {
		return err
	}
	return f.read()
}

// open opens the file without waiting: it could be a named pipe.
func (f *follower) open(atEnd bool) error {
	file, err := os.OpenFile(f.path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", f.path)
	}
	if err == nil && atEnd {
		_, err = file.Seek(0, io.SeekEnd)
	}
	if err != nil {
		file.Close()
		return err
	}
	f.file, f.in, f.line, f.long = file, bufio.NewReader(file), nil, false
	return nil
}

func (f *follower) close() {
	if f.file != nil {
		f.file.Close()
		f.file = nil
	}
}

// isCurrent reports whether the open file is still the one at the path, and has
// not been emptied.
func (f *follower) isCurrent() (bool, error) {
	open, err := f.file.Stat()
	if err != nil {
		return false, err
	}
	there, err := os.Stat(f.path)
	if errors.Is(err, os.ErrNotExist) {
		return true, nil // between two files
	}
	if err != nil {
		return false, err
	}
	at, err := f.file.Seek(0, io.SeekCurrent)
	return os.SameFile(open, there) && at <= there.Size(), err
}

// read takes in the lines that are there.
func (f *follower) read() error {
	for {
		part, err := f.in.ReadSlice('\n')
		f.take(part)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil && !errors.Is(err, bufio.ErrBufferFull):
			return err
		}
	}
}

// take takes a part of a line, or its end.
func (f *follower) take(part []byte) {
	ended := len(part) > 0 && part[len(part)-1] == '\n'
	if ended {
		part = part[:len(part)-1]
	}
	f.long = f.long || len(f.line)+len(part) > maxLine
	if !f.long {
		f.line = append(f.line, part...)
	}
	if !ended {
		return
	}
	if !f.long {
		if l, ok := parseLine(string(f.line)); ok {
			f.put(l.event(time.Now()))
		}
	}
	f.line, f.long = f.line[:0], false
}
