//go:build linux

package drill

import (
	"context"

	"sallyport/internal/packet"
)

const sayKnown = "nothing: it opens, for a static sequence is no secret to those who hear it"

var overheardStatic = Attack{
	ID: "overheard-static", Group: "overheard", Does: "has overheard a static sequence, and knocks it", Not: sayKnown,
	Technique: "T1040", needs: static,
	run: func(ctx context.Context, g *ground) error {
		door, thief := g.staticDoor(), g.stranger()
		if err := g.knock(ctx, thief, door.Sequence); err != nil {
			return err
		}
		if err := g.letIn(ctx, thief, door.Name); err != nil {
			return err
		}
		g.outsiders = append(g.outsiders, g.stranger()) // it opens for one address, and no other
		return nil
	},
}

var overheardRotating = Attack{
	ID: "overheard-rotating", Group: "overheard", Does: "overhears a rotating sequence, and knocks it at once from elsewhere", Not: sayNothingOpens,
	Rule: "replay", Within: 15 * seconds, Technique: "T1040", needs: all(rotating, widened),
	run: func(ctx context.Context, g *ground) error {
		c := g.rotator()
		from, _ := g.homeOf(c)
		knocks := g.rotation(c, g.doorOf(c), 0)
		if err := g.knock(ctx, from, knocks); err != nil {
			return err
		}
		if err := g.letIn(ctx, from, g.doorOf(c)); err != nil {
			return err
		}
		return g.again(ctx, 6, knocks)
	},
}

// again has a stranger knock the same several times.
func (g *ground) again(ctx context.Context, times int, knocks []packet.Port) error {
	thief := g.outsider()
	for range times {
		if err := g.knock(ctx, thief, knocks); err != nil {
			return err
		}
	}
	return nil
}

var rotatingLate = Attack{
	ID: "overheard-late", Group: "overheard", Does: "knocks a rotating sequence that it has overheard ten minutes ago", Not: sayNothingOpens,
	Technique: "T1040", needs: rotating,
	run: func(ctx context.Context, g *ground) error {
		c := g.rotator()
		return g.again(ctx, 2, g.rotation(c, g.doorOf(c), -20))
	},
}

var overheardOneTime = Attack{
	ID: "overheard-one-time", Group: "overheard", Does: "overhears a one-time sequence, and knocks it again", Not: sayNothingOpens,
	Rule: "replay", Within: 15 * seconds, Technique: "T1040", needs: all(oneTime, widened),
	run: func(ctx context.Context, g *ground) error {
		door, from := g.listDoor(), g.stranger()
		if err := g.knock(ctx, from, door.OneTime[0].Knocks); err != nil {
			return err
		}
		if err := g.letIn(ctx, from, door.Name); err != nil {
			return err
		}
		return g.again(ctx, 6, door.OneTime[0].Knocks)
	},
}

var oneTimeSkipped = Attack{
	ID: "one-time-ahead", Group: "overheard", Does: "has the end of a list of one-time sequences, and knocks one whose turn has not come", Not: sayNothingOpens,
	Technique: "T1552", needs: oneTime,
	run: func(ctx context.Context, g *ground) error {
		return g.again(ctx, 1, g.listDoor().OneTime[oneTimes-1].Knocks)
	},
}
