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

type caller struct {
	uid uint32
	pid int32
}

func lock(string) (io.Closer, error)                                 { return nil, errors.ErrUnsupported }
func makePrivate(_, _ string, _ syscall.RawConn) error               { return errors.ErrUnsupported }
func ofCaller(work, _ context.Context) context.Context               { return work }
func groupOf(string) string                                          { return "" }
func rememberCaller(ctx context.Context, _ net.Conn) context.Context { return ctx }
func callerOf(context.Context) (caller, bool)                        { return caller{}, false }
