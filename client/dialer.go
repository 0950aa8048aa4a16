package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"

	"sallyport/internal/sender"
)

// Dialer connects through the doors of a server, in the time that a plain
// connection takes: it does not wait for the server to say that a door is open.
//
// It knocks, with a message that it sends twice, and a few milliseconds after it has begun
// starts to connect, from the same address of this host. The acknowledgement is there
// before the answer to that attempt is; where none follows soon, the attempt came before
// the door was open, and another begins beside it. The first to connect wins, and ends
// the other before that is answered: a service sees one connection for one wish, unless a
// line holds both answers up and delivers them at once; then the second is closed at once.
//
// If the name has addresses of both families, the second gets its knock and its
// attempt a quarter of a second after the first (RFC 8305); what the loser has
// opened is given back.
type Dialer struct {
	Profile  *Profile
	Options  Options      // of the knock; First has no meaning
	Answered func(Result) // is called with each answer of the server; nil: is not
}

// DialContext connects to an address, which is one of the profile's host or
// another that its doors are for. network is tcp, tcp4 or tcp6. The profile's
// name stands for its host.
func (d *Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := d.dial(ctx, network, address)
	if err != nil {
		return nil, fmt.Errorf("connect to %s through %q: %w", address, d.Profile.Name, err)
	}
	return conn, nil
}

func (d *Dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	family, ok := map[string]string{"tcp": d.Options.Network, "tcp4": "ip4", "tcp6": "ip6"}[network]
	if !ok {
		return nil, net.UnknownNetworkError(network)
	}
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseUint(service, 10, 16)
	if err != nil || port == 0 {
		return nil, fmt.Errorf("%q is not a port: want 1 to 65535", service)
	}
	opts := d.Options
	opts.Network, opts.First = family, true
	k, err := newKnocker(ctx, d.Profile, opts)
	if err != nil {
		return nil, err
	}
	targets := k.addrs()
	if host != d.Profile.Host && host != d.Profile.Name {
		if targets, err = resolve(ctx, host, family); err != nil {
			k.done()
			return nil, err
		}
	}
	legs, err := d.legs(k, targets, uint16(port))
	if err != nil {
		k.done()
		return nil, err
	}
	return race(ctx, k, legs)
}

// legs returns the ways to connect, best first: each with the address to knock
// at, and the address of this host for both.
func (d *Dialer) legs(k knocker, targets []netip.Addr, port uint16) ([]*leg, error) {
	var legs []*leg
	var problem error
	for _, target := range inTurn(targets) {
		at := k.addrs()[0]
		for _, a := range k.addrs() {
			if a == target {
				at = a
				break
			}
			if a.Is4() == target.Is4() && at.Is4() != target.Is4() {
				at = a
			}
		}
		source, err := sender.Source(netip.AddrPortFrom(at, port))
		if err != nil {
			problem = err
			continue
		}
		l := &leg{at: at, source: source, target: netip.AddrPortFrom(target, port), left: make(chan struct{}, 1), answered: d.Answered, dial: dialFrom}
		if source.Is4() == target.Is4() {
			l.local = source
		}
		legs = append(legs, l)
	}
	if len(legs) == 0 {
		return nil, advise("check the network of this host", "this host has no way there: %w", problem)
	}
	return legs, nil
}

// inTurn returns two addresses of each family at most, the families in turn,
// IPv6 first: a host that has no way there is found out without sending.
func inTurn(addrs []netip.Addr) (list []netip.Addr) {
	var of [2][]netip.Addr
	for _, a := range firstOfEach(addrs, 2) {
		if a.Is4() {
			of[1] = append(of[1], a)
		} else {
			of[0] = append(of[0], a)
		}
	}
	for i := range 2 {
		for _, family := range of {
			if i < len(family) {
				list = append(list, family[i])
			}
		}
	}
	return list
}

// When the next leg begins, if the one before has neither connected nor failed
// (RFC 8305, section 5). More than one for each family is for hosts of which an
// address is dead.
func stagger(n int) time.Duration {
	if n == 1 {
		return 250 * time.Millisecond
	}
	return time.Second
}

// outcome is what came of a leg.
type outcome struct {
	leg  *leg
	conn net.Conn
	err  error
}

// race runs the legs, one after the other, and returns the first connection.
// The others give back what they have opened.
func race(ctx context.Context, k knocker, legs []*leg) (net.Conn, error) {
	racing, cancel := context.WithCancel(ctx)
	outcomes := make(chan outcome, len(legs))
	begun, errs := 0, []error(nil)
	defer func() {
		cancel()
		go drain(outcomes, begun-len(errs), k.done)
	}()
	next := time.NewTimer(0)
	defer next.Stop()
	for len(errs) < len(legs) {
		select {
		case <-next.C:
			l := legs[begun]
			go func() { conn, err := l.run(racing, k); outcomes <- outcome{l, conn, err} }()
			if begun++; begun < len(legs) && !k.touched() {
				next.Reset(stagger(begun))
			}
		case o := <-outcomes:
			errs = append(errs, o.err)
			if o.err == nil {
				cancel()
				giveBack(k, legs[:begun], o.leg)
				return o.conn, nil
			}
			if begun < len(legs) {
				next.Reset(0)
			}
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	return nil, worst(errs)
}

// drain waits for legs that have lost. They end soon, and may just have
// connected.
func drain(outcomes <-chan outcome, n int, done func()) {
	for range n {
		if late := <-outcomes; late.err == nil {
			late.conn.Close()
		}
	}
	done()
}

// giveBack ends what legs that have lost may have opened, and waits no longer
// than until the messages have left. What has the winner's source is the
// winner's too.
func giveBack(k knocker, legs []*leg, won *leg) {
	for _, l := range legs {
		if l == won || l.source == won.source || !l.hasLeft.Load() || k.touched() {
			continue
		}
		select {
		case <-k.giveBack(l):
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// worst returns the most telling of the errors: what a server has said, then
// what came of a door that is open, then silence.
func worst(errs []error) error {
	for _, err := range errs {
		if errors.As(err, new(*RefusedError)) {
			return err
		}
	}
	for _, err := range errs {
		if !errors.As(err, new(*NoAnswerError)) {
			return err
		}
	}
	return errs[0]
}
