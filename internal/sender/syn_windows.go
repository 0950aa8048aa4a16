package sender

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"unsafe"

	"golang.org/x/sys/windows"
)

const (
	errNetUnreachable  = windows.WSAENETUNREACH
	errHostUnreachable = windows.WSAEHOSTUNREACH
	errNotPermitted    = windows.WSAEACCES
	errNoAccess        = windows.ERROR_ACCESS_DENIED
	errNoAddress       = windows.WSAEADDRNOTAVAIL
)

// fionbio is FIONBIO of winsock2.h: set a socket non-blocking.
const fionbio = 0x8004667e

// sendSYN begins a connection and gives it up. The SYN leaves within connect;
// closing the socket then forgets it, so that it is not sent again, neither
// for want of an answer nor, as Windows does, after a refusal.
func sendSYN(source netip.Addr, to netip.AddrPort) error {
	family, sockaddr, err := sockaddrOf(to)
	if err != nil {
		return err
	}
	_, from, err := sockaddrOf(netip.AddrPortFrom(source, 0))
	if err != nil {
		return err
	}
	const flags = windows.WSA_FLAG_OVERLAPPED | windows.WSA_FLAG_NO_HANDLE_INHERIT
	s, err := windows.WSASocket(family, windows.SOCK_STREAM, windows.IPPROTO_TCP, nil, 0, flags)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer windows.Closesocket(s)
	on, returned := uint32(1), uint32(0)
	err = windows.WSAIoctl(s, fionbio, (*byte)(unsafe.Pointer(&on)), uint32(unsafe.Sizeof(on)), nil, 0, &returned, nil, 0)
	if err != nil {
		return os.NewSyscallError("set nonblocking", err)
	}
	if err := windows.Bind(s, from); err != nil {
		return os.NewSyscallError("bind", err)
	}
	err = windows.Connect(s, sockaddr)
	if err == nil || errors.Is(err, windows.WSAEWOULDBLOCK) || errors.Is(err, windows.WSAECONNREFUSED) {
		return nil
	}
	return os.NewSyscallError("connect", err)
}

func sockaddrOf(to netip.AddrPort) (family int32, sockaddr windows.Sockaddr, err error) {
	if to.Addr().Is4() {
		return windows.AF_INET, &windows.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}, nil
	}
	zone, err := zoneIndex(to.Addr().Zone())
	if err != nil {
		return 0, nil, fmt.Errorf("zone of %s: %w", to.Addr(), err)
	}
	return windows.AF_INET6, &windows.SockaddrInet6{Port: int(to.Port()), Addr: to.Addr().As16(), ZoneId: zone}, nil
}
