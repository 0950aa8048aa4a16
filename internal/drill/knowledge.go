//go:build linux

package drill

import (
	"crypto/rand"
	"net/netip"
	"path/filepath"
	"time"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/config"
	"sallyport/internal/key"
	"sallyport/internal/keyfile"
	"sallyport/internal/packet"
	"sallyport/internal/sequence"
	"sallyport/internal/spa"
	"sallyport/internal/sshauth"
)

// What a configuration may lack.
const (
	sayNoHashes  = "the journal carries no hashes"
	sayFewDecoys = "there are fewer decoys than it takes to be banned"
	sayNoStatic  = "no door has a static sequence of three knocks or more"
	sayNoOwner   = "no client has a key that works now, and addresses of the family to knock from"
	sayNoRotator = "no client has a rotating secret that works now"
	sayNoList    = "no door has one-time sequences"
	sayOnlyBound = "messages must name their address"
	sayNoBans    = "nobody is banned, or there are no decoys"
	sayWide      = "grants of a door are for whole networks"
	sayOneDoor   = "there is one door only"
	sayNoSPA     = "SPA is off"
)

// all makes one need of several: the first that is not met.
func all(list ...func(*plan) string) func(*plan) string {
	return func(p *plan) string {
		for _, need := range list {
			if why := need(p); why != "" {
				return why
			}
		}
		return ""
	}
}

func static(p *plan) string {
	if p.staticDoor() == nil {
		return sayNoStatic
	}
	return ""
}

func messages(p *plan) string {
	switch {
	case p.SPA.Port == 0:
		return sayNoSPA
	case p.owner() == nil:
		return sayNoOwner
	}
	return ""
}

func rotating(p *plan) string {
	if p.rotator() == nil {
		return sayNoRotator
	}
	return ""
}

func oneTime(p *plan) string {
	if p.listDoor() == nil {
		return sayNoList
	}
	return ""
}

func unbound(p *plan) string {
	if p.SPA.RequireBound {
		return sayOnlyBound
	}
	return ""
}

func decoys(p *plan) string {
	if !p.Ban.Enabled || len(p.Ban.Decoys) == 0 {
		return sayNoBans
	}
	return ""
}

func widened(p *plan) string {
	for _, d := range p.Doors {
		if !p.six && d.Widen4 != 0 && d.Widen4 < 24 || p.six && d.Widen6 != 0 && d.Widen6 < 48 {
			return sayWide
		}
	}
	return ""
}

// staticDoor is a door with a sequence long enough to be attacked in parts.
func (p *plan) staticDoor() *config.Door {
	for i := range p.Doors {
		if len(p.Doors[i].Sequence) >= 3 && i < 24 {
			return &p.Doors[i]
		}
	}
	return nil
}

func (p *plan) listDoor() *config.Door {
	for i := range p.Doors {
		if len(p.Doors[i].OneTime) > 0 && i < 24 {
			return &p.Doors[i]
		}
	}
	return nil
}

// owner is a client with a key, whose messages may have the suite of the server's
// key in a drill.
func (p *plan) owner() *config.Client {
	return p.client(func(c *config.Client) bool { return p.signers[c.Name] != nil && c.MayUse(key.Hybrid) })
}

// rotator is a client with a rotating secret.
func (p *plan) rotator() *config.Client {
	return p.client(func(c *config.Client) bool { return !p.secrets[c.Name].IsZero() })
}

func (p *plan) client(fits func(*config.Client) bool) *config.Client {
	for i := range p.Clients {
		c := &p.Clients[i]
		live := c.Expires.IsZero() || time.Until(c.Expires) > time.Hour
		if _, ok := p.homeOf(c); ok && live && fits(c) && p.doorOf(c) != "" {
			return c
		}
	}
	return nil
}

// doorOf is a door that a client may open and that is tried.
func (p *plan) doorOf(c *config.Client) string {
	for i := range p.Doors[:min(len(p.Doors), 24)] {
		for _, name := range c.Doors {
			if name == p.Doors[i].Name {
				return name
			}
		}
	}
	return ""
}

// message is what goes into a message, as far as attacks change it.
type message struct {
	client string // whose name it has; empty: the signer's own
	signer ssh.Signer
	door   string
	bound  netip.Addr // zero: it names no address
	off    time.Duration
	brief  uint16 // seconds; 0: as long as usual
}

// seal makes a message with the server's public key, as a client does.
func (g *ground) seal(m message) ([]byte, error) {
	ring, err := keyfile.Load(filepath.Join(g.served.State(), "server.key"))
	if err != nil {
		return nil, err
	}
	id := sshauth.ID(m.signer.PublicKey())
	if m.client != "" {
		id = sshauth.ID(g.signers[m.client].PublicKey())
	}
	h := spa.Header{Op: spa.Open, Client: id, Door: spa.DoorID(m.door), Time: time.Now().Add(m.off), Seconds: m.brief}
	sealed, err := spa.Seal(ring.Current().Public(), h, m.bound, prover{m.signer})
	if err != nil {
		return nil, err
	}
	return sealed.Datagram, nil
}

// prover makes proofs with an SSH key of the drill.
type prover struct{ ssh.Signer }

func (p prover) ProofSize() int {
	n, err := sshauth.ProofSize(p.PublicKey())
	if err != nil {
		panic(err) // the key is ours, of a kind that has proofs
	}
	return n
}

func (p prover) Prove(text []byte) ([]byte, error) { return sshauth.Sign(p.Signer, text) }

// deliver sends a message from any address.
func (g *ground) deliver(from netip.Addr, datagram []byte) error {
	return g.send(from, packet.Port{Proto: packet.UDP, Number: g.SPA.Port}, datagram)
}

// junk is noise as long as a message: other lengths are dropped before anyone
// judges them.
func (g *ground) junk() ([]byte, error) {
	junk, err := g.seal(g.own(g.owner(), g.victim()))
	if err != nil {
		return nil, err
	}
	_, err = rand.Read(junk)
	return junk, err
}

// own is the message that a client would send now, bound to its address.
func (g *ground) own(c *config.Client, from netip.Addr) message {
	return message{signer: g.signers[c.Name], door: g.doorOf(c), bound: from}
}

// rotation is a client's rotating sequence, so many steps from now.
func (g *ground) rotation(c *config.Client, door string, steps int64) []packet.Port {
	return sequence.NewRotation(g.secrets[c.Name].At(g.Gate.Name), g.Rotating.Shape).Knocks(door, sequence.StepAt(time.Now())+steps)
}
