//go:build linux

package drill

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/config"
	"sallyport/internal/packet"
	"sallyport/internal/sequence"
	"sallyport/internal/sshauth"
)

// maxClients is how many clients a drill takes: attacks concern one or two.
const maxClients = 64

// oneTimes is how many one-time sequences a door gets in place of its own.
const oneTimes = 3

// plan is the gate that is attacked: what is taken of a configuration, with
// secrets of its own.
type plan struct {
	config.Config
	signers map[string]ssh.Signer // by client
	secrets map[string]sequence.Secret
	hours   map[string]string // of doors, in the attack on them
	six     bool              // it is attacked over IPv6
	pool    netip.Prefix      // where strangers are
	serial  uint32            // of the last address taken
	expired string            // the client that the attack on expiry has expired
}

// take makes a plan of a configuration. Every plan has secrets of its own.
func take(cfg *config.Config, six bool, now time.Time) (*plan, error) {
	p := &plan{six: six, Config: config.Config{
		Gate:     config.Gate{Name: cfg.Gate.Name, Policy: cfg.Gate.Policy, Public: cfg.Gate.Public, Closed: cfg.Gate.Closed},
		SPA:      config.SPA{Port: cfg.SPA.Port, ClockSkew: cfg.SPA.ClockSkew, Ack: cfg.SPA.Ack, RequireBound: cfg.SPA.RequireBound, STUN: cfg.SPA.STUN},
		Rotating: cfg.Rotating,
		Journal:  config.Journal{Chain: cfg.Journal.Chain},
		Detect:   cfg.Detect,
		Ban:      cfg.Ban,
		Doors:    slices.Clone(cfg.Doors),
		Groups:   slices.Clone(cfg.Groups),
	}, signers: make(map[string]ssh.Signer), secrets: make(map[string]sequence.Secret), hours: make(map[string]string)}
	p.Detect.SSHLog, p.Detect.GeoIP = "", ""
	if len(p.Doors) == 0 {
		return nil, errors.New("the configuration has no door to attack")
	}
	if err := p.choosePool(cfg); err != nil {
		return nil, err
	}
	for _, t := range cfg.Gate.Trusted {
		if !slices.ContainsFunc(p.lab(), t.Overlaps) {
			p.Gate.Trusted = append(p.Gate.Trusted, t)
		}
	}
	if err := p.takeDoors(now); err != nil {
		return nil, err
	}
	return p, p.takeClients(cfg.Clients)
}

func (p *plan) takeDoors(now time.Time) error {
	for i := range p.Doors {
		d := &p.Doors[i]
		d.Hours, d.To = config.Hours{}, nil
		if !now.Before(d.PreviousUntil) {
			d.Previous = nil
		}
		if d.SequencesFile == "" {
			continue
		}
		d.OneTime = nil
		for range oneTimes {
			knocks, err := p.freshKnocks(5)
			if err != nil {
				return err
			}
			d.OneTime = append(d.OneTime, config.OneTime{Knocks: knocks})
		}
	}
	return nil
}

// takeClients gives each client a fresh key, a fresh secret, or both.
func (p *plan) takeClients(clients []config.Client) error {
	for _, c := range clients {
		if len(p.Clients) == maxClients {
			break
		}
		if c.Key == nil && c.Rotating.Current.IsZero() {
			continue // it has fwknop's keys only
		}
		if c.Key != nil {
			signer, err := newSigner()
			if err != nil {
				return err
			}
			p.signers[c.Name], c.Key = signer, signer.PublicKey()
		}
		if !c.Rotating.Current.IsZero() {
			var random [20]byte
			if _, err := rand.Read(random[:]); err != nil {
				return err
			}
			p.secrets[c.Name] = sequence.NewSecret(random)
		}
		c.Hours = config.Hours{}
		p.Clients = append(p.Clients, c)
	}
	return nil
}

func newSigner() (ssh.Signer, error) {
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, err
	}
	return ssh.NewSignerFromKey(private)
}

// freshKnocks draws a sequence of ports that mean nothing else.
func (p *plan) freshKnocks(n int) ([]packet.Port, error) {
	var list []packet.Port
	for len(list) < n {
		var b [2]byte
		if _, err := rand.Read(b[:]); err != nil {
			return nil, err
		}
		port := packet.Port{Proto: packet.TCP, Number: 1024 + binary.BigEndian.Uint16(b[:])%31000}
		if !p.used(port) && !slices.Contains(list, port) && !sequence.Refused(port.Number) {
			list = append(list, port)
		}
	}
	slices.SortFunc(list[1:], func(a, b packet.Port) int { return int(b.Number) - int(a.Number) }) // never in the order of a scan
	return list, nil
}

// used reports whether a port means something to the gate.
func (p *plan) used(port packet.Port) bool {
	for _, d := range p.Doors {
		if slices.Contains(d.Ports, port) || slices.Contains(d.Sequence, port) || slices.Contains(d.Previous, port) ||
			slices.ContainsFunc(d.OneTime, func(o config.OneTime) bool { return slices.Contains(o.Knocks, port) }) {
			return true
		}
	}
	for _, g := range p.Groups {
		if slices.Contains(g.Sequence, port) {
			return true
		}
	}
	return slices.Contains(p.Ban.Decoys, port) || slices.Contains(p.Gate.Public, port) || p.SPA.Port == port.Number
}

// pools are where strangers may live: none of them is on the Internet (RFC 2544,
// RFC 6598, RFC 1918; of IPv6 RFC 9637 and RFC 4193). Each of IPv6 has 65,536 prefixes
// of 48 bits, which is the most that one customer has.
var (
	pools4 = []string{"198.18.0.0/16", "198.19.0.0/16", "100.127.0.0/16", "10.254.0.0/16", "172.30.0.0/16", "10.253.0.0/16"}
	pools6 = []string{"3fff:f00::/32", "fd53:a11e::/32", "fd0a:7e57::/32"}
)

// choosePool finds addresses that nothing in the configuration speaks of.
func (p *plan) choosePool(cfg *config.Config) error {
	pools := pools4
	if p.six {
		pools = pools6
	}
	for _, text := range pools {
		pool := netip.MustParsePrefix(text)
		named := slices.ContainsFunc(cfg.Gate.Trusted, pool.Overlaps)
		for _, c := range cfg.Clients {
			named = named || !c.From.IsZero() && slices.ContainsFunc(c.From.Allowed(), func(f netip.Prefix) bool { return f.Bits() > 0 && f.Overlaps(pool) })
		}
		if !named {
			p.pool = pool
			return nil
		}
	}
	return fmt.Errorf("trusted and from leave no addresses for strangers: all of %q are named", pools)
}

// lab lists the prefixes of the lab.
func (p *plan) lab() []netip.Prefix {
	list := []netip.Prefix{p.pool}
	for _, text := range []string{"192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8:1::/64", "2001:db8:2::/64", "2001:db8:3::/64"} {
		list = append(list, netip.MustParsePrefix(text))
	}
	return list
}

// stranger returns an address that nobody has had. Each is in another /24, or /48: a
// door may widen grants.
func (p *plan) stranger() netip.Addr {
	p.serial++
	if p.six {
		return p.invented(p.serial)
	}
	b := p.pool.Addr().As4()
	b[2], b[3] = byte(p.serial), byte(7+p.serial>>8)
	return netip.AddrFrom4(b)
}

// invented returns the address of an IPv6 pool with a number, in a /48 of its own.
func (p *plan) invented(n uint32) netip.Addr {
	b := p.pool.Addr().As16()
	binary.BigEndian.PutUint16(b[4:], uint16(n))
	b[15] = 7 + byte(n>>16)
	return netip.AddrFrom16(b)
}

// homeOf returns an address that a client may knock from.
func (p *plan) homeOf(c *config.Client) (netip.Addr, bool) {
	if c.From.IsZero() {
		return p.stranger(), true
	}
	for _, f := range c.From.Allowed() {
		if f.Addr().Is6() != p.six {
			continue
		}
		for a, n := f.Addr(), 0; f.Contains(a) && n < 300; a, n = a.Next(), n+1 {
			last := a.AsSlice()[a.BitLen()/8-1]
			inLab := slices.ContainsFunc(p.lab(), func(l netip.Prefix) bool { return l.Contains(a) && last < 7 })
			if (last != 0 || f.IsSingleIP()) && !inLab && a.IsGlobalUnicast() && c.From.Allows(a) {
				return a, true
			}
		}
	}
	return netip.Addr{}, false
}

// named returns a client by its name.
func (p *plan) named(name string) *config.Client {
	for i := range p.Clients {
		if p.Clients[i].Name == name {
			return &p.Clients[i]
		}
	}
	return nil
}

// only restricts a client to a prefix.
func only(prefix netip.Prefix) sshauth.From { return sshauth.FromPrefixes([]netip.Prefix{prefix}) }
