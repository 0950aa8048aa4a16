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
	"unsafe"

	"golang.org/x/sys/unix"

	"sallyport/internal/account"
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

// Caller is who is at the other end, as the kernel knows it (SO_PEERCRED and
// SO_PEERGROUPS, unix(7)).
type Caller struct {
	UID    uint32
	PID    int32
	Groups []uint32 // all of them
}

// callerKey is the key of a connection's caller in its context.
type callerKey struct{}

// UserName names a user of this host.
func UserName(uid uint32) string {
	name := account.Name(uid)
	if name == strconv.FormatUint(uint64(uid), 10) {
		return "uid " + name
	}
	return name
}

func rememberCaller(ctx context.Context, conn net.Conn) context.Context {
	if guest, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = guest.NetConn()
	}
	local, ok := conn.(*net.UnixConn)
	if !ok {
		return ctx
	}
	if c, ok := CallerAt(local); ok {
		return context.WithValue(ctx, callerKey{}, c)
	}
	return ctx
}

// CallerAt asks the kernel who is at the other end.
func CallerAt(conn *net.UnixConn) (c Caller, ok bool) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return c, false
	}
	var cred *unix.Ucred
	if raw.Control(func(fd uintptr) {
		if cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
			c.Groups = append(peerGroups(fd), cred.Gid)
		}
	}) != nil || err != nil {
		return c, false
	}
	c.UID, c.PID = cred.Uid, cred.Pid
	return c, true
}

// maxGroups is NGROUPS_MAX (include/uapi/linux/limits.h).
const maxGroups = 65_536

// peerGroups returns the supplementary groups of the process at the other end: none
// before Linux 4.13.
func peerGroups(fd uintptr) []uint32 {
	for n := 64; n <= maxGroups; n *= 32 {
		groups := make([]uint32, n)
		size := uint32(n * 4)
		_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_PEERGROUPS,
			uintptr(unsafe.Pointer(&groups[0])), uintptr(unsafe.Pointer(&size)), 0)
		if errno == 0 {
			return groups[:size/4]
		}
		if errno != unix.ERANGE {
			return nil
		}
	}
	return nil
}

func callerOf(ctx context.Context) (Caller, bool) {
	c, ok := ctx.Value(callerKey{}).(Caller)
	return c, ok
}

// socketGroup returns the group whose members may use a socket by its mode.
func socketGroup(path string) (uint32, bool) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, false
	}
	s, ok := info.Sys().(*syscall.Stat_t)
	return s.Gid, ok
}
