package control

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
)

const (
	folderMode fs.FileMode = 0o750
	socketMode fs.FileMode = 0o660
	openMode   fs.FileMode = 0o666 // where users have rights of their own
)

// possess makes the socket at path, or fails and leaves there what there was.
// The folder is locked meanwhile: without that, each of two daemons that start
// together could take the other's new socket for a stale one, because nobody
// answers between bind and listen.
func possess(path string) (*net.UnixListener, error) {
	dir := filepath.Dir(path)
	if err := makeFolder(dir); err != nil {
		return nil, err
	}
	held, err := lock(dir)
	if err != nil {
		return nil, err
	}
	listener, err := listen(path)
	return listener, errors.Join(err, held.Close())
}

func listen(path string) (*net.UnixListener, error) {
	if err := removeStale(path); err != nil {
		return nil, err
	}
	listener, err := bind(path)
	if err != nil {
		return nil, err
	}
	// The umask has taken bits away.
	if err := os.Chmod(path, socketMode); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return listener, nil
}

// makeFolder makes a folder that the socket's group can enter, whatever the
// umask is. A folder that is there stays as it is.
func makeFolder(dir string) error {
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(dir, folderMode); err != nil {
		return err
	}
	return os.Chmod(dir, folderMode)
}

// bind listens on a socket that is never, not for a moment, open to everybody.
func bind(path string) (*net.UnixListener, error) {
	config := net.ListenConfig{Control: makePrivate}
	listener, err := config.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, err
	}
	return listener.(*net.UnixListener), nil
}

// removeStale removes a socket on which nobody listens. Only a refused
// connection shows that: a living daemon whose backlog is full, or another
// program's socket of another kind, fails in other ways.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return &Error{Text: path + " exists and is no socket", Remedy: elsewhere}
	}
	conn, err := net.DialTimeout("unix", path, patience)
	switch {
	case err == nil:
		conn.Close()
		return running("it answers on " + path)
	case errors.Is(err, syscall.EAGAIN):
		return running("it is busy on " + path)
	case errors.Is(err, syscall.ECONNREFUSED):
		return os.Remove(path)
	case errors.Is(err, fs.ErrPermission):
		return &Error{Text: path + " is another user's socket", Remedy: "if no other sallyport is running, remove it"}
	}
	return &Error{Text: fmt.Sprintf("%s is not a daemon's socket: %v", path, err), Remedy: elsewhere}
}

// elsewhere is what to do about something that is in the way.
const elsewhere = "move it away, or set another [daemon] socket"

func running(evidence string) error {
	return &Error{Text: "another sallyport is running: " + evidence, Remedy: "stop it first, or use sallyport reload"}
}
