package client

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"

	"sallyport/internal/spa"
)

// backoff is how long to wait for an answer before each new try. The last try
// waits for what is left of the timeout.
var backoff = []time.Duration{250 * time.Millisecond, 600 * time.Millisecond, 1200 * time.Millisecond}

// flight is the request for one door at one address, with all its tries. Its
// results may be read once fly has returned.
type flight struct {
	*request
	header spa.Header
	to     netip.AddrPort

	tries    int
	answered *spa.Ack
	sent     time.Time     // when the message that was answered left
	took     time.Duration // until the answer came
	err      error         // why nothing could be sent, or nothing more
}

// try is a message that may still be answered.
type try struct {
	*spa.Sealed
	sent  time.Time // by the clock of the options
	start time.Time // monotonic
}

// fly sends messages until one is answered, the timeout is over, or ctx ends.
func (f *flight) fly(ctx context.Context) {
	dialer := net.Dialer{Control: dontFragment}
	conn, err := dialer.DialContext(ctx, "udp", f.to.String())
	if err != nil {
		f.err = err
		return
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()

	var tries []try
	for _, wait := range waits(f.opts.Timeout) {
		next, err := f.next(tries, conn)
		if err == nil {
			err = write(conn, next.Datagram)
		}
		if err != nil {
			f.err = err
			return
		}
		f.tries++
		tries = append(tries, next)
		if f.receive(ctx, conn, tries, wait) || ctx.Err() != nil || f.err != nil {
			return
		}
	}
}

// next makes the message of the next try: a new one, unless that costs a touch.
func (f *flight) next(tries []try, conn net.Conn) (try, error) {
	if len(tries) > 0 && f.id.touched() {
		again := tries[len(tries)-1]
		again.start, again.sent = time.Now(), f.opts.Now()
		return again, nil
	}
	h := f.header
	h.Time = f.opts.Now()
	sealed, err := spa.Seal(f.server, h, f.bound(conn), f.id)
	return try{sealed, f.opts.Now(), time.Now()}, err
}

// bound returns the address that a message is bound to, if any.
func (f *flight) bound(conn net.Conn) netip.Addr {
	if !f.profile.BindLocal {
		return bindFor(f.profile, f.to.Addr())
	}
	local, err := netip.ParseAddrPort(conn.LocalAddr().String())
	if err != nil {
		return netip.Addr{}
	}
	return local.Addr().Unmap().WithZone("")
}

// receive waits for an answer to any of the tries. The port that is asked looks
// closed, so being told that it is means nothing; and neither does a datagram
// that is no answer.
func (f *flight) receive(ctx context.Context, conn net.Conn, tries []try, wait time.Duration) bool {
	deadline := time.Now().Add(wait)
	conn.SetReadDeadline(deadline)
	if ctx.Err() != nil { // it may have ended before the deadline was moved
		return false
	}
	buf := make([]byte, 2048)
	for time.Now().Before(deadline) {
		n, err := conn.Read(buf)
		switch {
		case err == nil:
			if f.open(buf[:n], tries) {
				return true
			}
		case isRefused(err):
		case errors.Is(err, context.DeadlineExceeded), isTimeout(err):
			return false
		default:
			f.err = err
			return false
		}
	}
	return false
}

// open looks whether a datagram answers one of the tries.
func (f *flight) open(datagram []byte, tries []try) bool {
	for _, t := range tries {
		if ack, err := t.OpenAck(datagram); err == nil {
			f.answered, f.sent, f.took = &ack, t.sent, time.Since(t.start)
			return true
		}
	}
	return false
}

// waits returns how long to wait after each try.
func waits(timeout time.Duration) []time.Duration {
	var list []time.Duration
	for _, w := range backoff {
		if timeout <= w {
			break
		}
		list = append(list, w)
		timeout -= w
	}
	return append(list, timeout)
}

// write sends a datagram. What an earlier one was answered by ICMP is reported
// here, and no reason not to send.
func write(conn net.Conn, datagram []byte) error {
	_, err := conn.Write(datagram)
	if isRefused(err) {
		_, err = conn.Write(datagram)
	}
	return err
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}
