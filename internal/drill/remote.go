//go:build linux

package drill

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"sallyport/internal/consent"
	"sallyport/internal/lab"
	"sallyport/internal/packet"
	"sallyport/internal/sender"
)

// answering is how long a port elsewhere is given to answer: less than a second, after
// which the kernel would send its SYN again.
const answering = 900 * time.Millisecond

// remote is a gate elsewhere, attacked by ordinary sockets from this machine's own
// address.
type remote struct {
	consent.Token
	address netip.Addr
	pace    pace
}

// RemoteOptions say what is attacked from here.
type RemoteOptions struct {
	Version string
	Host    string
	Token   consent.Token
	Done    func(id string) // called after each attack; may be nil
}

// Attack carries out attacks against a gate elsewhere, one after the other. What one
// meets is in its Act; the error is for what prevents all of them.
func (opts RemoteOptions) Attack(ctx context.Context, attacks []Attack) (Record, error) {
	addrs, err := sender.Resolve(ctx, opts.Host, sender.Family(0))
	if err != nil {
		return Record{}, err
	}
	g := &remote{Token: opts.Token, address: addrs[0]}
	r := Record{Version: opts.Version, Consent: g.ID, Host: opts.Host, Address: g.address, Began: time.Now()}
	for _, a := range attacks {
		act := a.from(ctx, g)
		if ctx.Err() != nil {
			return r, errors.New("the drill was stopped: nothing is recorded")
		}
		r.Acts = append(r.Acts, act)
		if opts.Done != nil {
			opts.Done(a.ID)
		}
	}
	r.Ended, r.Sent = time.Now(), g.pace.sent
	r.Sign(opts.Token)
	return r, nil
}

// from carries an attack out from here, and looks afterwards which door lets it in.
func (a *Attack) from(ctx context.Context, g *remote) Act {
	act := Act{ID: a.ID, Opened: []packet.Port{}}
	if act.Skipped = a.lacks(g.Token); act.Skipped != "" {
		return act
	}
	before := g.pace.sent
	act.Began = time.Now()
	err := a.send(ctx, g)
	act.Ended = time.Now()
	if err == nil {
		act.Opened, err = g.opened(ctx)
	}
	if wrong := (shut{}); errors.As(err, &wrong) {
		act.Wrong = err.Error()
	} else if err != nil {
		act.Broken = err.Error()
	}
	act.Sent = g.pace.sent - before
	return act
}

// knock sends a SYN or a datagram to each port, in order.
func (g *remote) knock(ctx context.Context, apart time.Duration, ports ...packet.Port) error {
	for _, p := range ports {
		cost := costSYN
		if p.Proto == packet.UDP {
			cost = costDatagram
		}
		if err := g.pace.take(ctx, cost); err != nil {
			return err
		}
		if _, err := sender.Send(ctx, sender.Options{Host: g.address.String(), Sequence: []packet.Port{p}}); err != nil {
			return err
		}
		if err := wait(ctx, apart); err != nil {
			return err
		}
	}
	return nil
}

// try connects to a port and looks what answers.
func (g *remote) try(ctx context.Context, p packet.Port) (lab.Answer, error) {
	if err := g.pace.take(ctx, costConnection); err != nil {
		return "", err
	}
	if p.Proto == packet.UDP {
		answered, err := g.hear(ctx, p.Number, []byte{0})
		return map[bool]lab.Answer{true: lab.Open, false: lab.Silent}[answered], err
	}
	conn, err := (&net.Dialer{Timeout: answering}).DialContext(ctx, "tcp", netip.AddrPortFrom(g.address, p.Number).String())
	var timeout net.Error
	switch {
	case err == nil:
		conn.Close()
		return lab.Open, nil
	case errors.Is(err, syscall.ECONNREFUSED):
		return lab.Refused, nil
	case errors.As(err, &timeout) && timeout.Timeout():
		return lab.Silent, nil
	}
	return "", err
}

// hear sends a datagram that is paid for, and waits for an answer.
func (g *remote) hear(ctx context.Context, port uint16, payload []byte) (bool, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "udp", netip.AddrPortFrom(g.address, port).String())
	if err != nil {
		return false, err
	}
	defer conn.Close()
	if _, err := conn.Write(payload); err != nil && !errors.Is(err, syscall.ECONNREFUSED) {
		return false, err
	}
	if err := conn.SetReadDeadline(time.Now().Add(answering)); err != nil {
		return false, err
	}
	_, err = conn.Read(make([]byte, 2048))
	return err == nil, nil
}

// opened lists the ports of doors that let this machine in.
func (g *remote) opened(ctx context.Context) ([]packet.Port, error) {
	list := []packet.Port{}
	for _, p := range g.Ports {
		answer, err := g.try(ctx, p)
		if err != nil {
			return list, err
		}
		if answer == lab.Open {
			list = append(list, p)
		}
	}
	return list, nil
}

// closed lists so many ports upwards that are no door and no decoy: who touches those
// is banned, and that comes last.
func (g *remote) closed(n int) (list []packet.Port) {
	for number := uint16(1); len(list) < n; number++ {
		p := packet.Port{Proto: packet.TCP, Number: number}
		if !slices.Contains(g.Ports, p) && !slices.Contains(g.Decoys, p) {
			list = append(list, p)
		}
	}
	return list
}

// scanned is how many ports a scan tries: enough to be one by the gate's own measure.
func (g *remote) scanned() []packet.Port { return g.closed(max(150, min(3*g.Scan, 1000))) }

// differs reports whether a door answers otherwise than the gate lets closed ports do.
func (g *remote) differs(ctx context.Context) error {
	want := lab.Silent
	if g.Reject {
		want = lab.Refused
	}
	for _, p := range g.Ports {
		if p.Proto != packet.TCP { // of datagrams, silence and refusal look alike here
			continue
		}
		got, err := g.try(ctx, p)
		if err != nil {
			return err
		}
		if got != want {
			return shut{fmt.Errorf("the door at %s is %s for a stranger, want %s", p, got, want)}
		}
	}
	return nil
}
