package client

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// dontFragment has the path's packet size found out rather than a message
// fragmented: a server takes no fragments.
func dontFragment(network, _ string, conn syscall.RawConn) error {
	return conn.Control(func(fd uintptr) {
		if network == "udp6" {
			unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_DONTFRAG, 1)
		} else {
			unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_DONTFRAG, 1)
		}
	})
}

func isRefused(err error) bool { return errors.Is(err, unix.ECONNREFUSED) }

func isTooLarge(err error) bool { return errors.Is(err, unix.EMSGSIZE) }
