//go:build !linux

package control

import (
	"context"
	"errors"
	"io"
	"net"
	"syscall"
)

// The daemon runs on Linux only.

// Caller is who is at the other end.
type Caller struct {
	UID    uint32
	PID    int32
	Groups []uint32
}

func lock(string) (io.Closer, error)                                 { return nil, errors.ErrUnsupported }
func makePrivate(_, _ string, _ syscall.RawConn) error               { return errors.ErrUnsupported }
func groupOf(string) string                                          { return "" }
func rememberCaller(ctx context.Context, _ net.Conn) context.Context { return ctx }
func callerOf(context.Context) (Caller, bool)                        { return Caller{}, false }
func socketGroup(string) (uint32, bool)                              { return 0, false }

// UserName names a user of this host.
func UserName(uint32) string { return "" }

// CallerAt cannot be asked for here.
func CallerAt(*net.UnixConn) (Caller, bool) { return Caller{}, false }
