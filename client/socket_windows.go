package client

import (
	"errors"
	"syscall"

	"golang.org/x/sys/windows"
)

// Options of ws2ipdef.h, which have the same number for both families.
const (
	ipDontFragment   = 14
	ipv6DontFragment = 14
)

// dontFragment has the path's packet size found out rather than a message
// fragmented: a server takes no fragments.
func dontFragment(network, _ string, conn syscall.RawConn) error {
	return conn.Control(func(fd uintptr) {
		if network == "udp6" {
			windows.SetsockoptInt(windows.Handle(fd), windows.IPPROTO_IPV6, ipv6DontFragment, 1)
		} else {
			windows.SetsockoptInt(windows.Handle(fd), windows.IPPROTO_IP, ipDontFragment, 1)
		}
	})
}

func isRefused(err error) bool { return errors.Is(err, windows.WSAECONNRESET) }

func isTooLarge(err error) bool { return errors.Is(err, windows.WSAEMSGSIZE) }
