package decoy

import (
	"net"

	"golang.org/x/sys/unix"
)

// handshakeFirst turns off TCP Fast Open, which hands over a connection before
// the handshake is complete (RFC 7413; the sysctl net.ipv4.tcp_fastopen can
// turn it on for every listener, and without a cookie).
func handshakeFirst(l net.Listener) error {
	raw, err := l.(*net.TCPListener).SyscallConn()
	if err != nil {
		return err
	}
	var set error
	if err := raw.Control(func(fd uintptr) { set = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_FASTOPEN, 0) }); err != nil {
		return err
	}
	return set
}
