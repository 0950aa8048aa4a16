package gate

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/event"
	"sallyport/internal/packet"
	"sallyport/internal/sequence"
	"sallyport/internal/spent"
	"sallyport/internal/sshauth"
)

// noFiles is a store in memory: one file.
type noFiles struct{ data []byte }

func (f *noFiles) Read(string) ([]byte, error)         { return f.data, nil }
func (f *noFiles) Replace(_ string, data []byte) error { f.data = data; return nil }
func (f *noFiles) WriteAt(string, []byte, int64) error { return nil }
func (f *noFiles) Sync() error                         { return nil }
func newGuard(floor int64) (guard *spent.Guard) {
	_, guard, _ = spent.Open(&noFiles{}, "this boot", floor)
	return guard
}
func secretOf(n byte) sequence.Secret                  { return sequence.NewSecret([20]byte{n}) }
func stepTime(step int64) time.Time                    { return time.Unix(step*30, 0).UTC() }
func (s *sender) step() int64                          { return sequence.StepAt(s.now) }
func (s *sender) derive(secret byte, off int64) string { return s.deriveAt(secret, s.step()+off) }
func (s *sender) deriveAt(secret byte, at int64) string {
	return spell(sequence.NewRotation(secretOf(secret), s.config.Rotating.Shape).Knocks("ssh", at))
}

func spell(knocks []packet.Port) string { return strings.Trim(fmt.Sprint(knocks), "[]") }

// newRotating returns a gate with a client alice, secret 1, before that secret
// 2, and a client bob, secret 3.
func newRotating(change func(*config.Config)) *sender {
	cfg := testConfig()
	cfg.Rotating = config.Rotating{Shape: sequence.DefaultShape, Within: 10 * time.Second}
	cfg.Clients = []config.Client{
		{Name: "alice", Doors: []string{"ssh", "db"}, Rotating: config.Secret{Current: secretOf(1), Previous: secretOf(2), PreviousUntil: start.Add(time.Hour)}},
		{Name: "bob", Doors: []string{"ssh"}, Rotating: config.Secret{Current: secretOf(3)}},
	}
	if change != nil {
		change(cfg)
	}
	s := &sender{Gate: New(cfg, SPA{}, testHost(), start), now: start.Add(10 * time.Second), dst: here}
	s.Remember(newGuard(1), s.now)
	return s
}

func TestRotatingGrants(t *testing.T) {
	s := newRotating(nil)
	d := one(t, s.send(s.derive(1, 0)))
	want := event.Grant{Door: "ssh", Source: client, Client: "alice", Until: s.now.Add(30 * time.Second), Proof: secretProof(secretOf(1))}
	if d.Kind != event.KindGrant || d.Reason != event.ByRotating || d.Client != "alice" || len(d.Grants) != 1 || d.Grants[0] != want {
		t.Errorf("%+v, want %+v", d, want)
	}
	if d.Record.Sequence == nil || *d.Record.Sequence != spent.Step("alice", "ssh", s.step()) {
		t.Errorf("to be recorded: %+v", d.Record.Sequence)
	}
}

// A sequence that is broken off is the client's whose secret it is made from;
// that it was the client who knocked is not proved.
func TestBrokenRotatingNamesDoorAndClient(t *testing.T) {
	s := newRotating(nil)
	knocks := strings.Fields(s.derive(3, 0))
	knocks[len(knocks)-1] = "tcp/1"
	d := one(t, s.send(strings.Join(knocks, " ")))
	if d.Reason != event.WrongKnock || d.Door != "ssh" || d.Client != "bob" || d.Authenticated || d.Right != len(knocks)-1 {
		t.Errorf("%+v, want a near miss of bob's sequence for ssh", d)
	}
}

func TestRotatingRefusals(t *testing.T) {
	at := sequence.StepAt(start)
	for name, c := range map[string]struct {
		change func(*config.Config)
		knocks func(s *sender) string
		reason event.Reason // the decision on it; none: no decision
	}{
		"one step behind":    {nil, func(s *sender) string { return s.derive(1, -1) }, event.ByRotating},
		"one step ahead":     {nil, func(s *sender) string { return s.derive(1, 1) }, event.ByRotating},
		"two ahead":          {nil, func(s *sender) string { return s.derive(1, 2) }, event.StaleTime},
		"two behind":         {nil, func(s *sender) string { return s.derive(1, -2) }, ""},
		"three behind":       {nil, func(s *sender) string { return s.derive(1, -3) }, ""},
		"three ahead":        {nil, func(s *sender) string { return s.derive(1, 3) }, ""},
		"unknown secret":     {nil, func(s *sender) string { return s.derive(9, 0) }, ""},
		"replaced, in time":  {nil, func(s *sender) string { return s.derive(2, 0) }, event.ByRotating},
		"replaced, too late": {func(c *config.Config) { c.Clients[0].Rotating.PreviousUntil = start }, func(s *sender) string { return s.derive(2, 0) }, event.KeyExpired},
		"expired":            {func(c *config.Config) { c.Clients[0].Expires = start }, func(s *sender) string { return s.derive(1, 0) }, event.KeyExpired},
		"from elsewhere": {func(c *config.Config) {
			c.Clients[0].From = sshauth.FromPrefixes([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")})
		}, func(s *sender) string { return s.derive(1, 0) }, event.ForbiddenFrom},
		"a door not his own": {func(c *config.Config) { c.Clients[0].Doors = []string{"db"} }, func(s *sender) string { return s.derive(1, 0) }, ""},
		"not to the end":     {nil, func(s *sender) string { return s.deriveAt(1, at)[:len("tcp/12345 tcp/12345")] }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newRotating(c.change)
			var got event.Reason
			for _, d := range s.send(c.knocks(s)) {
				if d.Reason != event.WrongKnock { // of a sequence that it happens to begin
					got = d.Reason
				}
				if d.Kind == event.KindRefusal && (d.Authenticated || len(d.Grants) > 0 || d.Reason == got && d.Client != "alice") {
					t.Errorf("a refusal with rights: %+v", d)
				}
			}
			if got != c.reason {
				t.Errorf("%q, want %q", got, c.reason)
			}
		})
	}
}

func TestStepsOpenOnce(t *testing.T) {
	s := newRotating(nil)
	reason := func(knocks string) event.Reason { t.Helper(); return one(t, s.send(knocks)).Reason }
	now := s.derive(1, 0)
	if got := reason(now); got != event.ByRotating {
		t.Fatalf("first: %s", got)
	}
	if got := reason(now); got != event.UsedStep {
		t.Errorf("again: %s", got)
	}
	if got := reason(s.derive(1, -1)); got != event.UsedStep {
		t.Errorf("the step before: %s", got)
	}
	if got := reason(s.derive(2, 0)); got != event.UsedStep {
		t.Errorf("the same step of the secret before: %s", got)
	}
	if got := reason(s.derive(3, 0)); got != event.ByRotating {
		t.Errorf("another client: %s", got)
	}
	if got := reason(s.derive(1, 1)); got != event.ByRotating {
		t.Errorf("the next step: %s", got)
	}
	db := spell(sequence.NewRotation(secretOf(1), s.config.Rotating.Shape).Knocks("db", s.step()))
	if got := reason(db); got != event.ByRotating {
		t.Errorf("another door: %s", got)
	}
}

// passes moves the clock and does what the daemon does then.
func (s *sender) passes(d time.Duration) {
	s.now = s.now.Add(d)
	if work := s.Planning(s.now); work != nil {
		s.Adopt(work())
	}
}

func TestClockMovedBack(t *testing.T) {
	s := newRotating(nil)
	if d := one(t, s.send(s.derive(1, 0))); d.Kind != event.KindGrant {
		t.Fatal(d)
	}
	s.passes(-time.Hour)
	if d := one(t, s.send(s.derive(1, 0))); d.Reason != event.UsedStep {
		t.Errorf("an hour before: %+v", d)
	}
	s.passes(2 * time.Hour)
	if d := one(t, s.send(s.derive(1, 0))); d.Kind != event.KindGrant {
		t.Errorf("an hour after: %+v", d)
	}
}

// A plan holds what is accepted one step later, too, so that nobody notices
// when the next plan is late.
func TestLatePlan(t *testing.T) {
	s := newRotating(nil)
	s.now = s.now.Add(sequence.Period)
	for off := int64(-1); off <= 1; off++ {
		if d := one(t, s.send(s.derive(1, off))); d.Kind != event.KindGrant {
			t.Errorf("%+d: %+v", off, d)
		}
	}
}

func TestPlansKeepProgress(t *testing.T) {
	s := newRotating(nil)
	s.now = stepTime(s.step() + 1).Add(-10 * time.Millisecond)
	if s.Planning(s.now) != nil {
		t.Error("planned twice for the same step")
	}
	knocks := strings.Fields(s.derive(1, 0))
	if all := s.send(strings.Join(knocks[:3], " ")); len(all) != 0 {
		t.Fatal(all)
	}
	s.passes(time.Second)
	if d := one(t, s.send(strings.Join(knocks[3:], " "))); d.Reason != event.ByRotating {
		t.Errorf("%+v", d)
	}
}

// A plan that was in the making while the configuration changed is dropped.
func TestOutdatedPlan(t *testing.T) {
	s := newRotating(nil)
	s.now = s.now.Add(sequence.Period)
	work := s.Planning(s.now)
	cfg := *s.config
	cfg.Clients = cfg.Clients[1:]
	s.Reconfigure(&cfg, SPA{}, s.now)
	s.Adopt(work())
	for _, d := range s.send(s.derive(1, 0)) {
		if d.Kind == event.KindGrant {
			t.Errorf("a client that is gone: %+v", d)
		}
	}
	if d := one(t, s.send(s.derive(3, 0))); d.Kind != event.KindGrant {
		t.Errorf("%+v", d)
	}
}

// A knock on a port in use is none for the gate; the client sends it anyway.
func TestKnocksOnPortsInUse(t *testing.T) {
	s := newRotating(nil)
	knocks := strings.Fields(s.derive(1, 0))
	host := testHost()
	host.Listeners = ports(knocks[2])
	s.SetHost(host)
	s.passes(0)
	if d := one(t, s.send(strings.Join(knocks, " "))); d.Reason != event.ByRotating {
		t.Errorf("%+v", d)
	}
	host.Listeners = ports(strings.Join(strings.Fields(s.derive(3, 0))[:2], " "))
	s.SetHost(host)
	s.passes(0)
	for _, d := range s.send(s.derive(3, 0)) {
		if d.Kind == event.KindGrant {
			t.Errorf("opened with three knocks: %+v", d)
		}
	}
}

func TestFloor(t *testing.T) {
	s := newRotating(nil)
	s.Remember(newGuard(s.step()+1), s.now)
	for off := int64(-1); off <= 1; off++ {
		if d := one(t, s.send(s.derive(1, off))); d.Reason != event.UsedStep {
			t.Errorf("%+d: %+v", off, d)
		}
	}
	s.passes(sequence.Period)
	if d := one(t, s.send(s.derive(1, 1))); d.Kind != event.KindGrant {
		t.Errorf("after the floor: %+v", d)
	}
}

// Without a memory nothing opens that should open only once.
func TestWithoutMemory(t *testing.T) {
	s := newRotating(func(c *config.Config) { c.Doors[0].OneTime = []config.OneTime{{Knocks: ports("tcp/1500 tcp/1400")}} })
	s.Remember(nil, s.now)
	if all := s.send(s.derive(1, 0) + " tcp/1500 tcp/1400"); len(all) != 0 {
		t.Errorf("%+v", all)
	}
	if d := one(t, s.send("tcp/7000 udp/8000 tcp/9000")); d.Reason != event.BySequence || d.Record.Sequence != nil {
		t.Errorf("a static sequence: %+v", d)
	}
}

func TestPreviousSequence(t *testing.T) {
	s := newRotating(func(c *config.Config) {
		c.Doors[0].Previous, c.Doors[0].PreviousUntil = ports("udp/1500 tcp/1400"), start.Add(time.Minute)
	})
	if d := one(t, s.send("udp/1500 tcp/1400")); d.Reason != event.BySequence || d.Grants[0].Door != "ssh" {
		t.Errorf("%+v", d)
	}
	s.now = start.Add(time.Minute)
	if d := one(t, s.send("udp/1500 tcp/1400")); d.Kind != event.KindRefusal || d.Reason != event.KeyExpired {
		t.Errorf("%+v", d)
	}
	if d := one(t, s.send("tcp/7000 udp/8000 tcp/9000")); d.Reason != event.BySequence {
		t.Errorf("%+v", d)
	}
}

func TestOneTime(t *testing.T) {
	const first, second, third = "tcp/1500 tcp/1400", "tcp/1600 tcp/1400", "tcp/1600 tcp/1400 udp/1700"
	s := newRotating(func(c *config.Config) {
		d := &c.Doors[0]
		d.SequencesFile = "/etc/list"
		d.OneTime = []config.OneTime{{Knocks: ports(first)}, {Knocks: ports(second)}, {Knocks: ports(third)}}
	})
	d := one(t, s.send(first))
	if d.Kind != event.KindGrant || d.Reason != event.ByOneTime || d.Record.Sequence == nil || *d.Record.Sequence != spent.Sequence("ssh", ports(first)) || d.Client != "" {
		t.Errorf("%+v", d)
	}
	if d := one(t, s.send(first)); d.Reason != event.UsedStep {
		t.Errorf("twice: %+v", d)
	}
	if d := one(t, s.send(second)); d.Reason != event.ByOneTime {
		t.Errorf("the second: %+v", d)
	}
	for _, d := range s.send("udp/1700") {
		t.Errorf("what the third has more than the second: %+v", d)
	}
	if left := s.OneTimeLeft(); len(left) != 1 || left["ssh"] != 1 {
		t.Errorf("left: %v", left)
	}
	// The next one is longer, and begins with the one before.
	if d := one(t, s.send(second)); d.Reason != event.UsedStep {
		t.Errorf("the beginning of the third: %+v", d)
	}
	all := s.send(third)
	last := all[len(all)-2:]
	if last[0].Reason != event.ByOneTime || last[1].Kind != event.KindFinding || last[1].Door != "ssh" || s.OneTimeLeft()["ssh"] != 0 {
		t.Errorf("the third: %+v", all)
	}
	for _, knocks := range []string{first, second, third} {
		for _, d := range s.send(knocks) {
			if d.Kind == event.KindGrant {
				t.Errorf("%s: %+v", knocks, d)
			}
		}
	}
}

func manyClients() *config.Config {
	cfg := testConfig()
	cfg.Rotating = config.Rotating{Shape: sequence.DefaultShape, Within: 10 * time.Second}
	for i := range 500 {
		cfg.Clients = append(cfg.Clients, config.Client{Name: fmt.Sprint("c", i), Doors: []string{"ssh", "db", "shut"},
			Rotating: config.Secret{Current: sequence.NewSecret([20]byte{byte(i), byte(i >> 8), 1})}})
	}
	return cfg
}

func TestRotatingDoesNotAllocate(t *testing.T) {
	g := New(manyClients(), SPA{}, testHost(), start)
	g.Remember(newGuard(1), start)
	p := &packet.Packet{Dst: here, Proto: packet.TCP, Flags: packet.SYN}
	i := 0
	scan := func() {
		i++
		p.Src, p.Seq = netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), uint32(i)
		p.DstPort = 1024 + uint16(i%31000)
		g.Observe(start.Add(time.Duration(i)*time.Second), p)
	}
	for range 2000 {
		scan()
	}
	if n := testing.AllocsPerRun(2000, scan); n != 0 {
		t.Errorf("%v allocations a knock", n)
	}
}

// BenchmarkPlan makes a plan for 500 clients with three doors each.
func BenchmarkPlan(b *testing.B) {
	g := New(manyClients(), SPA{}, testHost(), start)
	g.Remember(newGuard(1), start)
	b.ReportAllocs()
	for i := range b.N {
		g.Planning(start.Add(time.Duration(i+1) * sequence.Period))()
	}
}

// BenchmarkAdopt puts a plan into use while the tracker is full: the time for
// which packets wait.
func BenchmarkAdopt(b *testing.B) {
	g := New(manyClients(), SPA{}, testHost(), start)
	g.Remember(newGuard(1), start)
	var begun [][]packet.Port
	for _, w := range g.plan.ways {
		if w.reason == event.ByRotating && w.step == sequence.StepAt(start)+1 {
			begun = append(begun, sequence.NewRotation(w.client.Rotating.Current, g.config.Rotating.Shape).Knocks(w.door.Name, w.step)[:2])
		}
	}
	now := start
	for i := range 1 << 14 {
		for _, k := range begun[i%len(begun)] {
			g.Observe(now, &packet.Packet{Src: netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), Dst: here, Proto: k.Proto, DstPort: k.Number, Flags: packet.SYN})
		}
	}
	b.ReportMetric(float64(g.tracker.Sources()), "sources")
	plans := [2]*Plan{g.Planning(start.Add(sequence.Period))(), g.plan}
	for i := 0; b.Loop(); i++ {
		g.Adopt(plans[i%2])
	}
}

// BenchmarkKnock is one packet that begins no sequence: it costs the same with
// 500 clients as with none.
func BenchmarkKnock(b *testing.B) {
	for name, cfg := range map[string]*config.Config{"static": testConfig(), "500 clients": manyClients()} {
		b.Run(name, func(b *testing.B) {
			g := New(cfg, SPA{}, testHost(), start)
			g.Remember(newGuard(1), start)
			p := &packet.Packet{Src: client, Dst: here, Proto: packet.TCP, DstPort: 999, Flags: packet.SYN}
			b.ReportAllocs()
			for i := range b.N {
				p.Src = netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
				g.Observe(start, p)
			}
		})
	}
}
