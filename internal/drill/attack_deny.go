//go:build linux

package drill

import (
	"context"
	"crypto/rand"
	"errors"
	"net/netip"
	"time"

	"sallyport/internal/packet"
)

// enters has a client get in, which has to work in spite of all.
func (g *ground) enters(ctx context.Context, from netip.Addr) error {
	m := g.own(g.owner(), from)
	for range 3 { // a message may be lost in a flood, and clients repeat theirs
		datagram, err := g.seal(m)
		if err != nil {
			return err
		}
		if err := g.repeat(ctx, from, datagram, 1); err != nil {
			return err
		}
		if err := wait(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
	return g.letIn(ctx, from, m.door)
}

func (g *ground) victim() netip.Addr {
	a, _ := g.homeOf(g.owner())
	return a
}

var victimMarked = Attack{
	ID: "victim-marked", Group: "deny", Does: "scans in the name of a client's address, so that the gate ignores what comes from there", Not: sayVictimOut,
	Rule: "scan-fast", Within: 15 * seconds, Technique: "T1499", needs: messages,
	run: func(ctx context.Context, g *ground) error {
		victim := g.victim()
		if err := g.sweep(ctx, victim, g.closedPorts(1000, packet.TCP), 0); err != nil {
			return err
		}
		return g.enters(ctx, victim)
	},
}

var banForged = Attack{
	ID: "ban-forged", Group: "deny", Does: "touches decoys and sends junk in the name of a client's address, to have it banned", Not: sayVictimOut,
	Technique: "T1499", needs: all(messages, decoys),
	run: func(ctx context.Context, g *ground) error {
		victim := g.victim()
		for range 20 {
			if err := g.sweep(ctx, victim, g.Ban.Decoys, apart); err != nil {
				return err
			}
			junk, err := g.junk()
			if err == nil {
				err = g.deliver(victim, junk)
			}
			if err != nil {
				return err
			}
		}
		if err := wait(ctx, settling); err != nil {
			return err
		}
		if banned, err := g.banned(ctx, victim); err != nil || banned {
			return errors.Join(err, shut{errors.New("forged packets have banned a client")})
		}
		return g.enters(ctx, victim)
	},
}

const sayNoBan = "the source goes on unbanned"

var decoyTouched = Attack{
	ID: "ban-decoys", Group: "deny", Does: "connects to the decoys, one after the other", Not: sayNoBan,
	Technique: "T1046", needs: func(p *plan) string {
		if why := decoys(p); why != "" || len(p.Ban.Decoys) >= p.Ban.Tries {
			return why
		}
		return sayFewDecoys
	},
	run: func(ctx context.Context, g *ground) error {
		from := g.outsider()
		for _, d := range g.Ban.Decoys {
			if _, err := g.try(from, d); err != nil {
				return err
			}
		}
		for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
			if banned, err := g.banned(ctx, from); err != nil || banned {
				return err
			}
			if err := wait(ctx, 200*time.Millisecond); err != nil {
				return err
			}
		}
		return shut{errors.New("who connects to decoys is not banned")}
	},
}

// flooding is how many packets a second floods have, and for how long.
const (
	flooding = 1500
	floodFor = 6 * time.Second
)

// flood sends packets evenly while a client gets in.
func (g *ground) flood(ctx context.Context, packet func() error) error {
	for began := time.Now(); time.Since(began) < floodFor; {
		for range flooding / 100 {
			if err := packet(); err != nil {
				return err
			}
		}
		if err := wait(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

func lowFlood(p *plan) { p.Detect.Flood = 200 }

var floodMessages = Attack{
	ID: "flood-messages", Group: "deny", Does: "floods the SPA port with junk from many sources, with flood at 200 a second", Not: sayVictimOut,
	Rule: "flood", Within: 15 * seconds, Technique: "T1498.001", Scaled: true, needs: messages, alter: lowFlood,
	run: func(ctx context.Context, g *ground) error {
		sources := make([]netip.Addr, 200)
		for i := range sources {
			sources[i] = g.stranger()
		}
		junk, err := g.junk()
		if err != nil {
			return err
		}
		n := 0
		err = g.flood(ctx, func() error {
			n++
			_, _ = rand.Read(junk[:32]) // it never fails (crypto/rand)
			return g.deliver(sources[n%len(sources)], junk)
		})
		if err != nil {
			return err
		}
		return g.enters(ctx, g.victim())
	},
}

var floodOnePort = Attack{
	ID: "flood-one-port", Group: "deny", Does: "floods one closed port from one source, with flood at 200 a second", Not: sayVictimOut,
	Rule: "flood", Within: 15 * seconds, Technique: "T1498.001", Scaled: true, needs: messages, alter: lowFlood,
	run: func(ctx context.Context, g *ground) error {
		from, port := g.outsider(), g.closedPorts(1, packet.TCP)[0]
		if err := g.flood(ctx, func() error { return g.send(from, port, nil) }); err != nil {
			return err
		}
		return g.enters(ctx, g.victim())
	},
}

var floodKnocks = Attack{
	ID: "flood-knocks", Group: "deny", Does: "floods the first knock of a sequence from thousands of sources, to fill the gate's memory", Not: sayVictimOut,
	Technique: "T1499", needs: static,
	run: func(ctx context.Context, g *ground) error {
		door := g.staticDoor()
		for n := range 20_000 {
			from := g.inventedFor(n)
			if err := g.send(from, door.Sequence[0], []byte{0}); err != nil {
				return err
			}
			if n%64 == 63 {
				if err := wait(ctx, time.Millisecond); err != nil {
					return err
				}
			}
		}
		honest := g.stranger()
		if err := g.knock(ctx, honest, door.Sequence); err != nil {
			return err
		}
		return g.letIn(ctx, honest, door.Name)
	},
}

// inventedFor is one of thousands of sources beyond those that strangers have.
func (g *ground) inventedFor(n int) netip.Addr {
	if g.six {
		return g.invented(uint32(1<<15 + n))
	}
	base := g.pool.Addr().As4()
	return netip.AddrFrom4([4]byte{base[0], base[1], byte(n), byte(100 + n>>8)})
}

const sayNeighbour = "nothing: behind one address, what opens for one opens for all; and no other address gets in"

var natNeighbour = Attack{
	ID: "nat-neighbour", Group: "deny", Does: "is a neighbour behind the address from which a client has just knocked", Not: sayNeighbour,
	Technique: "T1557", needs: messages,
	run: func(ctx context.Context, g *ground) error {
		victim := g.victim()
		if err := g.enters(ctx, victim); err != nil {
			return err
		}
		g.outsider()
		return nil
	},
}
