package gate

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/event"
	"sallyport/internal/packet"
	"sallyport/internal/sequence"
	"sallyport/internal/spa"
)

func hours(list ...string) config.Hours {
	h, err := config.ParseHours(list...)
	if err != nil {
		panic(err)
	}
	return h
}

// inUTC sets the time zone in which start is Sunday at 12:00.
func inUTC(change func(*config.Config)) func(*config.Config) {
	return func(c *config.Config) {
		c.Gate.Timezone, _ = config.ParseZone("UTC")
		change(c)
	}
}

func granted(d Decision) string {
	var list []string
	for _, g := range d.Grants {
		list = append(list, fmt.Sprintf("%s %s", g.Door, g.Until.Sub(start).Round(time.Second)))
	}
	return fmt.Sprint(list)
}

func (g *spaGate) all(now time.Time, s signer, change func(*spa.Header)) []Decision {
	g.t.Helper()
	payload := g.seal(s, netip.Addr{}, func(h *spa.Header) {
		h.Time = now
		if change != nil {
			change(h)
		}
	})
	return slices.Clone(g.Observe(now, &packet.Packet{Src: client, Dst: here, Proto: packet.UDP, SrcPort: 5555, DstPort: spaPort, Payload: payload, Length: len(payload)}))
}

func TestGroupsByMessage(t *testing.T) {
	office := func(c *config.Config) {
		c.Groups = []config.Group{{Name: "office", Doors: []string{"ssh", "db"}}, {Name: "cellar", Doors: []string{"shut"}}}
	}
	g := newSPAGate(t, office)
	for name, c := range map[string]struct {
		from   signer
		door   string
		want   string
		reason event.Reason
	}{
		"all of a group":              {g.alice, "office", "[ssh 30s db 1m0s]", event.BySPA},
		"what the client may":         {g.bob, "office", "[db 1m0s]", event.BySPA},
		"nothing that the client may": {g.bob, "cellar", "[]", event.ForbiddenDoor},
		"no group":                    {g.bob, "attic", "[]", event.UnknownDoor},
	} {
		d := one(t, g.all(start, c.from, door(c.door)))
		if d.Reason != c.reason || granted(d) != c.want {
			t.Errorf("%s: %s %s, want %s %s", name, d.Reason, granted(d), c.reason, c.want)
		}
	}
	if d := one(t, g.all(start, g.alice, func(h *spa.Header) { h.Op, h.Door = spa.Close, spa.DoorID("office") })); d.Kind != event.KindRevocation || len(d.Grants) != 2 {
		t.Errorf("%+v: want both doors closed", d)
	}
}

func TestGroupsBySequence(t *testing.T) {
	cfg := testConfig()
	cfg.Groups = []config.Group{{Name: "office", Doors: []string{"ssh", "db"}, Sequence: ports("tcp/7500 udp/8500"), Within: time.Second}}
	s := &sender{Gate: New(cfg, SPA{}, testHost(), start), now: start, dst: here}
	if d := one(t, s.send("tcp/7500 udp/8500")); d.Kind != event.KindGrant || d.Reason != event.BySequence || granted(d) != "[ssh 30s db 1m0s]" {
		t.Errorf("%+v", d)
	}
	s.send("tcp/7500")
	s.now = s.now.Add(time.Second)
	if d := one(t, s.send("udp/8500")); d.Reason != event.TooSlow || d.Door != "office" {
		t.Errorf("%+v", d)
	}
}

func TestGroupsByRotatingSequence(t *testing.T) {
	s := newRotating(func(c *config.Config) {
		c.Groups = []config.Group{{Name: "office", Doors: []string{"ssh", "db"}}}
		c.Clients[0].Groups = []string{"office"}
	})
	knocks := spell(sequence.NewRotation(secretOf(1), s.config.Rotating.Shape).Knocks("office", s.step()))
	if d := one(t, s.send(knocks)); d.Kind != event.KindGrant || d.Door != "office" || len(d.Grants) != 2 || d.Record.Sequence == nil {
		t.Errorf("%+v", d)
	}
	for _, d := range s.send(knocks) {
		if d.Kind == event.KindGrant {
			t.Errorf("opened twice: %+v", d)
		}
	}
}

func TestHoursCutGrants(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*config.Config)
		want   string
		shut   []string // doors that are refused beside it
		reason event.Reason
	}{
		"within":        {func(c *config.Config) { c.Doors[0].Hours = hours("Sun 08:00-18:00") }, "[ssh 30s db 1m0s]", nil, event.BySPA},
		"up to the end": {func(c *config.Config) { c.Doors[0].OpenFor, c.Doors[0].Hours = time.Hour, hours("Sun 08:00-12:10") }, "[ssh 10m0s db 1m0s]", nil, event.BySPA},
		"one is out":    {func(c *config.Config) { c.Doors[0].Hours = hours("Mon-Sat 08:00-18:00") }, "[db 1m0s]", []string{"ssh"}, event.BySPA},
		"all are out": {func(c *config.Config) {
			c.Doors[0].Hours, c.Doors[1].Hours = hours("12:01-13:00"), hours("Mon 00:00-24:00")
		}, "[]", nil, event.OutOfHours},
		"the client is": {func(c *config.Config) { c.Clients[0].Hours = hours("Mon 08:00-18:00") }, "[]", nil, event.OutOfHours},
		"the earlier end": {func(c *config.Config) {
			c.Doors[0].OpenFor, c.Doors[0].Hours, c.Clients[0].Hours = time.Hour, hours("11:00-12:20"), hours("11:00-12:10")
		}, "[ssh 10m0s db 1m0s]", nil, event.BySPA},
	} {
		g := newSPAGate(t, inUTC(func(cfg *config.Config) { cfg.Clients[0].MaxOpen = time.Hour; c.change(cfg) }))
		list := g.all(start, g.alice, nil)
		if list[0].Reason != c.reason || granted(list[0]) != c.want || list[0].Record.Message == nil || list[0].Client != "alice" {
			t.Errorf("%s: %+v, want %s", name, list[0], c.want)
		}
		var shut []string
		for _, d := range list[1:] {
			if d.Kind != event.KindRefusal || d.Reason != event.OutOfHours || d.Client != "alice" || d.Record.Message != nil {
				t.Errorf("%s: %+v", name, d)
			}
			shut = append(shut, d.Door)
		}
		if !slices.Equal(shut, c.shut) {
			t.Errorf("%s: doors %q stay shut, want %q", name, shut, c.shut)
		}
	}
}

func TestAGrantIsNotWorthItsLastMoment(t *testing.T) {
	g := newSPAGate(t, inUTC(func(c *config.Config) { c.Clients[0].Hours = hours("11:00-12:01") }))
	if d := g.all(start.Add(59500*time.Millisecond), g.alice, door("ssh"))[0]; d.Reason != event.OutOfHours {
		t.Errorf("half a second before the end: %+v", d)
	}
	if d := g.all(start.Add(58*time.Second), g.alice, door("ssh"))[0]; granted(d) != "[ssh 1m0s]" {
		t.Errorf("two seconds before the end: %s", granted(d))
	}
}

func TestMaxGrants(t *testing.T) {
	g := newSPAGate(t, func(c *config.Config) { c.Clients[0].Most = 2 })
	from := func(source netip.Addr, after time.Duration, doors func(*spa.Header)) Decision {
		t.Helper()
		now := start.Add(after)
		return g.deliver(now, source, g.seal(g.alice, netip.Addr{}, func(h *spa.Header) {
			h.Time = now
			doors(h)
		}))
	}
	expect := func(what string, d Decision, want event.Reason) {
		t.Helper()
		if d.Reason != want || d.Client != "alice" || d.Record.Message == nil {
			t.Errorf("%s: %+v, want %s", what, d, want)
		}
	}
	ssh, db := door("ssh"), door("db")
	expect("the first", from(client, 0, ssh), event.BySPA)
	expect("the same again", from(client, time.Second, ssh), event.BySPA)
	expect("the second, elsewhere", from(other, 2*time.Second, ssh), event.BySPA)
	expect("the third", from(client, 3*time.Second, db), event.TooMany)
	g.Ended([]event.Grant{{Door: "ssh", Source: other, Client: "alice"}})
	expect("after one was ended", from(client, 4*time.Second, db), event.BySPA)
	expect("both at once, one of them new", from(other, 5*time.Second, func(*spa.Header) {}), event.TooMany)
	expect("after the end of the one for ssh, which was prolonged", from(other, 30500*time.Millisecond, ssh), event.TooMany)
	expect("a second later", from(other, 31500*time.Millisecond, ssh), event.BySPA)

	// Others are not counted.
	for n := range byte(5) {
		d := g.deliver(start, netip.AddrFrom4([4]byte{10, 0, 0, n}), g.seal(g.bob, netip.Addr{}, nil))
		if d.Kind != event.KindGrant {
			t.Errorf("bob: %+v", d)
		}
	}
}

func TestMaxGrantsAreKnownAfterARestartAndAReload(t *testing.T) {
	g := newSPAGate(t, func(c *config.Config) { c.Clients[0].Most = 1 })
	g.Began([]event.Grant{{Door: "db", Source: client, Client: "alice", Until: start.Add(time.Minute)}, {Door: "db", Source: client, Until: start.Add(time.Minute)}})
	g.Reconfigure(g.cfg, g.spa, start)
	if d := g.all(start, g.alice, door("ssh"))[0]; d.Reason != event.TooMany || d.Door != "ssh" {
		t.Errorf("%+v", d)
	}
	if d := g.all(start.Add(time.Minute), g.alice, door("ssh"))[0]; d.Reason != event.BySPA {
		t.Errorf("after its end: %+v", d)
	}
}

func TestWideGrants(t *testing.T) {
	wide := func(c *config.Config) { c.Doors[0].Widen4, c.Doors[0].Widen6 = 24, 64 }
	g := newSPAGate(t, wide)
	six := netip.MustParseAddr("2001:db8:5::7")
	for _, c := range []struct {
		source netip.Addr
		change func(*spa.Header)
		want   string
	}{
		{client, door("ssh"), "198.51.100.0/24"},
		{six, door("ssh"), "2001:db8:5::/64"},
		{client, door("db"), "198.51.100.7/32"},
		{client, func(h *spa.Header) { h.Door, h.Single = spa.DoorID("ssh"), true }, "198.51.100.7/32"},
	} {
		d := g.deliver(start, c.source, g.seal(g.alice, netip.Addr{}, c.change))
		if len(d.Grants) != 1 || d.Grants[0].From().String() != c.want || d.Grants[0].Source != c.source {
			t.Errorf("%+v, want a grant for %s", d, c.want)
		}
	}
	s := &sender{Gate: New(g.cfg, SPA{}, testHost(), start), now: start, dst: here}
	if d := one(t, s.send("tcp/7000 udp/8000 tcp/9000")); d.Grants[0].For() != "198.51.100.7/24" {
		t.Errorf("by sequence: %+v", d)
	}
}
