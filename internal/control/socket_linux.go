package control

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// lock holds a folder for this process until it is closed. It leaves no file
// that another user's daemon could stumble over.
func lock(dir string) (io.Closer, error) {
	f, err := os.OpenFile(dir, os.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, running("it is starting, and holds " + dir)
		}
		return nil, os.NewSyscallError("flock "+dir, err)
	}
	return f, nil
}

// makePrivate gives a socket its mode before it has a name: bind takes the mode
// of the file from that of the socket, less the umask (unix_bind_bsd in the
// kernel's net/unix/af_unix.c).
func makePrivate(_, _ string, conn syscall.RawConn) error {
	var chmod error
	err := conn.Control(func(fd uintptr) { chmod = unix.Fchmod(int(fd), uint32(socketMode)) })
	return errors.Join(err, os.NewSyscallError("fchmod", chmod))
}

// groupOf returns the name of the group that may use the socket, as far as it
// can be seen: where the folder is closed to us, the folder's group decides.
func groupOf(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		info, err = os.Stat(filepath.Dir(path))
	}
	if err != nil {
		return ""
	}
	id := strconv.FormatUint(uint64(info.Sys().(*syscall.Stat_t).Gid), 10)
	if group, err := user.LookupGroupId(id); err == nil {
		return group.Name
	}
	return id
}

// caller is who is at the other end, as the kernel knows it (SO_PEERCRED, unix(7)).
type caller struct {
	uid uint32
	pid int32
}

// callerKey is the key of a connection's caller in its context.
type callerKey struct{}

// ofCaller is a context that lasts as work does, and knows who asks in the context
// of a request.
func ofCaller(work, request context.Context) context.Context {
	if c, ok := callerOf(request); ok {
		return context.WithValue(work, callerKey{}, c)
	}
	return work
}

// Asker names the user who asks, within a Handler: "root", or "uid 1000" where the
// user has no name; "another system" by the API.
func Asker(ctx context.Context) string {
	c, ok := callerOf(ctx)
	if !ok {
		return "another system"
	}
	return UserName(c.uid)
}

// UserName names a user of this host.
func UserName(uid uint32) string {
	id := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return "uid " + id
}

func rememberCaller(ctx context.Context, conn net.Conn) context.Context {
	local, ok := conn.(*net.UnixConn)
	if !ok {
		return ctx
	}
	raw, err := local.SyscallConn()
	if err != nil {
		return ctx
	}
	var c *unix.Ucred
	if raw.Control(func(fd uintptr) { c, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }) != nil || err != nil {
		return ctx
	}
	return context.WithValue(ctx, callerKey{}, caller{c.Uid, c.Pid})
}

func callerOf(ctx context.Context) (caller, bool) {
	c, ok := ctx.Value(callerKey{}).(caller)
	return c, ok
}
