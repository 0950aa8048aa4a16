package client

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// dontFragment has the path's packet size found out rather than a message
// fragmented: a server takes no fragments. What routers say of it is reported
// and not obeyed (ip(7), IP_PMTUDISC_PROBE): a forged "fragmentation needed"
// would keep every further message in.
func dontFragment(network, _ string, conn syscall.RawConn) error {
	return conn.Control(func(fd uintptr) {
		if network == "udp6" {
			unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_PROBE)
		} else {
			unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_PROBE)
		}
	})
}

func isRefused(err error) bool { return errors.Is(err, unix.ECONNREFUSED) }

func isTooLarge(err error) bool { return errors.Is(err, unix.EMSGSIZE) }
