package gate

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/event"
	"sallyport/internal/key"
	"sallyport/internal/packet"
	"sallyport/internal/spa"
	"sallyport/internal/stun/stuntest"
)

// inSTUN is a message of a browser and what only it and the gate know.
type inSTUN struct {
	message  []byte
	password string
}

func (m inSTUN) request() []byte { return stuntest.Chromium.Request(m.message, m.password) }

func newSTUNGate(t *testing.T) *spaGate {
	return newSPAGate(t, func(cfg *config.Config) {
		cfg.SPA.STUN = true
		cfg.Clients[0].STUN = true
	})
}

func (g *spaGate) sealSTUN(s signer, change func(*spa.Header)) inSTUN {
	g.t.Helper()
	h := spa.Header{Op: spa.Open, Ack: true, Client: s.id(), Time: start}
	if change != nil {
		change(&h)
	}
	sealed, err := spa.Seal(g.server, h, netip.Addr{}, s)
	if err != nil {
		g.t.Fatal(err)
	}
	password, err := sealed.ICEPassword()
	if err != nil {
		g.t.Fatal(err)
	}
	return inSTUN{sealed.Datagram, password}
}

// request delivers a request; no decision: nothing is to be done.
func (g *spaGate) request(now time.Time, from netip.Addr, port uint16, payload []byte) (d Decision, decided bool) {
	g.t.Helper()
	list := g.Observe(now, &packet.Packet{Src: from, Dst: here, Proto: packet.UDP, SrcPort: port, DstPort: spaPort, Payload: payload, Length: len(payload)})
	if len(list) > 1 {
		g.t.Fatalf("%d decisions", len(list))
	}
	if len(list) == 0 {
		return d, false
	}
	return list[0], true
}

func TestMessageInSTUN(t *testing.T) {
	g := newSTUNGate(t)
	m := g.sealSTUN(g.alice, door("ssh"))
	raw := m.request()
	d, _ := g.request(start, client, 5555, raw)
	if d.Kind != event.KindGrant || d.Client != "alice" || d.Record.Message == nil || d.Reply == nil || d.Reply.STUN == nil || d.Reply.STUN.Password != m.password || string(d.Reply.STUN.ID[:]) != string(raw[8:20]) {
		t.Fatalf("%+v", d)
	}
	// Nothing is answered again before it has been answered.
	if d, decided := g.request(start.Add(50*time.Millisecond), client, 5555, m.request()); decided {
		t.Errorf("a copy before the answer: %+v", d)
	}
	d.Reply.STUN.Answered.Store(start.UnixNano())
	again := m.request()
	d, _ = g.request(start.Add(time.Second), client, 5555, again)
	if d.Kind != KindAgain || string(d.Reply.STUN.ID[:]) != string(again[8:20]) || d.Grants != nil || !d.Record.IsZero() {
		t.Errorf("a copy after the answer: %+v", d)
	}
	for name, c := range map[string]struct {
		after time.Duration
		port  uint16
		raw   []byte
	}{
		"after five seconds": {5001 * time.Millisecond, 5555, m.request()},
		"made by another":    {time.Second, 5555, stuntest.Chromium.Request(m.message, "another password")},
	} {
		if d, decided := g.request(start.Add(c.after), client, c.port, c.raw); decided {
			t.Errorf("%s: %+v", name, d)
		}
	}
	if n := g.Copies(); n != 4 {
		t.Errorf("%d copies are counted, want 4", n)
	}
	// The same by another port, or by itself, is a copy as of any message, and not answered.
	for name, d := range map[string]Decision{
		"by itself":    g.deliver(start.Add(time.Second), client, m.message),
		"another port": func() Decision { d, _ := g.request(start.Add(time.Second), client, 5556, m.request()); return d }(),
	} {
		if d.Reason != event.Replayed || d.Reply != nil {
			t.Errorf("%s: %+v", name, d)
		}
	}
}

// A copy from another source ends what that message has opened, and is a note while
// the device may still be repeating it.
func TestCopiesInSTUNFromElsewhere(t *testing.T) {
	for _, c := range []struct {
		name  string
		after time.Duration
		raw   func(inSTUN) []byte
		want  event.Reason
	}{
		{"at once", time.Second, inSTUN.request, event.Roamed},
		{"later", 21 * time.Second, inSTUN.request, event.Intercepted},
		{"without STUN", time.Second, func(m inSTUN) []byte { return m.message }, event.Intercepted},
	} {
		g := newSTUNGate(t)
		m := g.sealSTUN(g.alice, door("ssh"))
		first, _ := g.request(start, client, 5555, m.request())
		d, _ := g.request(start.Add(c.after), other, 5555, c.raw(m))
		if d.Reason != c.want || d.Message != first.Message || d.Message == (event.Message{}) || d.Grants != nil || d.Reply != nil {
			t.Errorf("%s: %+v", c.name, d)
		}
		if d, _ := g.request(start.Add(c.after), other, 5557, c.raw(m)); d.Reason != event.Replayed {
			t.Errorf("%s, once more: %+v", c.name, d)
		}
	}
}

func TestSTUNRefuses(t *testing.T) {
	g := newSTUNGate(t)
	fresh := func() inSTUN { return g.sealSTUN(g.alice, door("ssh")) }
	broken := func(at int) []byte { raw := fresh().request(); raw[at] ^= 1; return raw }
	inner := fresh()
	inner.message = slices.Clone(inner.message)
	inner.message[100] ^= 1
	for name, c := range map[string]struct {
		raw  []byte
		want event.Reason
	}{
		"fingerprint":       {broken(283), event.BadSTUN},
		"integrity":         {stuntest.Firefox.Request(fresh().message, "no password of it"), event.BadIntegrity},
		"tag":               {stuntest.Firefox.Request(make([]byte, 144), "x"), event.BadTag},
		"message":           {inner.request(), event.BadSeal},
		"client without it": {g.sealSTUN(g.bob, door("db")).request(), event.ForbiddenWay},
		"cut":               {fresh().request()[:280], event.BadTag}, // no STUN: a message of that length is none
	} {
		d, _ := g.request(start, client, 6000, c.raw)
		if name == "cut" {
			c.want = event.BadLength
		}
		if d.Kind != event.KindRefusal || d.Reason != c.want {
			t.Errorf("%s: %+v, want %s", name, d, c.want)
		}
	}
	if d, _ := g.request(start, client, 6000, fresh().request()); d.Kind != event.KindGrant {
		t.Errorf("a good one: %+v", d)
	}
	off := newSPAGate(t, nil)
	if d, _ := off.request(start, client, 6000, off.sealSTUN(off.alice, nil).request()); d.Reason != event.BadLength {
		t.Errorf("where STUN is off: %+v", d)
	}
}

// A message that the budget refused is not looked at again, whatever its browser
// repeats; a new one is.
func TestSTUNCountsAMessageOnce(t *testing.T) {
	g := newSTUNGate(t)
	for range 20 * OpensPerSecond {
		if d, _ := g.request(start, other, 7000, g.junk()); d.Reason == event.OverBudget {
			break
		}
	}
	m := g.sealSTUN(g.alice, door("ssh"))
	d, _ := g.request(start, other, 7001, m.request())
	if d.Reason != event.OverBudget {
		t.Skipf("the budget is not used up: %+v", d)
	}
	if d, decided := g.request(start.Add(time.Second), other, 7001, m.request()); decided {
		t.Errorf("a copy: %+v", d)
	}
	if d, _ := g.request(start.Add(time.Second), client, 7001, g.sealSTUN(g.alice, door("ssh")).request()); d.Kind != event.KindGrant {
		t.Errorf("a new message: %+v", d)
	}
}

// junk has a right tag and opens to nothing.
func (g *spaGate) junk() []byte {
	m := g.sealSTUN(g.bob, nil)
	m.message[140] ^= 1
	return m.request()
}

// Suites that a client may not use are refused after its signature.
func TestSuites(t *testing.T) {
	g := newSPAGate(t, func(cfg *config.Config) { cfg.Clients[0].Suites = []key.Suite{key.Hybrid} })
	if d := g.deliver(start, client, g.seal(g.alice, netip.Addr{}, nil)); d.Reason != event.ForbiddenWay || !d.Authenticated || d.Record.Message == nil {
		t.Errorf("%+v", d)
	}
	if d := g.deliver(start, client, g.seal(g.bob, netip.Addr{}, nil)); d.Kind != event.KindGrant {
		t.Errorf("a client with any suite: %+v", d)
	}
}

// Strangers' requests cost no memory.
func TestRefusingSTUNAllocatesNothing(t *testing.T) {
	g := newSTUNGate(t)
	p := &packet.Packet{Src: other, Dst: here, Proto: packet.UDP, SrcPort: 1, DstPort: spaPort}
	for name, raw := range map[string][]byte{"tag": stuntest.Firefox.Request(make([]byte, 144), "x"), "text": stuntest.Firefox.Text("plain words, no message", "x"), "copy": nil} {
		if raw == nil {
			raw = g.junk()
		}
		p.Payload, p.Length = raw, len(raw)
		g.Observe(start, p)
		if n := testing.AllocsPerRun(200, func() { g.Observe(start, p) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkJunkInSTUN(b *testing.B) {
	g := newSPAGate(&testing.T{}, func(cfg *config.Config) { cfg.SPA.STUN, cfg.Clients[0].STUN = true, true })
	raw := stuntest.Firefox.Request(make([]byte, 144), "x")
	p := &packet.Packet{Src: other, Dst: here, Proto: packet.UDP, SrcPort: 1, DstPort: spaPort, Payload: raw, Length: len(raw)}
	b.ReportAllocs()
	for b.Loop() {
		g.Observe(start, p)
	}
}
