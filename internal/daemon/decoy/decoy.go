//go:build linux

// Package decoy listens on ports where nobody honest has business, and reports
// who connects. A connection that it accepts has completed the TCP handshake,
// which nobody can do in another's name without being on the way there: the
// source is true. Whether its owner meant to connect is another question: a
// browser connects wherever a page says, and then speaks at once. So the first
// bytes are looked at. Nothing is ever sent.
package decoy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"sallyport/internal/packet"
)

// pause is how long the listener rests when it cannot accept: too many open
// files, for instance.
const pause = 100 * time.Millisecond

const (
	// patience is how long a connection may take to say something. Browsers do
	// so at once; what says nothing for so long looks for what the port says.
	patience = 3 * time.Second
)

// AtOnce is how many connections of one decoy are listened to at a time. Beyond
// that they are closed, and count as nothing: nobody is held to be what he is not.
const AtOnce = 64

// Said is what a connection has said first.
type Said uint8

// What connections say.
const (
	Nothing Said = iota // until it was closed, or for a while
	Browser             // what a browser says: HTTP, TLS or STUN
	Other
)

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

// Serve calls touched for every connection, several at a time, until the context
// ends. It closes the listener, and returns after the last call.
func Serve(ctx context.Context, l net.Listener, touched func(netip.Addr, Said)) {
	var all sync.WaitGroup
	defer all.Wait()
	defer l.Close()
	defer context.AfterFunc(ctx, func() { l.Close() })()
	places := make(chan struct{}, AtOnce)
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
		select {
		case places <- struct{}{}:
		default:
			conn.Close()
			continue
		}
		all.Go(func() {
			defer func() { <-places }()
			said := listen(ctx, conn)
			if from, ok := conn.RemoteAddr().(*net.TCPAddr); ok && ctx.Err() == nil {
				touched(from.AddrPort().Addr().Unmap().WithZone(""), said)
			}
		})
	}
}

// listen waits for what a connection says first, and closes it.
func listen(ctx context.Context, conn net.Conn) Said {
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	var first [16]byte
	_ = conn.SetReadDeadline(time.Now().Add(patience)) // without it the read ends with the connection
	n, _ := conn.Read(first[:])
	return saidBy(first[:n])
}

// methods are those with which browsers begin a request; PRI begins HTTP/2
// (RFC 9113, section 3.4).
var methods = []string{"GET ", "POST ", "HEAD ", "PUT ", "DELETE ", "OPTIONS ", "PATCH ", "CONNECT ", "PRI * HTTP/2"}

// saidBy judges first bytes. A page can have TLS begun (RFC 8446, section 5.1: a
// handshake record), and STUN over TCP (RFC 4571: a length; RFC 8489, section 5:
// type, length, cookie).
func saidBy(first []byte) Said {
	switch {
	case len(first) == 0:
		return Nothing
	case slices.ContainsFunc(methods, func(m string) bool { return bytes.HasPrefix(first, []byte(m)) }),
		bytes.HasPrefix(first, []byte{0x16, 0x03}),
		len(first) >= 10 && bytes.Equal(first[6:10], []byte{0x21, 0x12, 0xA4, 0x42}):
		return Browser
	}
	return Other
}
