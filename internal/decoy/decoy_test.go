//go:build linux

package decoy

import (
	"context"
	"io"
	"net"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"sallyport/internal/packet"
)

func TestDecoy(t *testing.T) {
	l, err := Listen(packet.Port{Proto: packet.TCP})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	touched, done := make(chan netip.Addr, 10), make(chan struct{})
	go func() {
		defer close(done)
		Serve(ctx, l, func(a netip.Addr) { touched <- a })
	}()
	for range 3 {
		conn, err := net.Dial("tcp4", netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), l.Addr().(*net.TCPAddr).AddrPort().Port()).String())
		if err != nil {
			t.Fatal(err)
		}
		if a := <-touched; a.String() != "127.0.0.1" {
			t.Errorf("touched by %s", a)
		}
		if n, err := conn.Read(make([]byte, 10)); n != 0 || err != io.EOF {
			t.Errorf("the decoy said %d bytes, %v", n, err)
		}
		conn.Close()
	}
	stop()
	<-done
	if _, err := net.Dial("tcp", l.Addr().String()); err == nil {
		t.Error("it still listens")
	}
}

// Before Linux 6.2 a socket for Multipath TCP cannot be a decoy.
func TestPlainTCP(t *testing.T) {
	l, err := Listen(packet.Port{Proto: packet.TCP})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	raw, err := l.(*net.TCPListener).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var protocol int
	var failed error
	if err := raw.Control(func(fd uintptr) { protocol, failed = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PROTOCOL) }); err != nil || failed != nil {
		t.Fatal(err, failed)
	}
	if protocol != unix.IPPROTO_TCP {
		t.Errorf("listens for protocol %d", protocol)
	}
}

func TestPortInUse(t *testing.T) {
	l, err := Listen(packet.Port{Proto: packet.TCP})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if again, err := Listen(packet.Port{Proto: packet.TCP, Number: l.Addr().(*net.TCPAddr).AddrPort().Port()}); err == nil {
		again.Close()
		t.Error("no error")
	}
}
