package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// retry is how long after an attempt that failed the next one begins while
	// nobody has answered the knock: the firewall may have refused what came
	// before the door was open.
	retry = 600 * time.Millisecond
	// patience is how long an attempt may take when the door is known to be open.
	patience = 10 * time.Second
)

// leg is one way to connect: a knock, and attempts from the same address.
type leg struct {
	at       netip.Addr     // to knock at
	source   netip.Addr     // of this host, for knocks
	local    netip.Addr     // and for the connection; invalid: its target is of the other family
	target   netip.AddrPort // to connect to
	answered func(Result)

	left    chan struct{} // gets a value when everything has been sent once
	hasLeft atomic.Bool   // something has been sent
}

// answer is what came of a knock.
type answer struct {
	result Result
	err    error
}

// attempt is a connection that is being made.
type attempt struct {
	opened bool // the door was known to be open when it began
	cancel context.CancelFunc
	done   chan struct{}
	conn   net.Conn
	err    error
}

// run knocks and connects. One attempt is under way at any time. No error of
// one that began before the door was known to be open is final.
func (l *leg) run(ctx context.Context, k knocker) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answers := make(chan answer, 1)
	go func() { r, err := k.knock(ctx, l); answers <- answer{r, err} }()

	var now *attempt // nil: none is under way
	var begin <-chan time.Time
	opened, failed := false, error(nil)
	defer func() { now.drop() }()
	for {
		select {
		case <-l.left:
			begin = time.After(k.head())
		case a := <-answers:
			if a.err != nil {
				return nil, l.unanswered(a.err, failed)
			}
			l.report(a.result)
			opened = true
			begin = time.After(l.wait(k.head(), a.result.Took, now))
		case <-now.ended():
			if now.err == nil {
				conn := now.conn
				now = nil
				return conn, nil
			}
			if failed = now.err; now.opened {
				return nil, l.behind(failed)
			}
			now, begin = nil, time.After(l.again(opened))
		case <-begin:
			if conn := now.abandon(); conn != nil {
				now = nil
				return conn, nil
			}
			now, begin = l.attempt(ctx, opened), nil
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// behind is why connecting fails where the door is open.
func (l *leg) behind(err error) error {
	if !l.local.IsValid() {
		return advise("use one family for both: -4, -6, or another host in the profile",
			"the door is open for %s, and the connection to %s comes from another address: %w", l.source, l.target, err)
	}
	return advise("check that the service runs, and that the door has this port", "the door is open, but connecting fails: %w", err)
}

// wait is how long after the acknowledgement the next attempt begins. The
// answer to one that is under way comes later than the acknowledgement by what
// it began later than the knock; beyond that, and the usual variation of the
// way, it was too early.
func (l *leg) wait(head, took time.Duration, now *attempt) time.Duration {
	if now == nil {
		return 0
	}
	return head + max(30*time.Millisecond, took/4)
}

// again is how long after an attempt that failed the next one begins.
func (l *leg) again(opened bool) time.Duration {
	if opened {
		return 0
	}
	return retry
}

// signal has an attempt begin: everything has been sent once.
func (l *leg) signal() {
	select {
	case l.left <- struct{}{}:
	default: // it is to begin anyway
	}
}

func (l *leg) report(r Result) {
	if l.answered != nil && len(r.Grants) > 0 {
		l.answered(r)
	}
}

// unanswered is why nothing came of a knock that the server has not granted.
func (l *leg) unanswered(err, failed error) error {
	if failed != nil && errors.As(err, new(*NoAnswerError)) {
		return &advised{errors.Join(err, failed), hintOf(err)}
	}
	return err
}

func hintOf(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}

// attempt begins to connect.
func (l *leg) attempt(ctx context.Context, opened bool) *attempt {
	limit := patience
	if !opened {
		limit = 10 * patience // the knock ends before that
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	a := &attempt{opened: opened, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(a.done)
		a.conn, a.err = dialFrom(ctx, l.local, l.target)
	}()
	return a
}

// ended is closed when the attempt has ended.
func (a *attempt) ended() <-chan struct{} {
	if a == nil {
		return nil
	}
	return a.done
}

// abandon ends an attempt, and returns its connection if that has just been made.
func (a *attempt) abandon() net.Conn {
	if a == nil {
		return nil
	}
	a.cancel()
	<-a.done
	return a.conn
}

// drop ends an attempt and whatever it has made.
func (a *attempt) drop() {
	if conn := a.abandon(); conn != nil {
		conn.Close()
	}
}

// dialFrom connects from an address of this host, or from any if that has gone.
func dialFrom(ctx context.Context, local netip.Addr, target netip.AddrPort) (net.Conn, error) {
	var dialer net.Dialer
	if local.IsValid() {
		dialer.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(local, 0))
		conn, err := dialer.DialContext(ctx, "tcp", target.String())
		if !errors.Is(err, syscall.EADDRNOTAVAIL) {
			return conn, err
		}
		dialer.LocalAddr = nil
		if conn, err = dialer.DialContext(ctx, "tcp", target.String()); err != nil {
			return nil, fmt.Errorf("%s, which the door is open for, is no address of this host any more: %w", local, err)
		}
		return conn, nil
	}
	return dialer.DialContext(ctx, "tcp", target.String())
}
