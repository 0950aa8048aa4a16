package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"sallyport/internal/sender"
	"sallyport/internal/spa"
)

// Asked is what an operator can be told of.
type Asked struct {
	Code   string         // six letters in two groups: say it to the operator
	Door   string         // empty: the operator chooses
	Server netip.AddrPort // the address that was asked
	Bound  netip.Addr     // the address of this host that the message names; invalid: it names none
	Until  time.Time      // when the operator has to have decided, by this host's clock
}

// askLasts is how long a server keeps an ask (docs/PROTOCOL.md, section 16).
const askLasts = 10 * time.Minute

// askAgain is when copies of the one message leave. They are within a quarter of a
// second, in which nobody takes them for a replay.
var askAgain = []time.Duration{80 * time.Millisecond, 120 * time.Millisecond}

// Ask asks an operator of the server to let this host in, at one door, which need not be
// among the profile's, or at one that the operator chooses. Nobody answers, whether or
// not the message has arrived, so what is returned is what was sent. To be let in by
// both families, ask twice.
//
// Of the options Network and Identity count, and Passphrase and Now.
func Ask(ctx context.Context, p *Profile, door string, opts Options) (Asked, error) {
	a, err := askOperator(ctx, p, door, opts)
	if err != nil {
		return a, fmt.Errorf("ask at %q: %w", p.Name, err)
	}
	return a, nil
}

func askOperator(ctx context.Context, p *Profile, door string, opts Options) (Asked, error) {
	if door != "" && !validName(door) {
		return Asked{}, fmt.Errorf("%q is not the name of a door: want %s", door, wantName)
	}
	opts.Doors, opts.For, opts.Single = nil, 0, false
	q, err := newRequest(ctx, p, spa.Ask, opts)
	if err != nil {
		return Asked{}, err
	}
	defer q.done()
	h := q.headers[0]
	if door != "" {
		h.Door = spa.DoorID(door)
	}
	for _, address := range q.list {
		to := netip.AddrPortFrom(address, p.Port)
		source, unreachable := sender.Source(to)
		if unreachable != nil {
			err = errors.Join(err, unreachable)
			continue
		}
		f := &flight{request: q, header: h, to: to, source: source}
		asked, failed := f.askOnce(ctx)
		if failed == nil {
			asked.Door = door
			return asked, nil
		}
		err = errors.Join(err, failed)
	}
	return Asked{}, err
}

// askOnce sends one message, and copies of it for networks that lose some.
func (f *flight) askOnce(ctx context.Context) (Asked, error) {
	dialer := net.Dialer{Control: dontFragment, LocalAddr: net.UDPAddrFromAddrPort(netip.AddrPortFrom(f.source, 0))}
	conn, err := dialer.DialContext(ctx, "udp", f.to.String())
	if err != nil {
		return Asked{}, sender.Cause(err)
	}
	defer conn.Close()
	message, err := f.next(nil, conn)
	if err != nil {
		return Asked{}, err
	}
	if !f.send(conn, message.Datagram) {
		return Asked{}, sender.Cause(f.problem)
	}
	for _, pause := range askAgain {
		if err := sleep(ctx, pause); err != nil {
			return Asked{}, err
		}
		f.send(conn, message.Datagram) // one has left
	}
	code, err := message.AskCode()
	return Asked{Code: code.Show(), Server: f.to, Bound: f.bound(conn), Until: time.Now().Add(askLasts)}, err
}
