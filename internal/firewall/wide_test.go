//go:build linux

package firewall

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/nftables"

	"sallyport/internal/config"
	"sallyport/internal/event"
	"sallyport/internal/lab"
)

func wideDoor(name string, widen4, widen6 int, list ...string) config.Door {
	d := doorTo(name, list...)
	d.Widen4, d.Widen6 = widen4, widen6
	return d
}

func TestWideElements(t *testing.T) {
	table := newSets(&nftables.Table{Name: tableName})
	for _, c := range []struct {
		source, comment string
		bits            int // 0: not ours
	}{
		{"192.0.2.0", "ssh/24 alice", 24},
		{"192.0.0.0", "ssh/16", 16},
		{"2001:db8::", "ssh/64 alice", 64},
		{"192.0.2.1", "ssh/24 alice", 0},
		{"192.0.2.0", "ssh alice", 0},
		{"192.0.2.0", "ssh/32 alice", 0},
		{"192.0.2.0", "ssh/0 alice", 0},
		{"0.0.0.0", "ssh/0", 0},
		{"192.0.2.0", "ssh/-8", 0},
		{"192.0.2.0", "ssh/+24", 0},
		{"192.0.2.0", "ssh/024", 0},
		{"192.0.2.0", "ssh/24/24", 0},
		{"192.0.2.0", "/24", 0},
		{"192.0.2.0", "ssh/24 ", 0},
		{"::ffff:192.0.2.0", "ssh/120", 0},
	} {
		source := netip.MustParseAddr(c.source)
		e, ok := parseWide(table.wide.of(source), nftables.SetElement{
			Key: addressPortKey(source, ports("tcp/22")[0]), Expires: time.Second, Comment: c.comment})
		if ok != (c.bits != 0) || ok && (e.bits != c.bits || e.door != "ssh" || e.source != source || e.full().Comment != c.comment) {
			t.Errorf("%s %q: %+v %t", c.source, c.comment, e, ok)
		}
	}
}

// Anyone who shares the prefix gets in, to this door, for this time.
func TestWideGrants(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{})
	cfg := guarding(wideDoor("ssh", 16, 0, "tcp/22"), wideDoor("web", 28, 120, "tcp/80"))
	w.apply(cfg)
	neighbour := w.Client.IP4.Next().Next() // of the same prefix
	targets := map[string]netip.AddrPort{"ssh": at(w.Client.Gate4, 22), "web": at(w.Client.Gate6, 80)}
	for _, to := range targets {
		w.closed(w.Client, "tcp", to)
	}
	now := time.Now()
	g := event.Grant{Door: "ssh", Source: neighbour, Client: "alice", Until: now.Add(time.Hour), Prefix: 16}
	w.do(func() error { return w.f.Grant(g, now) })
	w.open(w.Client, "tcp", targets["ssh"])
	w.closed(w.Client, "tcp", targets["web"])
	six := event.Grant{Door: "web", Source: w.Client.IP6.Next().Next(), Until: now.Add(time.Hour), Prefix: 120}
	w.do(func() error { return w.f.Grant(six, now) })
	w.open(w.Client, "tcp", targets["web"])
	w.closed(w.Client, "tcp", at(w.Client.Gate4, 80)) // IPv4 was not asked for

	got := w.grants()
	if len(got) != 2 || got[0].Prefix != 16 || got[0].From() != g.From() || got[0].Client != "alice" || got[1].From() != six.From() {
		t.Fatalf("the kernel has %+v", got)
	}
	w.do(func() error { return w.f.Revoke(got[0]) }) // as it was read back
	w.closed(w.Client, "tcp", targets["ssh"])

	// A grant of the source alone is another one.
	w.grant("ssh", w.Client, time.Hour)
	w.do(func() error { return w.f.Grant(g, now) })
	w.do(func() error { return w.f.Revoke(g) })
	w.open(w.Client, "tcp", targets["ssh"])

	// What another length asks for is refused.
	for _, bits := range []int{8, 15, 17, 24} {
		g.Prefix = bits
		if err := w.f.Grant(g, now); err == nil {
			t.Errorf("a grant for a /%d of a door that has /16", bits)
		}
	}
}

func TestWideGrantsEndAndSurvive(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{})
	w.apply(guarding(wideDoor("ssh", 24, 0, "tcp/22"), wideDoor("web", 16, 0, "tcp/80")))
	for door, bits := range map[string]int{"ssh": 24, "web": 16} {
		now := time.Now()
		w.do(func() error {
			return w.f.Grant(event.Grant{Door: door, Source: w.Client.IP4, Until: now.Add(time.Hour), Prefix: bits}, now)
		})
	}
	ssh, web := at(w.Client.Gate4, 22), at(w.Client.Gate4, 80)
	w.open(w.Client, "tcp", ssh)
	w.open(w.Client, "tcp", web)

	// Another process takes the table over, with a further port for one door,
	// and the other no longer as wide.
	w.do(w.f.Close)
	w.f = w.newFirewall(Options{})
	w.apply(guarding(wideDoor("ssh", 24, 0, "tcp/22", "tcp/23"), wideDoor("web", 24, 0, "tcp/80")))
	if got := w.grants(); len(got) != 1 || got[0].Door != "ssh" || got[0].Prefix != 24 {
		t.Errorf("%+v, want the grant for ssh", got)
	}
	w.open(w.Client, "tcp", ssh)
	w.closed(w.Client, "tcp", web)

	now := time.Now()
	w.do(func() error {
		return w.f.Grant(event.Grant{Door: "ssh", Source: w.Client.IP4, Until: now.Add(time.Second), Prefix: 24}, now)
	})
	w.closes(w.Client, "tcp", ssh)
}
