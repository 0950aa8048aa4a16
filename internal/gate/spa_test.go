package gate

import (
	"crypto/ed25519"
	"io/fs"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/config"
	"sallyport/internal/event"
	"sallyport/internal/key"
	"sallyport/internal/packet"
	"sallyport/internal/replay"
	"sallyport/internal/spa"
	"sallyport/internal/sshauth"
)

const spaPort = 40321

var other = netip.MustParseAddr("203.0.113.66")

// files keeps a replay store in memory.
type files map[string][]byte

func (f files) Read(name string) ([]byte, error) {
	b, ok := f[name]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return b, nil
}
func (f files) Replace(name string, data []byte) error {
	f[name] = append([]byte(nil), data...)
	return nil
}
func (f files) WriteAt(name string, data []byte, offset int64) error {
	if need := int(offset) + len(data); need > len(f[name]) {
		f[name] = append(f[name], make([]byte, need-len(f[name]))...)
	}
	copy(f[name][offset:], data)
	return nil
}
func (f files) Remove(name string) error { delete(f, name); return nil }
func (f files) Sync() error              { return nil }

// signer is an SSH key that makes proofs.
type signer struct{ ssh.Signer }

func newSigner(t testing.TB) signer {
	t.Helper()
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return signer{s}
}

func (s signer) ProofSize() int                       { n, _ := sshauth.ProofSize(s.PublicKey()); return n }
func (s signer) Prove(message []byte) ([]byte, error) { return sshauth.Sign(s.Signer, message) }
func (s signer) id() [6]byte                          { return sshauth.ID(s.PublicKey()) }

// spaGate is a gate with SPA on, and the two clients it knows.
type spaGate struct {
	*Gate
	t          *testing.T
	alice, bob signer
	server     key.Public
	cfg        *config.Config
	spa        SPA
}

func newSPAGate(t *testing.T, change func(*config.Config)) *spaGate {
	t.Helper()
	private, err := key.Generate(key.X25519)
	if err != nil {
		t.Fatal(err)
	}
	f := files{}
	if err := replay.Create(f); err != nil {
		t.Fatal(err)
	}
	_, guard, notices := replay.Open(f, "boot", time.Minute, start)
	if len(notices) != 0 {
		t.Fatalf("%v", notices)
	}
	g := &spaGate{t: t, alice: newSigner(t), bob: newSigner(t), server: private.Public(), cfg: testConfig()}
	g.cfg.SPA = config.SPA{Port: spaPort, ClockSkew: time.Minute, Ack: true}
	g.cfg.Clients = []config.Client{
		{Name: "alice", Key: g.alice.PublicKey(), Doors: []string{"ssh", "db"}},
		{Name: "bob", Key: g.bob.PublicKey(), Doors: []string{"db"}, MaxOpen: 2 * time.Hour},
	}
	if change != nil {
		change(g.cfg)
	}
	g.spa = SPA{Keys: key.NewKeyring(private), Guard: guard}
	g.Gate = New(g.cfg, g.spa, testHost(), start)
	return g
}

func (g *spaGate) seal(s signer, bound netip.Addr, change func(*spa.Header)) []byte {
	g.t.Helper()
	h := spa.Header{Op: spa.Open, Ack: true, Client: s.id(), Time: start}
	if change != nil {
		change(&h)
	}
	sealed, err := spa.Seal(g.server, h, bound, s)
	if err != nil {
		g.t.Fatal(err)
	}
	return sealed.Datagram
}

func (g *spaGate) deliver(now time.Time, from netip.Addr, payload []byte) Decision {
	g.t.Helper()
	return one(g.t, g.proved(now, g.Observe(now, &packet.Packet{Src: from, Dst: here, Proto: packet.UDP, SrcPort: 5555, DstPort: spaPort, Payload: payload, Length: len(payload)})))
}

func door(name string) func(*spa.Header) { return func(h *spa.Header) { h.Door = spa.DoorID(name) } }

func TestMessageGrants(t *testing.T) {
	g := newSPAGate(t, nil)
	for name, c := range map[string]struct {
		from   signer
		change func(*spa.Header)
		doors  int
		open   time.Duration
		single bool
	}{
		"a door":                     {g.alice, door("ssh"), 1, 30 * time.Second, false},
		"default doors":              {g.alice, nil, 2, 30 * time.Second, false},
		"less time":                  {g.alice, func(h *spa.Header) { h.Door, h.Seconds = spa.DoorID("ssh"), 5 }, 1, 5 * time.Second, false},
		"more time than allowed":     {g.alice, func(h *spa.Header) { h.Door, h.Seconds = spa.DoorID("ssh"), 3600 }, 1, 30 * time.Second, false},
		"more time, allowed":         {g.bob, func(h *spa.Header) { h.Seconds = 3600 }, 1, time.Hour, true},
		"as usual with a high limit": {g.bob, nil, 1, time.Minute, true},
		"single":                     {g.alice, func(h *spa.Header) { h.Door, h.Single = spa.DoorID("ssh"), true }, 1, 30 * time.Second, true},
	} {
		d := g.deliver(start, client, g.seal(c.from, netip.Addr{}, c.change))
		if d.Kind != event.KindGrant || d.Reason != event.BySPA || len(d.Grants) != c.doors || d.Record.Message == nil || d.Client == "" {
			t.Errorf("%s: %+v", name, d)
			continue
		}
		if got := d.Grants[0]; got.Until.Sub(start) != c.open || got.Single != c.single || got.Source != client || got.Client != d.Client {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestMessageClosesTheDoor(t *testing.T) {
	g := newSPAGate(t, nil)
	d := g.deliver(start, client, g.seal(g.alice, netip.Addr{}, func(h *spa.Header) { h.Op, h.Door = spa.Close, spa.DoorID("ssh") }))
	if d.Kind != event.KindRevocation || d.Reason != event.ByClient || len(d.Grants) != 1 {
		t.Errorf("%+v", d)
	}
}

func TestMessageRefusals(t *testing.T) {
	stranger := newSigner(t)
	at := func(d time.Duration) func(*spa.Header) { return func(h *spa.Header) { h.Time = start.Add(d) } }
	for name, c := range map[string]struct {
		config  func(*config.Config)
		message func(*spaGate) []byte
		reason  event.Reason
		told    bool // the client gets an answer
	}{
		"too short": {nil, func(*spaGate) []byte { return make([]byte, 20) }, event.BadLength, false},
		"junk":      {nil, func(*spaGate) []byte { return make([]byte, 144) }, event.BadTag, false},
		"damaged":   {nil, func(g *spaGate) []byte { b := g.seal(g.alice, netip.Addr{}, nil); b[100] ^= 1; return b }, event.BadSeal, false},
		"stranger":  {nil, func(g *spaGate) []byte { return g.seal(stranger, netip.Addr{}, nil) }, event.UnknownClient, false},
		"in another's name": {nil, func(g *spaGate) []byte {
			return g.seal(stranger, netip.Addr{}, func(h *spa.Header) { h.Client = g.alice.id() })
		}, event.BadProof, false},
		"too old":         {nil, func(g *spaGate) []byte { return g.seal(g.alice, netip.Addr{}, at(-61*time.Second)) }, event.StaleTime, false},
		"too new":         {nil, func(g *spaGate) []byte { return g.seal(g.alice, netip.Addr{}, at(61*time.Second)) }, event.StaleTime, false},
		"unknown door":    {nil, func(g *spaGate) []byte { return g.seal(g.alice, netip.Addr{}, door("nosuch")) }, event.UnknownDoor, true},
		"forbidden door":  {nil, func(g *spaGate) []byte { return g.seal(g.bob, netip.Addr{}, door("ssh")) }, event.ForbiddenDoor, true},
		"bound elsewhere": {nil, func(g *spaGate) []byte { return g.seal(g.alice, other, nil) }, event.BadProof, false},
		"unbound": {func(c *config.Config) { c.SPA.RequireBound = true },
			func(g *spaGate) []byte { return g.seal(g.alice, netip.Addr{}, nil) }, event.WrongAddress, true},
		"from elsewhere": {func(c *config.Config) {
			c.Clients[0].From = sshauth.FromPrefixes([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")})
		},
			func(g *spaGate) []byte { return g.seal(g.alice, netip.Addr{}, nil) }, event.ForbiddenFrom, true},
		"expired": {func(c *config.Config) { c.Clients[0].Expires = start },
			func(g *spaGate) []byte { return g.seal(g.alice, netip.Addr{}, nil) }, event.KeyExpired, true},
	} {
		g := newSPAGate(t, c.config)
		d := g.deliver(start, client, c.message(g))
		if d.Kind != event.KindRefusal || d.Reason != c.reason || len(d.Grants) != 0 || (d.Record.Message != nil) != c.told {
			t.Errorf("%s: %+v, want refused for %q", name, d, c.reason)
		}
		if d.Authenticated != c.told || d.Bound {
			t.Errorf("%s: authenticated %v, bound %v, want %v and no", name, d.Authenticated, d.Bound, c.told)
		}
	}
}

func TestBoundMessageFromItsAddress(t *testing.T) {
	g := newSPAGate(t, func(c *config.Config) { c.SPA.RequireBound = true })
	if d := g.deliver(start, client, g.seal(g.alice, client, nil)); d.Kind != event.KindGrant || !d.Authenticated || !d.Bound || d.Message == (event.Message{}) || d.Grants[0].Message != d.Message {
		t.Errorf("%+v", d)
	}
	for name, c := range map[string]func(*spa.Header){"a forbidden door": door("db"), "an unknown door": door("nosuch")} {
		g.cfg.Clients[0].Doors = []string{"ssh"}
		if d := g.deliver(start, client, g.seal(g.alice, client, c)); d.Kind != event.KindRefusal || !d.Authenticated || !d.Bound {
			t.Errorf("%s: %+v", name, d)
		}
	}
}

// A copy of a bound message from elsewhere is a replay: it opens nothing and ends
// nothing, whether or not the gate knows the message without opening it.
func TestCopyOfABoundMessage(t *testing.T) {
	g := newSPAGate(t, nil)
	m := g.seal(g.alice, client, door("ssh"))
	if d := g.deliver(start, client, m); d.Kind != event.KindGrant {
		t.Fatalf("%+v", d)
	}
	for i := range 3 {
		d := g.deliver(start.Add(time.Second), other, m)
		if d.Kind != event.KindRefusal || d.Reason != event.Replayed || d.Client != "alice" || d.Authenticated || d.Bound || d.Message != (event.Message{}) || (d.Detail != "") != (i == 0) {
			t.Errorf("copy %d: %+v, want a replay that is explained once", i+1, d)
		}
	}
	m = g.seal(g.alice, client, door("ssh"))
	if d := g.deliver(start, client, m); d.Kind != event.KindGrant {
		t.Fatalf("%+v", d)
	}
	g.messages.recent = recent{}
	if d := g.deliver(start.Add(time.Second), other, m); d.Reason != event.Replayed || d.Detail == "" || d.Authenticated {
		t.Errorf("a message that is opened again: %+v", d)
	}
}

// An interception names the message, so that only what that has opened ends;
// whether or not the gate knows the message without opening it.
func TestInterceptionNamesTheMessage(t *testing.T) {
	g := newSPAGate(t, nil)
	seen := make(map[event.Message]bool)
	for range 2 {
		m := g.seal(g.alice, netip.Addr{}, door("ssh"))
		granted := g.deliver(start, client, m)
		if granted.Message == (event.Message{}) || granted.Grants[0].Message != granted.Message || seen[granted.Message] {
			t.Fatalf("%+v", granted)
		}
		if len(seen) == 1 {
			g.messages.recent = recent{}
		}
		seen[granted.Message] = true
		if d := g.deliver(start, other, m); d.Reason != event.Intercepted || !d.Authenticated || d.Bound || d.Message != granted.Message {
			t.Errorf("%+v", d)
		}
	}
}

func TestReplays(t *testing.T) {
	g := newSPAGate(t, nil)
	m := g.seal(g.alice, netip.Addr{}, door("ssh"))
	if d := g.deliver(start, client, m); d.Kind != event.KindGrant {
		t.Fatalf("%+v", d)
	}
	for i, c := range []struct {
		from netip.Addr
		want event.Reason
	}{{client, event.Replayed}, {client, event.Replayed}, {other, event.Intercepted}, {other, event.Replayed}, {client, event.Replayed}} {
		if d := g.deliver(start.Add(time.Second), c.from, m); d.Kind != event.KindRefusal || d.Reason != c.want || d.Client != "alice" || d.Record.Message != nil {
			t.Errorf("copy %d, from %s: %+v, want %q", i+1, c.from, d, c.want)
		}
	}
	g.Reconfigure(g.cfg, g.spa, start)
	if d := g.deliver(start.Add(time.Second), client, m); d.Reason != event.Replayed {
		t.Errorf("after a reload: %+v", d)
	}
}

// A copy right after the message, from the same address and port, is no sign of
// anybody: networks make such copies, and so do clients. It is counted.
func TestDoubles(t *testing.T) {
	g := newSPAGate(t, nil)
	m := g.seal(g.alice, netip.Addr{}, door("ssh"))
	come := func(after time.Duration, from netip.Addr, port uint16) []Decision {
		return g.Observe(start.Add(after), &packet.Packet{Src: from, Dst: here, Proto: packet.UDP, SrcPort: port, DstPort: spaPort, Payload: m, Length: len(m)})
	}
	if d := g.deliver(start, client, m); d.Kind != event.KindGrant {
		t.Fatalf("%+v", d)
	}
	for range 2 {
		if list := come(doubled, client, 5555); len(list) != 0 {
			t.Errorf("%+v", list)
		}
	}
	if n := g.Copies(); n != 2 {
		t.Errorf("%d copies are counted", n)
	}
	for name, list := range map[string][]Decision{
		"later":             come(doubled+1, client, 5555),
		"from another port": come(0, client, 5556),
	} {
		if d := one(t, list); d.Reason != event.Replayed {
			t.Errorf("%s: %+v", name, d)
		}
	}
	if d := one(t, come(0, other, 5555)); d.Reason != event.Intercepted {
		t.Errorf("from another address: %+v", d)
	}
}

// However often copies are sent, from wherever, they cost no budget: a new
// message is judged at once.
func TestCopiesCostNoBudget(t *testing.T) {
	g := newSPAGate(t, nil)
	m := g.seal(g.alice, netip.Addr{}, door("ssh"))
	if d := g.deliver(start, client, m); d.Kind != event.KindGrant {
		t.Fatalf("%+v", d)
	}
	for i := range 10 * OpensPerSecond {
		from := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		if d := g.deliver(start, from, m); d.Reason != event.Replayed && d.Reason != event.Intercepted || d.Client != "alice" {
			t.Fatalf("copy %d: %+v", i, d)
		}
	}
	if d := g.deliver(start, netip.MustParseAddr("203.0.113.200"), g.seal(g.alice, netip.Addr{}, door("ssh"))); d.Kind != event.KindGrant {
		t.Errorf("%+v", d)
	}
}

func TestClockFarOffIsDiagnosed(t *testing.T) {
	g := newSPAGate(t, nil)
	m := g.seal(g.alice, netip.Addr{}, func(h *spa.Header) { h.Time = start.Add(-3*time.Hour - 12*time.Minute) })
	d := g.deliver(start, client, m)
	if d.Kind != event.KindClock || d.Client != "alice" || d.Detail != "the clock of this source is 3h12m behind" || d.Record.Message != nil {
		t.Errorf("%+v", d)
	}
	if d := g.deliver(start, client, m); d.Kind != event.KindRefusal || d.Reason != event.BadTag {
		t.Errorf("the second within a moment: %+v, want no diagnosis", d)
	}
}

func TestMessagesToThePreviousKey(t *testing.T) {
	g := newSPAGate(t, nil)
	next, err := key.Generate(key.X25519)
	if err != nil {
		t.Fatal(err)
	}
	g.spa.Keys = g.spa.Keys.Rotate(next, start.Add(time.Hour))
	g.Reconfigure(g.cfg, g.spa, start)
	if d := g.deliver(start, client, g.seal(g.alice, netip.Addr{}, nil)); d.Kind != event.KindGrant {
		t.Errorf("a message to the previous key: %+v", d)
	}
	late := start.Add(time.Hour)
	m := g.seal(g.alice, netip.Addr{}, func(h *spa.Header) { h.Time = late })
	if d := g.deliver(late, client, m); d.Kind == event.KindGrant {
		t.Errorf("a message to a key that has ended: %+v", d)
	}
}

func TestMessagesAreNoKnocks(t *testing.T) {
	g := newSPAGate(t, nil)
	s := &sender{Gate: g.Gate, now: start, dst: here}
	s.send("tcp/7000 udp/8000")
	g.deliver(start, client, g.seal(g.alice, netip.Addr{}, nil))
	if d := one(t, s.send("tcp/9000")); d.Kind != event.KindGrant || d.Reason != event.BySequence {
		t.Errorf("a message spoilt a sequence: %+v", d)
	}
}

// A holder of the public key sends well-tagged junk from everywhere; the
// client, who repeats his message each second, gets in at the second try.
func TestWellTaggedJunk(t *testing.T) {
	g := newSPAGate(t, nil)
	junk := g.seal(g.alice, netip.Addr{}, nil)
	junk[100] ^= 1
	now, n := start, 0
	p := &packet.Packet{Dst: here, Proto: packet.UDP, DstPort: spaPort, Payload: junk, Length: len(junk)}
	opened := 0
	flood := func(packets int) {
		for range packets {
			n++
			now = now.Add(50 * time.Microsecond)
			p.Src = netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)})
			if one(t, g.Observe(now, p)).Reason == event.BadSeal {
				opened++
			}
		}
	}
	flood(20_000)
	if opened > 2*OpensPerSecond {
		t.Errorf("%d junk packets of 20,000 in a second were opened", opened)
	}
	for try := 1; ; try++ {
		m := g.seal(g.alice, netip.Addr{}, func(h *spa.Header) { h.Time = now })
		if g.deliver(now, client, m).Kind == event.KindGrant {
			break
		}
		if try == 3 {
			t.Fatal("an honest client does not get in within three tries")
		}
		flood(20_000)
	}
}

func TestJunkDoesNotAllocate(t *testing.T) {
	g := newSPAGate(t, nil)
	junk := make([]byte, 144)
	p := &packet.Packet{Src: client, Dst: here, Proto: packet.UDP, DstPort: spaPort, Payload: junk, Length: len(junk)}
	g.Observe(start, p) // derives the keys of the epoch, and uses up the diagnosis
	i := 0
	if n := testing.AllocsPerRun(1000, func() { i++; junk[0] = byte(i); g.Observe(start, p) }); n != 0 {
		t.Errorf("%v allocations for junk, want none", n)
	}
}

func BenchmarkJunk(b *testing.B) {
	private, err := key.Generate(key.Hybrid)
	if err != nil {
		b.Fatal(err)
	}
	f := files{}
	_, guard, _ := replay.Open(f, "boot", time.Minute, start)
	cfg := testConfig()
	cfg.SPA = config.SPA{Port: spaPort, ClockSkew: time.Minute}
	g := New(cfg, SPA{Keys: key.NewKeyring(private), Guard: guard}, testHost(), start)
	junk := make([]byte, 1232)
	p := &packet.Packet{Src: client, Dst: here, Proto: packet.UDP, DstPort: spaPort, Payload: junk, Length: len(junk)}
	b.ReportAllocs()
	for i := range b.N {
		junk[0], junk[1] = byte(i), byte(i>>8)
		g.Observe(start, p)
	}
}
