package journald

import (
	"errors"
	"fmt"
	"log/slog"
	"os"

	"golang.org/x/sys/unix"
)

// socketPath is where systemd-journald listens.
const socketPath = "/run/systemd/journal/socket"

// New returns a handler for a program whose standard error goes to the journal
// already, which stream, the value of JOURNAL_STREAM, tells ("device:inode").
// It reports false where that is not so, or nobody listens. The connection
// lasts as long as the program.
func New(stderr *os.File, stream string, other slog.Handler, level slog.Leveler) (*Handler, bool) {
	var stat unix.Stat_t
	if err := unix.Fstat(int(stderr.Fd()), &stat); err != nil || stream != fmt.Sprintf("%d:%d", stat.Dev, stat.Ino) {
		return nil, false
	}
	to, err := dial(socketPath)
	if err != nil {
		return nil, false
	}
	return newHandler(to, other, level), true
}

// socket is connected to the journal. It is no net.Conn, because that waits
// while the journal is busy.
type socket struct {
	fd   int
	path string
}

func dial(path string) (socket, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return socket{}, fmt.Errorf("make a socket for the journal: %w", err)
	}
	s := socket{fd, path}
	if err := s.connect(); err != nil {
		unix.Close(fd)
		return socket{}, err
	}
	return s, nil
}

func (s socket) connect() error {
	if err := unix.Connect(s.fd, &unix.SockaddrUnix{Name: s.path}); err != nil {
		return fmt.Errorf("connect to the journal at %s: %w", s.path, err)
	}
	return nil
}

func (s socket) send(p []byte) error {
	return unix.Send(s.fd, p, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
}

// Write sends a datagram, or returns an error at once. After the journal has
// been restarted it connects again.
func (s socket) Write(p []byte) (int, error) {
	err := s.send(p)
	if err != nil && !errors.Is(err, unix.EAGAIN) && s.connect() == nil {
		err = s.send(p)
	}
	if err != nil {
		return 0, fmt.Errorf("send to the journal: %w", err)
	}
	return len(p), nil
}
