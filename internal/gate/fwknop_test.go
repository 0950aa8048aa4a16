package gate

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/event"
	"sallyport/internal/fwknop"
	"sallyport/internal/fwknop/fwknoptest"
	"sallyport/internal/packet"
	"sallyport/internal/sshauth"
)

const fwknopPort = 62201

// Keys of fwknop in tests are test vectors.
var fwknopKey, fwknopMAC = []byte("a test vector"), []byte("another one")

func newFwknopKey(t testing.TB, mac []byte) *fwknop.Key {
	t.Helper()
	k, err := fwknop.NewKey(fwknopKey, mac, fwknop.CBC, fwknop.DefaultDigest)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func newFwknopGate(t *testing.T, change func(*config.Config)) *spaGate {
	return newSPAGate(t, func(c *config.Config) {
		c.SPA.FwknopPort = fwknopPort
		c.Clients = append(c.Clients, config.Client{Name: "carol", Fwknop: newFwknopKey(t, fwknopMAC), Doors: []string{"ssh"}})
		if change != nil {
			change(c)
		}
	})
}

// knocked delivers a packet of fwknop's.
func (g *spaGate) knocked(now time.Time, from netip.Addr, payload []byte) []Decision {
	return g.proved(now, g.Observe(now, &packet.Packet{Src: from, Dst: here, Proto: packet.UDP, SrcPort: 5555, DstPort: fwknopPort, Payload: payload, Length: len(payload)}))
}

func sealed(t testing.TB, p fwknoptest.Packet) []byte {
	t.Helper()
	if p.Time.IsZero() {
		p.Time = start
	}
	return p.Seal(t, fwknopKey, fwknopMAC)
}

func from(a netip.Addr) sshauth.From {
	return sshauth.FromPrefixes([]netip.Prefix{netip.PrefixFrom(a, a.BitLen())})
}

func TestFwknopGrants(t *testing.T) {
	for name, c := range map[string]struct {
		packet fwknoptest.Packet
		change func(*config.Config)
		want   string
	}{
		"its own address":     {fwknoptest.Packet{Message: client.String() + ",tcp/22"}, nil, "ssh 30s bound"},
		"no address":          {fwknoptest.Packet{Message: "0.0.0.0,tcp/22"}, nil, "ssh 30s"},
		"less time":           {fwknoptest.Packet{Message: "0.0.0.0,tcp/22", Seconds: 5}, nil, "ssh 5s"},
		"more time":           {fwknoptest.Packet{Message: "0.0.0.0,tcp/22", Seconds: 3600}, nil, "ssh 30s"},
		"clock behind":        {fwknoptest.Packet{Message: "0.0.0.0,tcp/22", Time: start.Add(-2 * time.Minute)}, nil, "ssh 30s"},
		"clock ahead":         {fwknoptest.Packet{Message: "0.0.0.0,tcp/22", Time: start.Add(2 * time.Minute)}, nil, "ssh 30s"},
		"two doors":           {fwknoptest.Packet{Message: "0.0.0.0,tcp/22,tcp/5432"}, func(c *config.Config) { c.Clients[2].Doors = []string{"ssh", "db"} }, "ssh 30s db 1m0s"},
		"another, allowed":    {fwknoptest.Packet{Message: other.String() + ",tcp/22"}, func(c *config.Config) { c.SPA.FwknopOtherSource = true }, "ssh 30s for " + other.String()},
		"SPA itself is off":   {fwknoptest.Packet{Message: "0.0.0.0,tcp/22"}, func(c *config.Config) { c.SPA.Port = 0 }, "ssh 30s"},
		"wants the address":   {fwknoptest.Packet{Message: client.String() + ",tcp/22"}, func(c *config.Config) { c.SPA.RequireBound = true }, "ssh 30s bound"},
		"from where it may":   {fwknoptest.Packet{Message: "0.0.0.0,tcp/22"}, func(c *config.Config) { c.Clients[2].From = from(client) }, "ssh 30s"},
		"in a greater window": {fwknoptest.Packet{Message: "0.0.0.0,tcp/22", Time: start.Add(-9 * time.Minute)}, func(c *config.Config) { c.SPA.ClockSkew = 10 * time.Minute }, "ssh 30s"},
	} {
		t.Run(name, func(t *testing.T) {
			g := newFwknopGate(t, c.change)
			d := one(t, g.knocked(start, client, sealed(t, c.packet)))
			got := ""
			for _, grant := range d.Grants {
				got += fmt.Sprintf("%s %s ", grant.Door, grant.Until.Sub(start))
				if grant.Source != client {
					got += fmt.Sprintf("for %s ", grant.Source)
				}
			}
			if d.Bound {
				got += "bound "
			}
			if d.Reason != event.ByFwknop || got != c.want+" " || d.Client != "carol" || !d.Authenticated || d.Record.Message == nil || d.Reply != nil {
				t.Errorf("got %q, want %q: %+v", got, c.want, d)
			}
		})
	}
}

func TestFwknopRefusals(t *testing.T) {
	honest := fwknoptest.Packet{Message: "0.0.0.0,tcp/22"}
	for name, c := range map[string]struct {
		payload func(t *testing.T) []byte
		change  func(*config.Config)
		want    event.Reason
		proved  bool
	}{
		"junk":      {func(*testing.T) []byte { return bytes.Repeat([]byte{0xff}, 300) }, nil, event.NotFwknop, false},
		"too short": {func(*testing.T) []byte { return []byte("hello") }, nil, event.NotFwknop, false},
		"letters":   {func(*testing.T) []byte { return bytes.Repeat([]byte("A"), 300) }, nil, event.NoFwknopKey, false},
		"another's HMAC": {func(t *testing.T) []byte {
			p := honest
			p.Time = start
			return p.Seal(t, fwknopKey, []byte("of a stranger"))
		}, nil, event.NoFwknopKey, false},
		"another's key": {func(t *testing.T) []byte {
			p := honest
			p.Time = start
			return p.Seal(t, []byte("of a stranger"), fwknopMAC)
		}, nil, event.BadFwknop, false},
		"a command":       {func(t *testing.T) []byte { p := honest; p.Type, p.Message = 8, "0.0.0.0,id"; return sealed(t, p) }, nil, event.BadFwknop, false},
		"NAT":             {func(t *testing.T) []byte { p := honest; p.Type = 2; return sealed(t, p) }, nil, event.FwknopTooMuch, false},
		"clock behind":    {func(t *testing.T) []byte { p := honest; p.Time = start.Add(-121 * time.Second); return sealed(t, p) }, nil, event.StaleTime, false},
		"clock ahead":     {func(t *testing.T) []byte { p := honest; p.Time = start.Add(121 * time.Second); return sealed(t, p) }, nil, event.StaleTime, false},
		"another address": {func(t *testing.T) []byte { p := honest; p.Message = other.String() + ",tcp/22"; return sealed(t, p) }, nil, event.WrongAddress, true},
		"no address":      {func(t *testing.T) []byte { return sealed(t, honest) }, func(c *config.Config) { c.SPA.RequireBound = true }, event.WrongAddress, true},
		"not its door":    {func(t *testing.T) []byte { p := honest; p.Message += ",tcp/5432"; return sealed(t, p) }, nil, event.ForbiddenDoor, true},
		"no door":         {func(t *testing.T) []byte { p := honest; p.Message += ",udp/22"; return sealed(t, p) }, nil, event.UnknownDoor, true},
		"expired":         {func(t *testing.T) []byte { return sealed(t, honest) }, func(c *config.Config) { c.Clients[2].Expires = start }, event.KeyExpired, true},
		"from elsewhere":  {func(t *testing.T) []byte { return sealed(t, honest) }, func(c *config.Config) { c.Clients[2].From = from(other) }, event.ForbiddenFrom, true},
		"for elsewhere": {func(t *testing.T) []byte { p := honest; p.Message = other.String() + ",tcp/22"; return sealed(t, p) },
			func(c *config.Config) { c.SPA.FwknopOtherSource, c.Clients[2].From = true, from(client) }, event.ForbiddenFrom, true},
	} {
		t.Run(name, func(t *testing.T) {
			g := newFwknopGate(t, c.change)
			d := one(t, g.knocked(start, client, c.payload(t)))
			if d.Kind != event.KindRefusal || d.Reason != c.want || len(d.Grants) != 0 || d.Authenticated != c.proved || (d.Record.Message != nil) != c.proved {
				t.Errorf("%+v", d)
			}
		})
	}
}

// A packet opens once: not again from anywhere, not under another name of its
// client, not with another configuration in between.
func TestFwknopReplays(t *testing.T) {
	for name, c := range map[string]struct {
		message string
		from    netip.Addr
		want    event.Reason
	}{
		"from the same":        {"0.0.0.0,tcp/22", client, event.Replayed},
		"from another":         {"0.0.0.0,tcp/22", other, event.Intercepted},
		"bound, from the same": {client.String() + ",tcp/22", client, event.Replayed},
		"bound, from another":  {client.String() + ",tcp/22", other, event.Replayed},
	} {
		t.Run(name, func(t *testing.T) {
			g := newFwknopGate(t, nil)
			payload := sealed(t, fwknoptest.Packet{Message: c.message})
			if d := one(t, g.knocked(start, client, payload)); d.Kind != event.KindGrant {
				t.Fatalf("%+v", d)
			}
			if d := one(t, g.knocked(start.Add(time.Second), c.from, payload)); d.Kind != event.KindRefusal || d.Reason != c.want {
				t.Errorf("at once: %+v", d)
			}
			g.cfg.Clients[2].Name = "dave"
			g.Reconfigure(g.cfg, g.spa, start)
			if d := one(t, g.knocked(start.Add(2*time.Second), c.from, payload)); d.Kind != event.KindRefusal || d.Reason != event.Replayed {
				t.Errorf("under another name: %+v", d)
			}
		})
	}
}

// The guard remembers for as long as the greatest window of all.
func TestGuardHasTheGreatestWindow(t *testing.T) {
	g := newFwknopGate(t, nil)
	payload := sealed(t, fwknoptest.Packet{Message: "0.0.0.0,tcp/22", Time: start.Add(110 * time.Second)})
	one(t, g.knocked(start, client, payload))
	for _, after := range []time.Duration{time.Minute, 2 * time.Minute, 220 * time.Second} {
		if d := one(t, g.knocked(start.Add(after), client, payload)); d.Kind != event.KindRefusal || d.Reason != event.Replayed {
			t.Errorf("after %s: %+v", after, d)
		}
	}
}

// A flood of well-formed junk is bounded by a budget, and takes nothing from
// that of our messages; who has knocked before still gets in.
func TestFwknopFlood(t *testing.T) {
	g := newFwknopGate(t, nil)
	one(t, g.knocked(start, client, sealed(t, fwknoptest.Packet{Message: "0.0.0.0,tcp/22"})))
	now := start.Add(time.Second)
	looked := 0
	junk := bytes.Repeat([]byte("A"), 300)
	for i := range 20_000 {
		from := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		if d := one(t, g.knocked(now, from, junk)); d.Reason != event.OverBudget {
			looked++
		}
	}
	if looked > FwknopPerSecond {
		t.Errorf("%d were looked at", looked)
	}
	if d := one(t, g.knocked(now, client, sealed(t, fwknoptest.Packet{Message: "0.0.0.0,tcp/22", Time: now}))); d.Kind != event.KindGrant {
		t.Errorf("a known client in the flood: %+v", d)
	}
	if d := g.deliver(now, client, g.seal(g.alice, netip.Addr{}, nil)); d.Kind != event.KindGrant {
		t.Errorf("our message in the flood: %+v", d)
	}
}

func TestFwknopIsOff(t *testing.T) {
	g := newFwknopGate(t, func(c *config.Config) { c.SPA.FwknopPort = 0 })
	if got := g.knocked(start, client, sealed(t, fwknoptest.Packet{Message: "0.0.0.0,tcp/22"})); len(got) != 0 {
		t.Errorf("%+v", got)
	}
	g = newFwknopGate(t, nil)
	g.cfg.SPA.FwknopPort = 0
	g.Reconfigure(g.cfg, g.spa, start)
	if got := g.knocked(start, client, sealed(t, fwknoptest.Packet{Message: "0.0.0.0,tcp/22"})); len(got) != 0 {
		t.Errorf("after a reload: %+v", got)
	}
}

// What a packet of a stranger costs the gate, with as many clients as there may be.
func BenchmarkFwknopJunk(b *testing.B) {
	for name, payload := range map[string][]byte{"form": bytes.Repeat([]byte("?"), 230), "hash": bytes.Repeat([]byte("A"), 230)} {
		b.Run(name, func(b *testing.B) {
			cfg := &config.Config{SPA: config.SPA{FwknopPort: fwknopPort, ClockSkew: time.Minute}}
			for i := range fwknop.MaxKeys {
				cfg.Clients = append(cfg.Clients, config.Client{Name: fmt.Sprint(i), Fwknop: newFwknopKey(b, fmt.Appendf(nil, "one of many %d", i))})
			}
			f := newForeign(SPA{}, &permit{}, start)
			f.reconfigure(cfg, SPA{})
			p := &packet.Packet{Proto: packet.UDP, DstPort: fwknopPort, Payload: payload, Length: len(payload)}
			var out []Decision
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				p.Src = netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
				out = f.observe(start.Add(time.Duration(i)*time.Millisecond), p, out[:0])
			}
		})
	}
}
