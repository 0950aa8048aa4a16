package client

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"slices"
	"time"

	"sallyport/internal/spa"
)

// lastWait is how long the last of the usual tries waits for its answer.
const lastWait = 2 * time.Second

// kept is how many tries can still be answered: the latest ones.
const kept = 2 * spa.Tries

// flight is the request for one door at one address, with all its tries. Its
// results may be read once fly has returned.
type flight struct {
	*request
	header spa.Header
	to     netip.AddrPort
	source netip.Addr    // of this host, for messages to that address; invalid: the system chooses
	prover spa.Prover    // what proves; nil: the key of the request
	hold   time.Duration // for how long a message is sent again before the next one is made
	copied time.Duration // after which the first message leaves a second time; 0: it does not
	left   func()        // is called when the first message has left; nil: is not

	tries    int           // messages that have left
	waited   time.Duration // since the first of them
	answered *spa.Ack
	message  *spa.Sealed   // the one that was answered
	sent     time.Time     // when the message that was answered left
	took     time.Duration // until the answer came
	problem  error         // the last that was heard of the network; it ends nothing once a message has left
	err      error         // why no message could be made
}

// try is a message that may still be answered.
type try struct {
	*spa.Sealed
	sent  time.Time // by the clock of the options
	start time.Time // monotonic
	made  time.Time // monotonic
}

// fly sends messages until one is answered, the tries are over, or ctx ends.
func (f *flight) fly(ctx context.Context) {
	dialer := net.Dialer{Control: dontFragment}
	if f.source.IsValid() {
		dialer.LocalAddr = net.UDPAddrFromAddrPort(netip.AddrPortFrom(f.source, 0))
	}
	conn, err := dialer.DialContext(ctx, "udp", f.to.String())
	if err != nil {
		f.problem = err
		return
	}
	defer conn.Close()
	f.exchange(ctx, conn)
}

// exchange sends messages and waits for the answer to one of them.
func (f *flight) exchange(ctx context.Context, conn net.Conn) {
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	var tries []try
	begun := time.Now()
	pauses := waits(f.opts.Timeout, rand.Float64)
	if f.copied > 0 {
		pauses = slices.Insert(pauses, 0, f.copied)
	}
	for _, wait := range pauses {
		next, err := f.next(tries, conn)
		if err != nil {
			f.err = err
			return
		}
		if !f.send(conn, next.Datagram) {
			return
		}
		tries = append(tries, next)
		tries = tries[max(0, len(tries)-kept):]
		answered := f.receive(ctx, conn, tries, wait)
		f.waited = time.Since(begun)
		if answered || ctx.Err() != nil {
			return
		}
	}
}

// next makes the message of the next try: a new one, unless that costs a touch, or
// the first is to be copied.
func (f *flight) next(tries []try, conn net.Conn) (try, error) {
	if len(tries) > 0 {
		again := tries[len(tries)-1]
		again.start, again.sent = time.Now(), f.opts.Now()
		if again.start.Sub(again.made) < f.hold || f.hold == 0 && f.id.touched() || len(tries) == 1 && f.copied > 0 {
			return again, nil
		}
	}
	var prover spa.Prover = f.id
	if f.prover != nil {
		prover = f.prover
	}
	h := f.header
	h.Time = f.opts.Now()
	sealed, err := spa.Seal(f.server, h, f.bound(conn), prover)
	return try{sealed, f.opts.Now(), time.Now(), time.Now()}, err
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

// receive waits for an answer to any of the tries. Errors of a connected UDP
// socket are what ICMP messages made of it, and those say nothing: the port
// that is asked looks closed, firewalls answer for ports that they shut after
// the daemon has seen the message, and anybody on the way can send them. So
// they are kept for the report and end nothing; and neither does a datagram
// that is no answer.
func (f *flight) receive(ctx context.Context, conn net.Conn, tries []try, wait time.Duration) bool {
	deadline := time.Now().Add(wait)
	conn.SetReadDeadline(deadline)
	if ctx.Err() != nil { // it may have ended before the deadline was moved
		return false
	}
	buf := make([]byte, 2048)
	for errs := 0; ; {
		n, err := conn.Read(buf)
		switch {
		case err == nil:
			if f.open(buf[:n], tries) {
				return true
			}
		case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, net.ErrClosed):
			return false
		default:
			f.heard(err)
			if errs++; errs > manyErrors {
				time.Sleep(time.Millisecond)
			}
		}
		if !time.Now().Before(deadline) { // junk that never ends would keep Read from noticing
			return false
		}
	}
}

// manyErrors is how many errors in one wait cost no pause.
const manyErrors = 100

// open looks whether a datagram answers one of the tries.
func (f *flight) open(datagram []byte, tries []try) bool {
	for _, t := range tries {
		if ack, err := t.OpenAck(datagram); err == nil {
			f.answered, f.message, f.sent, f.took = &ack, t.Sealed, t.sent, time.Since(t.start)
			return true
		}
	}
	return false
}

// waits returns how long to wait after each try: the tries of the protocol if
// no timeout is given, else as many as fit, at the same pace. random is that of
// spa.Pause.
func waits(timeout time.Duration, random func() float64) []time.Duration {
	var list []time.Duration
	for n := 1; ; n++ {
		pause := spa.Pause(n, random())
		switch {
		case timeout <= 0 && n == spa.Tries:
			return append(list, lastWait)
		case timeout > 0 && timeout <= pause:
			return append(list, timeout)
		case timeout > 0:
			timeout -= pause
		}
		list = append(list, pause)
	}
}

// send sends a datagram and reports whether to go on. What earlier ones were
// answered by ICMP is reported by the next write, in its place, so a write that
// failed is made again. A first one that fails is this host's own word: nothing
// has left that anybody could have answered.
func (f *flight) send(conn net.Conn, datagram []byte) bool {
	var err error
	for range 3 {
		if _, err = conn.Write(datagram); err == nil {
			if f.tries++; f.tries == 1 && f.left != nil {
				f.left()
			}
			return true
		}
		f.heard(err)
	}
	return f.tries > 0 && !errors.Is(err, net.ErrClosed)
}

// heard keeps what the network said: the latest, unless an earlier one was
// about the size of the messages, for which there is a remedy.
func (f *flight) heard(err error) {
	if !isTooLarge(f.problem) {
		f.problem = err
	}
}
