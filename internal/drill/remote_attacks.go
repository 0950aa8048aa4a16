//go:build linux

package drill

import (
	"context"
	"crypto/rand"
	"fmt"
	mrand "math/rand/v2"
	"slices"
	"time"

	"sallyport/internal/consent"
	"sallyport/internal/packet"
)

const (
	sayNoMessages = "the gate takes no messages"
	sayNoDecoys   = "bans are off, or there are fewer decoys than the tries that a ban takes"
	saySpared     = "the gate never bans this address: it is too near, or has opened a door today"
	sayTooSlow    = "a scan that is slow enough would outlast the consent"
	sayUnbanned   = "the source goes on unbanned"
	messageSize   = 144 // of a message of the suite x25519 (docs/PROTOCOL.md)
	slowTimes     = 5   // a slow scan tries so many times slow_ports
	guessed       = 40  // sequences drawn at random
)

// FromElsewhere are the attacks that --from carries out, in this order. A slow scan
// comes first, since a source that is known for a fast one is told of no more; and the
// decoys come last, since a ban ends what can be learnt.
func FromElsewhere() []Attack {
	return []Attack{
		{
			ID: "scan-slow", Group: "scan", Does: "tries one port after the other, so slowly that it is no fast scan", Not: sayNothingOpens,
			Rule: "scan-slow", Within: 15 * seconds, Technique: "T1595.001", Slow: true,
			lacks: func(t consent.Token) string {
				if time.Until(t.Ends()) < time.Duration(slowTimes*t.Slow)*between(t) {
					return sayTooSlow
				}
				return ""
			},
			send: func(ctx context.Context, g *remote) error {
				return g.knock(ctx, between(g.Token), g.closed(slowTimes*g.Slow)...)
			},
		},
		{
			ID: "scan-ordered", Group: "scan", Does: "scans ports upwards", Not: sayNothingOpens,
			Rule: "scan-fast", Within: 15 * seconds, Technique: "T1595.001", lacks: nothing,
			send: func(ctx context.Context, g *remote) error { return g.knock(ctx, 0, g.scanned()...) },
		},
		{
			ID: "scan-shuffled", Group: "scan", Does: "scans the same ports in no order", Not: sayNothingOpens,
			Rule: "scan-fast", Within: 15 * seconds, Technique: "T1595.001", lacks: nothing,
			send: func(ctx context.Context, g *remote) error {
				ports := g.scanned()
				mrand.Shuffle(len(ports), func(i, j int) { ports[i], ports[j] = ports[j], ports[i] })
				return g.knock(ctx, 0, ports...)
			},
		},
		{
			ID: "guess-blind", Group: "guess", Does: "knocks forty sequences drawn at random", Not: sayNothingOpens,
			Rule: "scan-fast", Within: 15 * seconds, Technique: "T1110.001", lacks: nothing,
			send: guessFromElsewhere,
		},
		{
			ID: "probe-message-port", Group: "probe", Does: "sends junk of every length to the SPA port, and listens for an answer", Not: sayAnswers,
			Technique: "T1595.001", send: junkFromElsewhere,
			lacks: func(t consent.Token) string {
				if t.SPA == 0 {
					return sayNoMessages
				}
				return ""
			},
		},
		{
			ID: "probe-door", Group: "probe", Does: "connects to every door, and looks whether it answers as the configuration says that closed ports do", Not: sayDiffers,
			Technique: "T1046", lacks: nothing,
			send: func(ctx context.Context, g *remote) error { return g.differs(ctx) },
		},
		{
			ID: "ban-decoys", Group: "deny", Does: "connects to the decoys, one after the other", Not: sayUnbanned,
			Technique: "T1046", send: decoysFromElsewhere,
			lacks: func(t consent.Token) string {
				if t.Spared {
					return saySpared
				}
				if len(t.Decoys) == 0 || len(t.Decoys) < t.Tries {
					return sayNoDecoys
				}
				return ""
			},
		},
	}
}

func nothing(consent.Token) string { return "" }

func guessFromElsewhere(ctx context.Context, g *remote) error {
	for range guessed {
		for range 4 {
			p := packet.Port{Proto: packet.TCP, Number: 1024 + uint16(mrand.N(31000))}
			if slices.Contains(g.Decoys, p) {
				continue
			}
			if err := g.knock(ctx, 0, p); err != nil {
				return err
			}
		}
	}
	return nil
}

func junkFromElsewhere(ctx context.Context, g *remote) error {
	junk := make([]byte, 1200)
	for _, n := range []int{0, 1, 20, messageSize, messageSize + 1, 1200} {
		_, _ = rand.Read(junk) // it never fails (crypto/rand)
		if err := g.pace.take(ctx, costDatagram); err != nil {
			return err
		}
		answered, err := g.hear(ctx, g.SPA, junk[:n])
		if err != nil {
			return err
		}
		if answered {
			return shut{fmt.Errorf("the SPA port answers a stranger's %d bytes", n)}
		}
	}
	return nil
}

func decoysFromElsewhere(ctx context.Context, g *remote) error {
	for _, p := range g.Decoys {
		if _, err := g.try(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// between is how far apart the ports of a slow scan are: a third of what would be a
// fast one.
func between(t consent.Token) time.Duration {
	return time.Duration(t.Window) * time.Second / time.Duration(max(1, min(t.Scan, t.Slow)/3))
}
