//go:build linux

// Package decoy listens on ports where nobody honest has business, and tells
// who connects. A connection that it accepts has completed the TCP handshake,
// which nobody can do in another's name without being on the way there: the
// source is true. Nothing is ever sent, and nothing is read.
package decoy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"sallyport/internal/packet"
)

// pause is how long the listener rests when it cannot accept: too many open
// files, for instance.
const pause = 100 * time.Millisecond

// Listen listens on a TCP port of every address of the host. It listens to TCP
// alone: a socket for Multipath TCP, which Go makes otherwise, has no option for TCP
// Fast Open before Linux 6.2, and its answers show that no ordinary service is there.
func Listen(port packet.Port) (net.Listener, error) {
	var config net.ListenConfig
	config.SetMultipathTCP(false)
	l, err := config.Listen(context.Background(), "tcp", fmt.Sprintf(":%d", port.Number))
	if err == nil {
		if err = handshakeFirst(l); err != nil {
			l.Close()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("listen as a decoy on %s: %w", port, err)
	}
	return l, nil
}

// Serve calls touched for every connection, until the context ends, and closes
// the listener.
func Serve(ctx context.Context, l net.Listener, touched func(netip.Addr)) {
	defer l.Close()
	defer context.AfterFunc(ctx, func() { l.Close() })()
	for {
		conn, err := l.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			select {
			case <-ctx.Done():
			case <-time.After(pause):
			}
			continue
		}
		from, ok := conn.RemoteAddr().(*net.TCPAddr)
		conn.Close()
		if ok {
			touched(from.AddrPort().Addr().Unmap().WithZone(""))
		}
	}
}
