//go:build linux

package drill

import (
	"context"
	"slices"

	"sallyport/internal/packet"
)

// wrong is a port that is no knock.
func (g *ground) wrong() packet.Port {
	ports := g.closedPorts(40, packet.TCP)
	g.serial++
	return ports[int(g.serial)%len(ports)]
}

var guessBegun = Attack{
	ID: "guess-begun", Group: "guess", Does: "knows the first knock and guesses the rest again and again", Not: sayNothingOpens,
	Rule: "guessing", Within: 15 * seconds, Technique: "T1110.001", needs: static,
	run: func(ctx context.Context, g *ground) error {
		from, door := g.outsider(), g.staticDoor()
		wrong := g.closedPorts(2, packet.TCP) // few, or it is a scan
		for i := range 2*g.Detect.Guesses + 24 {
			if err := g.knock(ctx, from, []packet.Port{door.Sequence[0], wrong[i%2]}); err != nil {
				return err
			}
		}
		return nil
	},
}

var guessBlind = Attack{
	ID: "guess-blind", Group: "guess", Does: "knocks two hundred sequences drawn at random", Not: sayNothingOpens,
	Rule: "scan-fast", Within: 15 * seconds, Technique: "T1110.001",
	run: func(ctx context.Context, g *ground) error {
		from := g.outsider()
		for range 200 {
			knocks, err := g.freshKnocks(4)
			if err != nil {
				return err
			}
			if err := g.sweep(ctx, from, knocks, 1); err != nil {
				return err
			}
		}
		return nil
	},
}

var nearMiss = Attack{
	ID: "guess-last", Group: "guess", Does: "knows every knock but the last, and tries again and again", Not: sayNothingOpens,
	Rule: "near-miss", Within: 15 * seconds, Technique: "T1040", needs: static,
	run: func(ctx context.Context, g *ground) error {
		from, door := g.outsider(), g.staticDoor()
		wrong := g.wrong()
		for range 2*g.Detect.NearMisses + 2 {
			knocks := append(slices.Clone(door.Sequence[:len(door.Sequence)-1]), wrong)
			if err := g.knock(ctx, from, knocks); err != nil {
				return err
			}
		}
		return nil
	},
}

var wrongOrder = Attack{
	ID: "guess-order", Group: "guess", Does: "knows all knocks, and not their order", Not: sayNothingOpens,
	Technique: "T1110.001", needs: static,
	run: func(ctx context.Context, g *ground) error {
		knocks := slices.Clone(g.staticDoor().Sequence)
		slices.Reverse(knocks)
		return g.knock(ctx, g.outsider(), knocks)
	},
}
