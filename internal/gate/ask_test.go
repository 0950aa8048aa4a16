package gate

import (
	"net/netip"
	"testing"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/event"
	"sallyport/internal/spa"
	"sallyport/internal/sshauth"
)

func asks(door string) func(*spa.Header) {
	return func(h *spa.Header) {
		h.Op, h.Ack = spa.Ask, false
		if door != "" {
			h.Door = spa.DoorID(door)
		}
	}
}

// A client may ask for what it may not open by itself. It opens nothing, is answered by
// nobody, uses up nothing but its message, and a copy is one.
func TestAClientAsks(t *testing.T) {
	for name, c := range map[string]struct {
		config func(*config.Config)
		door   string
	}{
		"a door that it may open":     {nil, "db"},
		"a door that it may not open": {nil, "ssh"},
		"the operator chooses":        {nil, ""},
		"outside the hours":           {func(c *config.Config) { c.Clients[1].Hours = hours("Mon-Sat 08:00-18:00") }, "db"},
		"from where it may not knock": {func(c *config.Config) {
			c.Clients[1].From = sshauth.FromPrefixes([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")})
		}, "db"},
		"unbound, where knocks may not": {func(c *config.Config) { c.SPA.RequireBound = true }, "db"},
	} {
		g := newSPAGate(t, c.config)
		h := spa.Header{Client: g.bob.id(), Time: start}
		asks(c.door)(&h)
		sealed, err := spa.Seal(g.server, h, netip.Addr{}, g.bob)
		if err != nil {
			t.Fatal(err)
		}
		d := g.deliver(start, client, sealed.Datagram)
		if d.Kind != event.KindAsked || d.Client != "bob" || d.Door != c.door || !d.Authenticated || len(d.Grants) != 0 || d.Reply != nil || d.Record.Message == nil || d.Message != event.Message(sealed.Datagram[:8]) {
			t.Errorf("%s: %+v", name, d)
			continue
		}
		if code, err := sealed.AskCode(); err != nil || !code.Equal(*d.Code) {
			t.Errorf("%s: the gate has %s, the client %s", name, d.Code.Show(), code.Show())
		}
		again := g.deliver(start.Add(time.Second), client, sealed.Datagram)
		if again.Kind != event.KindRefusal || again.Reason != event.Replayed || again.Code != nil {
			t.Errorf("%s, again: %+v", name, again)
		}
	}
}

// Those who have ended cannot ask, nor strangers.
func TestWhoCannotAsk(t *testing.T) {
	stranger := newSigner(t)
	for name, c := range map[string]struct {
		config func(*config.Config)
		who    func(*spaGate) signer
		door   string
		want   event.Reason
	}{
		"expired":          {func(c *config.Config) { c.Clients[0].Expires = start }, func(g *spaGate) signer { return g.alice }, "ssh", event.KeyExpired},
		"a stranger":       {nil, func(*spaGate) signer { return stranger }, "ssh", event.UnknownClient},
		"an unknown door":  {nil, func(g *spaGate) signer { return g.alice }, "nosuch", event.UnknownDoor},
		"a removed client": {func(c *config.Config) { c.Clients = c.Clients[1:] }, func(g *spaGate) signer { return g.alice }, "ssh", event.UnknownClient},
	} {
		g := newSPAGate(t, c.config)
		if d := g.deliver(start, client, g.seal(c.who(g), netip.Addr{}, asks(c.door))); d.Kind != event.KindRefusal || d.Reason != c.want || d.Code != nil {
			t.Errorf("%s: %+v", name, d)
		}
	}
}

// An ask that comes from a second address is evidence of someone on the way, as any
// message is; one that is bound works from its own address only.
func TestAnAskFromElsewhere(t *testing.T) {
	g := newSPAGate(t, nil)
	message := g.seal(g.alice, netip.Addr{}, asks("ssh"))
	first := g.deliver(start, client, message)
	if d := g.deliver(start.Add(time.Second), other, message); d.Reason != event.Intercepted || d.Message != first.Message || d.Code != nil {
		t.Errorf("%+v", d)
	}
	bound := g.seal(g.alice, client, asks("ssh"))
	if d := g.deliver(start, other, bound); d.Reason != event.BadProof {
		t.Errorf("%+v", d)
	}
	if d := g.deliver(start, client, bound); d.Kind != event.KindAsked || !d.Bound {
		t.Errorf("%+v", d)
	}
}
