//go:build linux

package control

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func listenQuietly(path string) (*Server, error) {
	return Listen(path, &fake{}, nobody, slog.New(slog.DiscardHandler))
}

// umask sets the process's mask for one test.
func umask(t *testing.T, mask int) {
	t.Helper()
	old := unix.Umask(mask)
	t.Cleanup(func() { unix.Umask(old) })
}

func TestSocketIsForTheGroupUnderAnyMask(t *testing.T) {
	for _, mask := range []int{0o000, 0o022, 0o077} {
		path := filepath.Join(t.TempDir(), "run", "control.sock")
		umask(t, mask)
		s, err := listenQuietly(path)
		if err != nil {
			t.Fatal(err)
		}
		for p, want := range map[string]fs.FileMode{path: 0o660, filepath.Dir(path): 0o750} {
			info, err := os.Stat(p)
			if err != nil {
				t.Fatal(err)
			}
			if got := info.Mode().Perm(); got != want {
				t.Errorf("umask %#o: %s is %v, want %v", mask, p, got, want)
			}
		}
		s.Close()
	}
}

// Who connects between bind and chmod stays connected.
func TestSocketIsNeverForEverybody(t *testing.T) {
	umask(t, 0)
	path := filepath.Join(t.TempDir(), "control.sock")
	listener, err := bind(path)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("made with mode %v, %v", info.Mode().Perm(), err)
	}
}

// A folder that is there belongs to the administrator.
func TestFolderKeepsItsMode(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	s, err := listenQuietly(filepath.Join(dir, "control.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o711 {
		t.Errorf("now %v, %v", info.Mode().Perm(), err)
	}
}

// A living daemon may be too busy to accept: its socket is not a stale one.
func TestBusySocketIsNotStale(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.sock")
	listenRaw(t, path, unix.SOCK_STREAM)
	for range 10 { // until the backlog is full
		conn, err := net.Dial("unix", path)
		if errors.Is(err, syscall.EAGAIN) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	if _, err := net.Dial("unix", path); !errors.Is(err, syscall.EAGAIN) {
		t.Fatalf("the backlog is not full: %v", err)
	}
	refuses(t, path, "another sallyport")
}

func TestSocketOfAnotherKindIsNotStale(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.sock")
	listenRaw(t, path, unix.SOCK_DGRAM)
	refuses(t, path, path)
}

func TestSocketOfAnotherUserIsNotStale(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root may connect to any socket")
	}
	path := filepath.Join(t.TempDir(), "control.sock")
	leaveStale(t, path)
	if err := os.Chmod(path, 0); err != nil {
		t.Fatal(err)
	}
	refuses(t, path, "another user's")
}

// Daemons that start at the same time must not remove each other's sockets.
func TestOneOfManyStartsWins(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.sock")
	for range 20 {
		leaveStale(t, path)
		servers := make([]*Server, 8)
		var starts sync.WaitGroup
		for i := range servers {
			starts.Go(func() { servers[i], _ = listenQuietly(path) })
		}
		starts.Wait()
		won := 0
		for _, s := range servers {
			if s != nil {
				won++
				defer s.Close()
			}
		}
		if won != 1 {
			t.Fatalf("%d daemons have the socket", won)
		}
		conn, err := net.Dial("unix", path)
		if err != nil {
			t.Fatalf("the winner does not listen: %v", err)
		}
		conn.Close()
		for _, s := range servers {
			if s != nil {
				s.Close()
			}
		}
	}
}

func TestDeniedNamesTheGroup(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.sock")
	if err := os.WriteFile(path, nil, 0o660); err != nil {
		t.Fatal(err)
	}
	gid := os.Getgid()
	if os.Getuid() == 0 && os.Chown(path, -1, 65534) == nil {
		gid = 65534
	}
	want := strconv.Itoa(gid)
	if group, err := user.LookupGroupId(want); err == nil {
		want = group.Name
	}
	err := Dial(path).explain(&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.EACCES)})
	if hint := refusalHint(1000, groupOf(path)); gid != 0 && !strings.Contains(hint, strconv.Quote(want)) {
		t.Errorf("hint %q does not name the group %q", hint, want)
	}
	if hint := refusalHint(0, groupOf(path)); strings.Contains(hint, "run as root") {
		t.Errorf("root is advised to become root: %q", hint)
	}
	if err.(*unreachable).Hint() != refusalHint(os.Geteuid(), groupOf(path)) {
		t.Errorf("the hint is %q", err.(*unreachable).Hint())
	}
	if !errors.Is(err, fs.ErrPermission) || NotRunning(err) {
		t.Errorf("%v is not what it was", err)
	}
}

func TestCallerIsTheOneWhoAsks(t *testing.T) {
	var log logged
	path := filepath.Join(t.TempDir(), "control.sock")
	f := &fake{}
	runAt(t, path, f, slog.New(slog.NewTextHandler(&log, nil)))
	c := Dial(path)
	if _, err := c.Status(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.fail(&Error{Text: "there is no such door", Wrong: true})
	if _, err := c.Open(t.Context(), OpenRequest{Door: "x"}); err == nil {
		t.Fatal("nonsense was done")
	}
	if log.String() != "" {
		t.Errorf("a question, or nonsense, is in the log: %s", log.String())
	}
	f.fail(nil)
	if _, err := c.Open(t.Context(), OpenRequest{Door: "ssh"}); err != nil {
		t.Fatal(err)
	}
	uid, pid := "uid="+strconv.Itoa(os.Getuid()), "pid="+strconv.Itoa(os.Getpid())
	for _, want := range []string{"/open", uid, pid, "ssh"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %s in %s", want, log.String())
		}
	}
	f.fail(errors.New("the kernel said no"))
	if err := c.Reload(context.Background()); err == nil || !strings.Contains(log.String(), "the kernel said no") {
		t.Errorf("a failure is not in the log: %s (%v)", log.String(), err)
	}
}

// refuses shows that Listen fails, says why, and leaves the socket alone.
func refuses(t *testing.T, path, why string) {
	t.Helper()
	before, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	s, err := listenQuietly(path)
	if err == nil {
		s.Close()
		t.Fatal("taken over")
	}
	if !strings.Contains(err.Error(), why) {
		t.Errorf("%v does not say %q", err, why)
	}
	if h := (interface{ Hint() string })(nil); !errors.As(err, &h) || h.Hint() == "" {
		t.Errorf("%v has no hint", err)
	}
	if after, err := os.Lstat(path); err != nil || !os.SameFile(before, after) {
		t.Errorf("the socket is not what it was: %v", err)
	}
}

// listenRaw makes a socket that has room for hardly anybody.
func listenRaw(t *testing.T, path string, kind int) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		t.Fatal(err)
	}
	if kind == unix.SOCK_STREAM {
		if err := unix.Listen(fd, 0); err != nil {
			t.Fatal(err)
		}
	}
}

// leaveStale leaves the socket of a daemon that was killed.
func leaveStale(t *testing.T, path string) {
	t.Helper()
	os.Remove(path)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
}

// logged is a log that may be written and read at the same time.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
