//go:build linux

package drill

import (
	"context"
	"crypto/rand"
	"net/netip"
	"slices"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/sequence"
)

const sayOwnKeyOpens = "nothing: it opens until the client is removed, and the finding says so"

var strangerKey = Attack{
	ID: "stolen-server-key", Group: "stolen", Does: "has the server's public key, and makes messages with a key of its own", Not: sayNothingOpens,
	Rule: "unknown-client", Within: 15 * seconds, Technique: "T1552.004", needs: messages,
	run: func(ctx context.Context, g *ground) error {
		signer, err := newSigner()
		if err != nil {
			return err
		}
		from := g.outsider()
		datagram, err := g.seal(message{signer: signer, door: g.doorOf(g.owner()), bound: from})
		if err != nil {
			return err
		}
		return g.repeat(ctx, from, datagram, 1)
	},
}

var borrowedName = Attack{
	ID: "stolen-name", Group: "stolen", Does: "uses a client's name with another key", Not: sayNothingOpens,
	Rule: "unknown-client", Within: 15 * seconds, Technique: "T1552.004", needs: messages,
	run: func(ctx context.Context, g *ground) error {
		signer, err := newSigner()
		if err != nil {
			return err
		}
		from := g.outsider()
		if from2, ok := g.homeOf(g.owner()); ok && !g.owner().From.IsZero() { // it is where it may be, and has the wrong key all the same
			from = from2
			g.outsiders = append(g.outsiders, from)
		}
		datagram, err := g.seal(message{client: g.owner().Name, signer: signer, door: g.doorOf(g.owner()), bound: from})
		if err != nil {
			return err
		}
		return g.repeat(ctx, from, datagram, 1)
	},
}

var stolenKey = Attack{
	ID: "stolen-client-key", Group: "stolen", Does: "has a client's private key, and uses it from another network beside its owner", Not: sayOwnKeyOpens,
	Rule: "two-places", Within: 15 * seconds, Technique: "T1078", needs: messages,
	alter: func(p *plan) { c := p.owner(); c.From, c.Most = only(p.pool), 0 },
	run: func(ctx context.Context, g *ground) error {
		c := g.owner()
		places := []netip.Addr{g.stranger(), g.stranger()}
		places[1] = places[1].Next()
		for i := range 8 {
			from := places[i%2]
			m := g.own(c, from)
			datagram, err := g.seal(m)
			if err != nil {
				return err
			}
			if err := g.deliver(from, datagram); err != nil {
				return err
			}
			if err := g.letIn(ctx, from, m.door); err != nil {
				return err
			}
			if err := wait(ctx, 100*time.Millisecond); err != nil {
				return err
			}
		}
		return nil
	},
}

var stolenProfile = Attack{
	ID: "stolen-profile", Group: "stolen", Does: "has a client's profile with its rotating secret, from before the secret was changed", Not: sayNothingOpens,
	Technique: "T1552.001", needs: rotating,
	run: func(ctx context.Context, g *ground) error {
		c := g.rotator()
		old := g.secrets[c.Name]
		var random [20]byte
		if _, err := rand.Read(random[:]); err != nil {
			return err
		}
		g.secrets[c.Name] = sequence.NewSecret(random)
		if _, err := g.write(g.served.Dir); err != nil {
			return err
		}
		if err := g.control.Reload(ctx); err != nil {
			return err
		}
		g.secrets[c.Name] = old
		return g.again(ctx, 2, g.rotation(c, g.doorOf(c), 0))
	},
}

var removedClient = Attack{
	ID: "removed-client", Group: "stolen", Does: "was a client until the configuration was reloaded without it", Not: sayNothingOpens,
	Rule: "unknown-client", Within: 15 * seconds, Technique: "T1078", needs: messages,
	run: func(ctx context.Context, g *ground) error {
		c := *g.owner()
		from, _ := g.homeOf(&c)
		g.Clients = slices.DeleteFunc(g.Clients, func(o config.Client) bool { return o.Name == c.Name })
		if _, err := g.write(g.served.Dir); err != nil {
			return err
		}
		if err := g.control.Reload(ctx); err != nil {
			return err
		}
		g.outsiders = append(g.outsiders, from)
		datagram, err := g.seal(g.own(&c, from))
		if err != nil {
			return err
		}
		return g.repeat(ctx, from, datagram, 1)
	},
}
