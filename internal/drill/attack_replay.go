//go:build linux

package drill

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"

	"sallyport/internal/config"
)

const sayInterception = "the attacker gets in, or the door stays open for the one who was overheard"

// overhear has a client open its door, and returns the message and where it came from.
func (g *ground) overhear(ctx context.Context, bound bool) (c *config.Client, from netip.Addr, datagram []byte, err error) {
	c = g.owner()
	from, _ = g.homeOf(c)
	m := g.own(c, from)
	if !bound {
		m.bound = netip.Addr{}
	}
	if datagram, err = g.seal(m); err != nil {
		return nil, from, nil, err
	}
	if err = g.deliver(from, datagram); err != nil {
		return nil, from, nil, err
	}
	return c, from, datagram, g.letIn(ctx, from, m.door)
}

// repeat delivers the same message several times.
func (g *ground) repeat(ctx context.Context, from netip.Addr, datagram []byte, times int) error {
	for range times {
		if err := g.deliver(from, datagram); err != nil {
			return err
		}
		if err := wait(ctx, apart); err != nil {
			return err
		}
	}
	return nil
}

var replaySame = Attack{
	ID: "replay-same", Group: "replay", Does: "sends a recorded message again from the same address, when its grant is over", Not: sayNothingOpens,
	Rule: "replay", Within: 15 * seconds, Technique: "T1040", needs: messages,
	run: func(ctx context.Context, g *ground) error {
		_, from, datagram, err := g.overhear(ctx, true)
		if err == nil {
			err = g.ends(ctx)
		}
		if err != nil {
			return err
		}
		g.outsiders = append(g.outsiders, from)
		return g.repeat(ctx, from, datagram, 6)
	},
}

var replayElsewhere = Attack{
	ID: "replay-elsewhere", Group: "replay", Does: "sends a recorded message, bound to its address, from another one", Not: sayNothingOpens,
	Rule: "replay", Within: 15 * seconds, Technique: "T1040", needs: all(messages, widened),
	run: func(ctx context.Context, g *ground) error {
		_, _, datagram, err := g.overhear(ctx, true)
		if err != nil {
			return err
		}
		return g.repeat(ctx, g.outsider(), datagram, 6)
	},
}

var interception = Attack{
	ID: "interception", Group: "replay", Does: "sends an unbound message again from its own address", Not: sayInterception,
	Rule: "interception", Within: 15 * seconds, Technique: "T1557", needs: all(messages, unbound, widened),
	run: func(ctx context.Context, g *ground) error {
		_, from, datagram, err := g.overhear(ctx, false)
		if err != nil {
			return err
		}
		if err := g.repeat(ctx, g.outsider(), datagram, 2); err != nil {
			return err
		}
		return g.shutsOut(ctx, from)
	},
}

var heldBack = Attack{
	ID: "held-back", Group: "replay", Does: "holds a bound message back on its way, and uses it from its own address", Not: sayNothingOpens,
	Technique: "T1557", needs: messages,
	run: func(ctx context.Context, g *ground) error {
		c := g.owner()
		from, _ := g.homeOf(c)
		datagram, err := g.seal(g.own(c, from))
		if err != nil {
			return err
		}
		return g.repeat(ctx, g.outsider(), datagram, 2)
	},
}

var replayAfterRestart = Attack{
	ID: "replay-restart", Group: "replay", Does: "waits until the daemon has been killed and started, and sends a recorded message again", Not: sayNothingOpens,
	Rule: "replay", Within: 15 * seconds, Technique: "T1040", needs: messages,
	run: func(ctx context.Context, g *ground) error {
		_, from, datagram, err := g.overhear(ctx, true)
		if err != nil {
			return err
		}
		g.kill()
		if err := g.start(); err != nil {
			return err
		}
		if err := g.ends(ctx); err != nil {
			return err
		}
		g.outsiders = append(g.outsiders, from)
		return g.repeat(ctx, from, datagram, 6)
	},
}

var replayAfterLoss = Attack{
	ID: "replay-loss", Group: "replay", Does: "waits until the memory of used messages is lost, and sends a recorded one again", Not: sayNothingOpens,
	Technique: "T1070", needs: messages,
	run: func(ctx context.Context, g *ground) error {
		_, from, datagram, err := g.overhear(ctx, true)
		if err == nil {
			err = g.ends(ctx)
		}
		if err != nil {
			return err
		}
		g.kill()
		if err := g.forget(); err != nil {
			return err
		}
		if err := g.start(); err != nil {
			return err
		}
		g.outsiders = append(g.outsiders, from)
		return g.repeat(ctx, from, datagram, 3)
	},
}

// forget removes everything that the daemon keeps but its key.
func (g *ground) forget() error {
	files, err := os.ReadDir(g.served.State())
	for _, f := range files {
		if f.Name() != "server.key" {
			err = errors.Join(err, os.RemoveAll(filepath.Join(g.served.State(), f.Name())))
		}
	}
	return err
}
