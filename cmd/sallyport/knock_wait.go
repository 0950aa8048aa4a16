package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"

	"sallyport/internal/phrase"
	"sallyport/internal/sender"
)

const (
	portPatience = 15 * time.Second       // how long a port is tried
	portAgain    = 250 * time.Millisecond // between two tries
)

// waitPort tries a TCP port until it answers: knocks that nobody acknowledges
// show in no other way whether they have opened a door.
func waitPort(ctx context.Context, w io.Writer, host string, port uint16, family sender.Family) error {
	if port == 0 {
		return nil
	}
	network := map[sender.Family]string{sender.Both: "tcp", sender.IPv4: "tcp4", sender.IPv6: "tcp6"}[family]
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, portPatience)
	defer cancel()
	for dialer := (net.Dialer{Timeout: time.Second}); ; {
		conn, err := dialer.DialContext(ctx, network, net.JoinHostPort(host, strconv.Itoa(int(port))))
		if err == nil {
			conn.Close()
			fmt.Fprintf(w, "tcp/%d of %s answers, after %s\n", port, host, milliseconds(time.Since(began)))
			return nil
		}
		select {
		case <-time.After(portAgain):
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return hinted{fmt.Errorf("tcp/%d of %s has not answered for %s", port, host, phrase.Duration(portPatience)), "the server knows why: sallyport why ADDRESS there, with the address of this host"}
			}
			return ctx.Err()
		}
	}
}
