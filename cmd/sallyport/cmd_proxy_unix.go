//go:build !windows

package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// passDescriptor hands a connection to the program at the other end of standard
// output, a socket, with one byte, as mm_receive_fd of OpenSSH takes it.
func passDescriptor(conn net.Conn) error {
	raw, ok := conn.(syscall.Conn)
	if !ok {
		return errors.New("hand the connection over: it is no socket")
	}
	control, err := raw.SyscallConn()
	if err != nil {
		return fmt.Errorf("hand the connection over: %w", err)
	}
	var failed error
	err = control.Control(func(fd uintptr) {
		failed = unix.Sendmsg(int(os.Stdout.Fd()), []byte{0}, unix.UnixRights(int(fd)), nil, 0)
	})
	if err = errors.Join(err, failed); err != nil {
		return hinted{fmt.Errorf("hand the connection over: %w", err), "--fdpass is for ssh with ProxyUseFdpass=yes"}
	}
	return nil
}
