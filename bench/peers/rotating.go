//go:build linux

package peers

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"sallyport/bench/internal/probe"
	"sallyport/internal/packet"
	"sallyport/internal/replay/disk"
	rotating "sallyport/internal/sequence"
	"sallyport/internal/spent"
)

// Rotating is the real daemon with rotating sequences of five knocks. As each
// step of half a minute opens the door once for a client, every knock is that of
// the next of many clients.
type Rotating struct {
	Program string // path of the program
}

// Name implements System.
func (r Rotating) Name() string { return "sallyport (rotating)" }

// Programs implements System.
func (r Rotating) Programs() []string { return []string{r.Program} }

// rotatingClients is more than knock within the three steps that are accepted.
const rotatingClients = 1000

// Start implements System. It returns when the daemon says that it is ready.
func (r Rotating) Start(ctx context.Context, site Site) (*Server, error) {
	shape := rotating.DefaultShape
	shape.Protos = rotating.OnlyUDP // as the knocks of the others
	secrets := make([]rotating.Secret, rotatingClients)
	var clients strings.Builder
	for i := range secrets {
		var random [20]byte
		_, _ = rand.Read(random[:])
		secrets[i] = rotating.NewSecret(random)
		fmt.Fprintf(&clients, "\n[[client]]\nname = \"client-%d\"\ndoors = [\"door\"]\nrotating = %q\n", i, secrets[i].Text())
	}
	if err := makeStore(site.Dir, "spent", func(d *disk.Dir) error { return spent.Create(d) }); err != nil {
		return nil, err
	}
	server, err := serve(ctx, site, r.Program, r.Name(), map[string]string{
		"sallyport.toml": settings(site.Dir, "all") + "\n[rotating]\nproto = \"udp\"\nwithin = \"5s\"\n\n" +
			fmt.Sprintf("[[door]]\nname = \"door\"\nports = [\"udp/%d\"]\nopen_for = \"1s\"\n", Door) + clients.String(),
	})
	if err != nil {
		return nil, err
	}
	next := 0
	server.Knock = func(context.Context, netip.Addr) (probe.Knock, error) {
		for {
			secret := secrets[next%len(secrets)]
			next++
			ports := rotating.NewRotation(secret, shape).Knocks("door", rotating.StepAt(time.Now()))
			// A knock on a port in use does not count.
			if !slices.Contains(ports, packet.Port{Proto: packet.UDP, Number: Door}) {
				return knocksOn(ports), nil
			}
		}
	}
	server.Junk = firstKnocks
	return server, nil
}

func knocksOn(ports []packet.Port) (k probe.Knock) {
	for _, p := range ports {
		k = append(k, probe.Packet{Port: p.Number})
	}
	return k
}
