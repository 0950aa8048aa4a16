//go:build linux

package drill

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/event"
	"sallyport/internal/gate"
	"sallyport/internal/key"
	"sallyport/internal/packet"
	"sallyport/internal/replay"
	"sallyport/internal/replay/disk"
	"sallyport/internal/sequence"
	"sallyport/internal/spa"
	"sallyport/internal/spent"
	"sallyport/internal/sshauth"
)

var clockSetBack = Attack{
	ID: "clock-set-back", Group: "simulated", Does: "sets the clock of the gate back by an hour, and sends a recorded message and recorded knocks until their time has come again", Not: sayNothingOpens,
	Technique: "T1070.006", Simulated: true, needs: messagesOrRotating, alter: neverExpire,
	simulate: func(p *plan, dir string, r Result) (Result, error) {
		return p.withClock(dir, r, func(c *clocked) error {
			c.record(noonOfTheDrill)
			return c.again(noonOfTheDrill.Add(-time.Hour), 70*time.Minute)
		})
	},
}

var clockSetForward = Attack{
	ID: "clock-set-forward", Group: "simulated", Does: "sets the clock of the gate forward by a day and back again, and sends what it has recorded on both days", Not: sayNothingOpens,
	Technique: "T1070.006", Simulated: true, needs: messagesOrRotating, alter: neverExpire,
	simulate: func(p *plan, dir string, r Result) (Result, error) {
		return p.withClock(dir, r, func(c *clocked) error {
			c.record(noonOfTheDrill)
			c.record(noonOfTheDrill.AddDate(0, 0, 1))
			return errors.Join(c.again(noonOfTheDrill.Add(time.Second), 10*time.Minute), c.again(noonOfTheDrill.AddDate(0, 0, 1).Add(-5*time.Minute), 10*time.Minute))
		})
	},
}

func messagesOrRotating(p *plan) string {
	if rotating(p) == "" {
		return ""
	}
	return messages(p)
}

// neverExpire: what is attacked is the memory of what was used.
func neverExpire(p *plan) {
	for i := range p.Clients {
		p.Clients[i].Expires = time.Time{}
	}
}

var noonOfTheDrill = time.Date(2030, 1, 7, 12, 0, 0, 0, time.UTC)

// clocked is the real gate, with the real memory of what was used, and a clock that
// the attacker sets. What it opens is noted.
type clocked struct {
	*plan
	gate     *gate.Gate
	keys     key.Keyring
	replays  *replay.Store
	spent    *spent.Store
	messages [][]byte
	knocks   [][]packet.Port
	owner    netip.Addr // of the messages that are recorded
	thief    netip.Addr
	failed   error
}

// withClock lets an attack set the clock of a gate, and grades what comes of it.
func (p *plan) withClock(dir string, r Result, attack func(*clocked) error) (Result, error) {
	c, err := p.clocked(dir)
	if err != nil {
		return r, err
	}
	err = attack(c)
	if err = errors.Join(err, c.failed, c.close()); errors.As(err, new(shut)) {
		return r.failed("%v", err), nil
	}
	r.Verdict = Held
	return r, err
}

func (p *plan) clocked(dir string) (*clocked, error) {
	path, err := p.write(dir)
	if err != nil {
		return nil, err
	}
	cfg, err := config.Load(os.DirFS("/"), path)
	if err != nil {
		return nil, err
	}
	private, err := key.Generate(key.Hybrid)
	if err != nil {
		return nil, err
	}
	c := &clocked{plan: p, keys: key.NewKeyring(private), thief: p.stranger(), owner: p.stranger()}
	if o := p.owner(); o != nil {
		c.owner, _ = p.homeOf(o)
	}
	guard, used, err := c.open(filepath.Join(dir, "seen"), filepath.Join(dir, "spent"), p.SPA.Window())
	if err != nil {
		return nil, err
	}
	s := gate.SPA{Keys: c.keys, Guard: guard, Seed: [2]uint64{1, 2}}
	c.gate = gate.New(cfg, s, gate.Host{Addresses: []netip.Addr{hereInTheDrill}}, noonOfTheDrill)
	c.gate.Remember(used, noonOfTheDrill)
	return c, nil
}

// hereInTheDrill is the address of the gate whose clock is set.
var hereInTheDrill = netip.MustParseAddr("192.0.2.1")

func (c *clocked) open(seen, used string, window time.Duration) (*replay.Guard, *spent.Guard, error) {
	for _, dir := range []string{seen, used} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			return nil, nil, err
		}
	}
	files, err := disk.Open(seen)
	if err != nil {
		return nil, nil, err
	}
	if err := replay.Create(files); err != nil {
		return nil, nil, err
	}
	var guard *replay.Guard
	c.replays, guard, _ = replay.Open(files, "a boot", window, noonOfTheDrill)
	others, err := disk.Open(used)
	if err != nil {
		return nil, nil, err
	}
	if err := spent.Create(others); err != nil {
		return nil, nil, err
	}
	var list *spent.Guard
	c.spent, list, _ = spent.Open(others, "a boot", 0)
	return guard, list, nil
}

func (c *clocked) close() error { return errors.Join(c.replays.Close(), c.spent.Close()) }

// record has a client get in at a time, as an attacker overhears it.
func (c *clocked) record(now time.Time) {
	if messages(c.plan) == "" {
		m := c.plan.owner()
		bound := netip.Addr{}
		if c.SPA.RequireBound {
			bound = c.owner
		}
		h := spa.Header{Op: spa.Open, Client: sshauth.ID(c.signers[m.Name].PublicKey()), Door: spa.DoorID(c.doorOf(m)), Time: now}
		sealed, err := spa.Seal(c.keys.Current().Public(), h, bound, prover{c.signers[m.Name]})
		if err == nil && !c.deliver(now, c.owner, sealed.Datagram) {
			err = shut{fmt.Errorf("a client's message opens nothing at %s", now)}
		}
		c.failed = errors.Join(c.failed, err)
		c.messages = append(c.messages, sealed.Datagram)
	}
	if r := c.rotator(); r != nil {
		from, _ := c.homeOf(r)
		knocks := sequence.NewRotation(c.secrets[r.Name].At(c.Gate.Name), c.Rotating.Shape).Knocks(c.doorOf(r), sequence.StepAt(now))
		if !c.knock(now, from, knocks) {
			c.failed = errors.Join(c.failed, shut{fmt.Errorf("a rotating sequence opens nothing at %s", now)})
		}
		c.knocks = append(c.knocks, knocks)
	}
}

// again sends what was recorded, every ten seconds for as long as given, after the
// clock was set: from where it came, and from elsewhere.
func (c *clocked) again(set time.Time, long time.Duration) error {
	for now := set; now.Before(set.Add(long)); now = now.Add(10 * time.Second) {
		for _, from := range []netip.Addr{c.owner, c.thief} {
			for _, m := range c.messages {
				if c.deliver(now, from, m) {
					return shut{fmt.Errorf("a recorded message opens a door again at %s", now)}
				}
			}
			for _, k := range c.knocks {
				if c.knock(now, from, k) {
					return shut{fmt.Errorf("a recorded rotating sequence opens a door again at %s", now)}
				}
			}
		}
	}
	return nil
}

func (c *clocked) deliver(now time.Time, from netip.Addr, payload []byte) bool {
	return c.put(now, &packet.Packet{Src: from, Dst: hereInTheDrill, Proto: packet.UDP, SrcPort: 5555, DstPort: c.SPA.Port, Payload: payload, Length: len(payload)})
}

func (c *clocked) knock(now time.Time, from netip.Addr, knocks []packet.Port) (opened bool) {
	for i, k := range knocks {
		p := &packet.Packet{Src: from, Dst: hereInTheDrill, Proto: k.Proto, SrcPort: 5555, DstPort: k.Number}
		if k.Proto == packet.TCP {
			p.Flags = packet.SYN
		}
		opened = c.put(now.Add(time.Duration(i)*apart), p) || opened
	}
	return opened
}

// put has the gate judge a packet, and writes down what it uses up, as the daemon does.
func (c *clocked) put(now time.Time, p *packet.Packet) (opened bool) {
	if plan := c.gate.Planning(now); plan != nil {
		c.gate.Adopt(plan())
	}
	for _, d := range c.gate.Observe(now, p) {
		opened = opened || d.Kind == event.KindGrant && len(d.Grants) > 0
		if d.Record.Message != nil {
			c.failed = errors.Join(c.failed, c.replays.Append(*d.Record.Message))
		}
		if d.Record.Sequence != nil {
			c.failed = errors.Join(c.failed, c.spent.Write(*d.Record.Sequence))
		}
	}
	return opened
}
