package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
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
	dial     func(ctx context.Context, local netip.Addr, target netip.AddrPort) (net.Conn, error)

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

// run knocks and connects. One attempt is under way until the door is known to be
// open; if that one may have come too early, another begins beside it, and the first
// to connect wins. To end the first before would lose a connection that is just
// being made: the service would see two, and a single grant be used up. The answer to
// the second comes a round trip later, so that the service never sees it if the
// first one wins. No error of an attempt that began before the door was known to
// be open is final.
func (l *leg) run(ctx context.Context, k knocker) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answers := l.knock(ctx, k)
	var early, now *attempt // nil: none is under way
	var begin <-chan time.Time
	opened, failed := false, error(nil)
	defer func() { early.drop(); now.drop() }()
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
			begin = time.After(l.wait(k.head(), a.result, now))
		case <-early.ended():
			if conn := early.take(); conn != nil {
				return conn, nil
			}
			early = nil
		case <-now.ended():
			if conn := now.take(); conn != nil {
				return conn, nil
			}
			if failed = now.err; now.opened {
				return nil, l.behind(failed)
			}
			now, begin = nil, time.After(l.again(opened))
		case <-begin:
			early, now, begin = beside(early, now), l.attempt(ctx, opened), nil
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// knock begins to knock.
func (l *leg) knock(ctx context.Context, k knocker) <-chan answer {
	answers := make(chan answer, 1)
	go func() { r, err := k.knock(ctx, l); answers <- answer{r, err} }()
	return answers
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
// way, it was too early. Where a second attempt might use up what the first one
// needs, it waits for longer.
func (l *leg) wait(head time.Duration, r Result, now *attempt) time.Duration {
	switch {
	case now == nil:
		return 0
	case slices.ContainsFunc(r.Grants, func(g Grant) bool { return g.Single }):
		return head + max(30*time.Millisecond, r.Took/4)
	}
	return head + max(2*time.Millisecond, r.Took/64)
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
		a.conn, a.err = l.dial(ctx, l.local, l.target)
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

// beside returns which of two attempts goes on beside a new one, and ends the other.
func beside(early, now *attempt) *attempt {
	if now == nil {
		return early
	}
	early.drop()
	return now
}

// take returns the connection of an attempt that has ended, which is no longer the
// attempt's; nil: it has failed.
func (a *attempt) take() net.Conn {
	conn := a.conn
	a.conn = nil
	return conn
}

// drop ends an attempt and whatever it has made, unless that was taken.
func (a *attempt) drop() {
	if a == nil {
		return
	}
	a.cancel()
	<-a.done
	if a.conn != nil {
		a.conn.Close()
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
