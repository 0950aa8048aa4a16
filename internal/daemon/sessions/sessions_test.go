//go:build linux

package sessions

import (
	"net/netip"
	"slices"
	"testing"

	"sallyport/internal/config"
	"sallyport/internal/conntrack"
	"sallyport/internal/control"
	"sallyport/internal/event"
	"sallyport/internal/grant"
	"sallyport/internal/packet"
)

var (
	alice   = netip.MustParseAddr("192.0.2.10")
	sshPort = packet.Port{Proto: packet.TCP, Number: 22}
)

func doorsOfTest() *config.Config {
	return &config.Config{
		Gate:  config.Gate{Trusted: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}},
		Doors: []config.Door{{Name: "ssh", Ports: []packet.Port{sshPort}, To: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/28")}}},
	}
}

func flowFrom(source netip.Addr) conntrack.Flow {
	return conntrack.Flow{ID: 7, Source: source, From: 40000, To: netip.MustParseAddr("192.0.2.1"), Port: sshPort}
}

// A client's connections are those that his grants have let in, and no others.
func TestWhichConnectionsAreAsked(t *testing.T) {
	bob := alice.Next()
	with := func(owners ...event.Owner) *grant.Session { return &grant.Session{Owners: owners} }
	hers, his := event.Owner{Client: "alice"}, event.Owner{Client: "bob"}
	ended := []event.Grant{{Door: "ssh", Source: alice, Client: "alice"}}
	client := control.RevokeRequest{Client: "alice"}
	for name, c := range map[string]struct {
		q        control.RevokeRequest
		source   netip.Addr
		flow     conntrack.Flow
		known    *grant.Session
		complete bool
		want     bool
	}{
		"hers":                           {client, netip.Addr{}, flowFrom(alice), with(hers), true, true},
		"hers and another's":             {client, netip.Addr{}, flowFrom(alice), with(his, hers), true, true},
		"another's, from there":          {client, netip.Addr{}, flowFrom(alice), with(his), true, false},
		"nobody's":                       {client, netip.Addr{}, flowFrom(alice), with(), true, false},
		"an operator's":                  {client, netip.Addr{}, flowFrom(alice), with(event.Owner{Holder: event.Operator}), true, false},
		"everybody's":                    {client, netip.Addr{}, flowFrom(alice), with(event.Owner{Holder: event.Anyone}), true, true},
		"unknown, all are known":         {client, netip.Addr{}, flowFrom(alice), nil, true, false},
		"unknown, some are not known":    {client, netip.Addr{}, flowFrom(alice), nil, false, true},
		"unknown, elsewhere":             {client, netip.Addr{}, flowFrom(bob), nil, false, false},
		"hers, from another source":      {control.RevokeRequest{Client: "alice", Source: bob}, bob, flowFrom(alice), with(hers), true, false},
		"hers, through another door":     {control.RevokeRequest{Client: "alice", Door: "web"}, netip.Addr{}, flowFrom(alice), with(hers), true, false},
		"all of a source":                {control.RevokeRequest{Source: alice}, alice, flowFrom(alice), with(), true, true},
		"all":                            {control.RevokeRequest{All: true}, netip.Addr{}, flowFrom(bob), nil, false, true},
		"all, at a port that is no door": {control.RevokeRequest{All: true}, netip.Addr{}, conntrack.Flow{Source: bob, Port: packet.Port{Proto: packet.TCP, Number: 80}}, nil, true, false},
	} {
		if got := asked(doorsOfTest(), c.q, c.source, ended)(c.flow, c.known, c.complete); got != c.want {
			t.Errorf("%s: %t, want %t", name, got, c.want)
		}
	}
	done := []*grant.Session{with(hers, his), with(hers, event.Owner{Holder: event.Operator}), nil}
	if got := others(done, "alice"); !slices.Equal(got, []string{"an operator", "bob"}) || bySource(done) != 1 {
		t.Errorf("others %q, by source %d", got, bySource(done))
	}
}

// Only what surely began without the table, and would not have with it, is cut.
func TestStray(t *testing.T) {
	own := func(a netip.Addr) bool { return a == netip.MustParseAddr("192.0.2.1") }
	seen := &grant.Session{Seen: true}
	to := func(a string) conntrack.Flow {
		f := flowFrom(alice)
		f.To = netip.MustParseAddr(a)
		return f
	}
	only := func(names ...string) func(*config.Config) {
		return func(c *config.Config) { c.Gate.Interfaces = names }
	}
	for name, c := range map[string]struct {
		flow   conntrack.Flow
		known  *grant.Session
		change func(*config.Config)
		want   bool
	}{
		"began without the table":  {flowFrom(alice), seen, nil, true},
		"not known":                {flowFrom(alice), nil, nil, false},
		"older":                    {flowFrom(alice), &grant.Session{}, nil, false},
		"with a grant":             {flowFrom(alice), &grant.Session{Seen: true, Owners: []event.Owner{{Client: "alice"}}}, nil, false},
		"trusted":                  {flowFrom(netip.MustParseAddr("198.51.100.9")), seen, nil, false},
		"over loopback":            {flowFrom(netip.MustParseAddr("127.0.0.1")), seen, nil, false},
		"of another host":          {to("192.0.2.9"), seen, nil, false},
		"through a forwarded door": {to("203.0.113.9"), seen, nil, true},
		"by a gated interface":     {flowFrom(alice), seen, only("eth0"), true},
		"by another interface":     {flowFrom(alice), seen, only("wg0"), false},
	} {
		cfg := doorsOfTest()
		if c.change != nil {
			c.change(cfg)
		}
		if got := stray(cfg, own, c.flow, c.known, func(netip.Addr) string { return "eth0" }); got != c.want {
			t.Errorf("%s: %t, want %t", name, got, c.want)
		}
	}
}

// What policy "all" closes beside the doors.
func TestShut(t *testing.T) {
	cfg := doorsOfTest()
	cfg.Gate.Policy, cfg.Gate.Public = config.PolicyAll, []packet.Port{{Proto: packet.TCP, Number: 443}}
	for p, want := range map[packet.Port]bool{
		{Proto: packet.TCP, Number: 9999}: true, {Proto: packet.UDP, Number: 9999}: true, {Proto: packet.TCP, Number: 68}: true,
		{Proto: packet.TCP, Number: 443}: false, cfg.Doors[0].Ports[0]: false, {Proto: packet.UDP, Number: 68}: false, {Number: 9999}: false,
	} {
		if got := shut(cfg, p); got != want {
			t.Errorf("%s: %t", p, got)
		}
	}
	cfg.Gate.Policy = config.PolicyDoors
	s := &Sessions{}
	if list, err := s.atClosed(cfg); len(list) != 0 || err != nil {
		t.Errorf("with policy doors: %v, %v", list, err)
	}
}
