//go:build unix

package sender

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	errNetUnreachable  = unix.ENETUNREACH
	errHostUnreachable = unix.EHOSTUNREACH
	errNotPermitted    = unix.EPERM
	errNoAccess        = unix.EACCES
	errNoAddress       = unix.EADDRNOTAVAIL
)

// sendSYN begins a connection and gives it up. The SYN leaves within connect;
// closing the socket then forgets it, so that it is not sent again.
func sendSYN(source netip.Addr, to netip.AddrPort) error {
	family, sockaddr, err := sockaddrOf(to)
	if err != nil {
		return err
	}
	_, from, err := sockaddrOf(netip.AddrPortFrom(source, 0))
	if err != nil {
		return err
	}
	fd, err := socket(family)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	if err := unix.SetNonblock(fd, true); err != nil {
		return os.NewSyscallError("set nonblocking", err)
	}
	if err := unix.Bind(fd, from); err != nil {
		return os.NewSyscallError("bind", err)
	}
	err = unix.Connect(fd, sockaddr)
	switch {
	case err == nil, // the peer is this host, and has answered already
		errors.Is(err, unix.EINPROGRESS),
		errors.Is(err, unix.EINTR),
		errors.Is(err, unix.ECONNREFUSED): // likewise: the port is closed
		return nil
	}
	return os.NewSyscallError("connect", err)
}

// socket makes a TCP socket that programs started meanwhile do not inherit.
func socket(family int) (int, error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	fd, err := unix.Socket(family, unix.SOCK_STREAM, unix.IPPROTO_TCP)
	if err == nil {
		unix.CloseOnExec(fd)
	}
	return fd, err
}

func sockaddrOf(to netip.AddrPort) (family int, sockaddr unix.Sockaddr, err error) {
	if to.Addr().Is4() {
		return unix.AF_INET, &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}, nil
	}
	zone, err := zoneIndex(to.Addr().Zone())
	if err != nil {
		return 0, nil, fmt.Errorf("zone of %s: %w", to.Addr(), err)
	}
	return unix.AF_INET6, &unix.SockaddrInet6{Port: int(to.Port()), Addr: to.Addr().As16(), ZoneId: zone}, nil
}
