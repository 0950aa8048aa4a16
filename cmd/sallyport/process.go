//go:build linux && !client_only

package main

import (
	"context"
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// process is one that is no child, by a descriptor: its number may be another's
// by the time that it has ended. See pidfd_open(2).
type process struct {
	fd int // -1: it has ended
}

// openProcess opens one. 0 is one that this PID namespace does not see: it cannot
// be waited for.
func openProcess(pid int) (process, error) {
	if pid == 0 {
		return process{-1}, nil
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return process{-1}, nil
	}
	return process{fd}, os.NewSyscallError("pidfd_open", err)
}

func (p process) close() {
	if p.fd >= 0 {
		unix.Close(p.fd)
	}
}

// await waits until it has ended: what it owned in the kernel is nobody's then.
func (p process) await(ctx context.Context) error {
	for p.fd >= 0 && ctx.Err() == nil {
		const milliseconds = 100
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(p.fd), Events: unix.POLLIN}}, milliseconds)
		if n > 0 {
			return nil
		}
		if err != nil && !errors.Is(err, unix.EINTR) {
			return os.NewSyscallError("poll", err)
		}
	}
	return ctx.Err()
}
