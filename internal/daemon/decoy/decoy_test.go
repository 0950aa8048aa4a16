//go:build linux

package decoy

import (
	"context"
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
	type touch struct {
		from netip.Addr
		said Said
	}
	ctx, stop := context.WithCancel(t.Context())
	touched, done := make(chan touch, 10), make(chan struct{})
	go func() {
		defer close(done)
		Serve(ctx, l, func(a netip.Addr, s Said) { touched <- touch{a, s} })
	}()
	home := netip.MustParseAddr("127.0.0.1")
	at := netip.AddrPortFrom(home, l.Addr().(*net.TCPAddr).AddrPort().Port()).String()
	for _, c := range []struct {
		text string
		want Said
	}{{"", Nothing}, {"GET / HTTP/1.1\r\n", Browser}, {"SSH-2.0-x\r\n", Other}} {
		conn, err := net.Dial("tcp4", at)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write([]byte(c.text)); err != nil {
			t.Fatal(err)
		}
		if got := <-touched; got != (touch{home, c.want}) {
			t.Errorf("%q: %+v", c.text, got)
		}
		if n, err := conn.Read(make([]byte, 10)); n != 0 || err == nil {
			t.Errorf("the decoy said %d bytes, %v", n, err)
		}
		conn.Close()
	}
	waiting, err := net.Dial("tcp4", at) // must not keep the decoy from ending
	if err != nil {
		t.Fatal(err)
	}
	defer waiting.Close()
	stop()
	<-done
	if _, err := net.Dial("tcp", l.Addr().String()); err == nil {
		t.Error("it still listens")
	}
}

func TestFirstBytes(t *testing.T) {
	for _, c := range []struct {
		first string
		want  Said
	}{
		{"", Nothing}, {"GET / HTTP/1.1", Browser}, {"POST /a", Browser}, {"PRI * HTTP/2.0\r\n", Browser},
		{"\x16\x03\x01\x02\x00", Browser}, {"\x00\x68\x00\x01\x00\x54\x21\x12\xa4\x42", Browser},
		{"SSH-2.0-Go", Other}, {"\xff\xfb\x18", Other}, {"G", Other}, {"GETAWAY", Other}, {"\x03\x00\x00\x13\x0e\xe0", Other},
	} {
		if got := saidBy([]byte(c.first)); got != c.want {
			t.Errorf("%q: %d, want %d", c.first, got, c.want)
		}
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
