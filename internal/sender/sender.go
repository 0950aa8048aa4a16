// Package sender sends plain sequences from the client's side, with ordinary
// sockets and without privileges.
//
// Each knock is one packet. A TCP knock is the SYN of a connection that is
// given up at once: a closed socket retransmits nothing, and nobody waits for
// the answer of a port that may stay silent. A UDP knock is a datagram of one
// byte, since empty ones are dropped as malformed by some NAT boxes and
// intrusion filters on the way, and are told by length alone from the padding
// of a short Ethernet frame.
//
// A name may stand for several addresses, and the program that connects
// afterwards may choose any of them; so every address gets the whole
// sequence: IPv4 first, then IPv6, one address after the other. The gate sees
// the two families as two sources, each with a sequence of its own, so they
// need not be interleaved, and a family that does not work on this network
// neither delays nor spoils the other. All knocks at one address have the same
// source, also on a host with two uplinks that shares its connections out.
//
// Sent means handed to the network by this host. Whether it arrived cannot be
// known: that is what closed doors are about. Nor do systems say when a local
// firewall drops a SYN; they do say so of a datagram.
package sender

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"sallyport/internal/packet"
)

// DefaultGap is a pause between knocks that keeps them in order on most
// paths: packets of different flows may take different queues, and overtake
// each other there.
const DefaultGap = 5 * time.Millisecond

// Options say what to send where.
type Options struct {
	Host     string        // name or address; an IPv6 address may have a zone
	Sequence []packet.Port // the knocks, in order
	Gap      time.Duration // pause between two knocks; 0: none
	Family   Family
}

// Attempt is what was sent to one address.
type Attempt struct {
	Address netip.Addr    `json:"address"`
	Source  netip.Addr    `json:"source,omitzero"`   // of this host; all knocks have the same
	Sent    []packet.Port `json:"sent"`              // in order; shorter than the sequence if there was a problem
	Problem string        `json:"problem,omitempty"` // why the sequence was broken off; empty: it was not
}

// Send sends the sequence to every address of the host and reports on each.
// It breaks a sequence off at the first knock that this host cannot send. It
// fails if no address got the whole sequence, or if ctx ended.
func Send(ctx context.Context, opts Options) ([]Attempt, error) {
	if err := valid(opts.Sequence); err != nil {
		return nil, err
	}
	addrs, err := Resolve(ctx, opts.Host, opts.Family)
	if err != nil {
		return nil, err
	}
	attempts, problems := sendAll(ctx, addrs, opts)
	if ctx.Err() != nil {
		return attempts, ctx.Err()
	}
	if len(problems) == len(addrs) {
		return attempts, errors.Join(problems...)
	}
	return attempts, nil
}

// sendAll sends the sequence to one address after the other, until ctx ends.
func sendAll(ctx context.Context, addrs []netip.Addr, opts Options) (attempts []Attempt, problems []error) {
	for i, addr := range addrs {
		if i > 0 && pause(ctx, opts.Gap) != nil {
			break
		}
		attempt := Attempt{Address: addr, Sent: []packet.Port{}} // an empty list in JSON, not null
		err := attempt.send(ctx, opts)
		if err != nil {
			attempt.Problem = err.Error()
			problems = append(problems, err)
		}
		attempts = append(attempts, attempt)
	}
	return attempts, problems
}

func valid(sequence []packet.Port) error {
	if len(sequence) == 0 {
		return errors.New("nothing to send: name at least one knock, such as tcp/7000")
	}
	for _, p := range sequence {
		if _, err := packet.ParsePort(p.String()); err != nil {
			return err
		}
	}
	return nil
}

// send sends the sequence to the address of the attempt.
func (a *Attempt) send(ctx context.Context, opts Options) (err error) {
	for i, p := range opts.Sequence {
		if i > 0 {
			if err := pause(ctx, opts.Gap); err != nil {
				return err
			}
		}
		to := netip.AddrPortFrom(a.Address, p.Number)
		if i == 0 {
			a.Source, err = Source(to)
		}
		switch {
		case err != nil:
		case p.Proto == packet.TCP:
			err = sendSYN(a.Source, to)
		default:
			err = sendDatagram(a.Source, to)
		}
		if err != nil {
			return fmt.Errorf("knock at %s of %s: %w", p, a.Address, explain(err))
		}
		a.Sent = append(a.Sent, p)
	}
	return nil
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
