//go:build linux

package drill

import (
	"context"
	"crypto/rand"
	"fmt"
	mrand "math/rand/v2"

	"sallyport/internal/config"
	"sallyport/internal/lab"
)

const (
	sayAnswers = "an answer comes"
	sayDiffers = "the answer gives the door away"
	sayStops   = "the daemon stops, or a door opens"
)

var probeMessagePort = Attack{
	ID: "probe-message-port", Group: "probe", Does: "sends junk of every length to the SPA port, and listens for an answer", Not: sayAnswers,
	Technique: "T1595.001", needs: messages,
	run: func(ctx context.Context, g *ground) error {
		from := g.outsider()
		likely, err := g.junk()
		if err != nil {
			return err
		}
		for _, n := range []int{0, 1, 20, 150, len(likely), 1200} {
			junk := append(likely[:min(n, len(likely)):min(n, len(likely))], make([]byte, max(0, n-len(likely)))...)
			answered, err := g.hear(from, g.SPA.Port, junk)
			if err != nil {
				return err
			}
			if answered {
				return shut{fmt.Errorf("the SPA port answers a stranger's %d bytes", n)}
			}
		}
		return nil
	},
}

var probeDoor = Attack{
	ID: "probe-door", Group: "probe", Does: "connects to every door, and looks whether it answers as the configuration says that closed ports do", Not: sayDiffers,
	Technique: "T1046",
	run: func(_ context.Context, g *ground) error {
		from, want := g.outsider(), lab.Silent
		if g.Gate.Closed == config.ClosedReject {
			want = lab.Refused
		}
		for _, d := range g.tried() {
			got, err := g.try(from, d.Ports[0])
			if err != nil {
				return err
			}
			if got != want {
				return shut{fmt.Errorf("door %q is %s for a stranger, want %s", d.Name, got, want)}
			}
		}
		return nil
	},
}

var malformed = Attack{
	ID: "malformed", Group: "probe", Does: "sends twenty thousand packets that are cut off, overlong or of any protocol", Not: sayStops,
	Technique: "T1499.004",
	run: func(ctx context.Context, g *ground) error {
		from := g.outsider()
		for i := range 20_000 {
			segment := make([]byte, mrand.N(60))
			_, _ = rand.Read(segment)                                      // it never fails (crypto/rand)
			protocol := []byte{6, 17, 1, 0, 47, 132, 58, 44, byte(i)}[i%9] // 0, 44 and 58 mean something in IPv6
			if err := g.sendRaw(from, protocol, segment); err != nil {
				return err
			}
			if i%64 == 63 {
				if err := wait(ctx, 1e6); err != nil {
					return err
				}
			}
		}
		if _, err := g.control.Status(ctx); err != nil {
			return shut{fmt.Errorf("the daemon does not answer any more: %w", err)}
		}
		if d := g.staticDoor(); d != nil {
			honest := g.stranger()
			if err := g.knock(ctx, honest, d.Sequence); err != nil {
				return err
			}
			return g.letIn(ctx, honest, d.Name)
		}
		return nil
	},
}
