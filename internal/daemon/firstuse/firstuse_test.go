//go:build linux

package firstuse

import (
	"net/netip"
	"testing"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/conntrack"
	"sallyport/internal/event"
	"sallyport/internal/packet"
)

var (
	start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	alice = netip.MustParseAddr("192.0.2.10")
)

var sshPort = packet.Port{Proto: packet.TCP, Number: 22}

// using returns a tracker for one door, and what it tells.
func using() (*Uses, *[]event.Event) {
	var told []event.Event
	u := New(func(e event.Event) { told = append(told, e) })
	u.Configure(&config.Config{Doors: []config.Door{{Name: "ssh", Ports: []packet.Port{sshPort}}}})
	return u, &told
}

// forged and above are the ids of connections that nobody answers by himself.
const forged = 100

func answered(f conntrack.Flow) conntrack.Flow {
	f.Answered = true
	return f
}

func grantTo(source netip.Addr) event.Event {
	return event.Event{Time: start, Kind: event.KindGrant, Door: "ssh", Client: "alice", Source: source}
}

func TestUses(t *testing.T) {
	begins := conntrack.Flow{ID: 7, Source: alice, Port: sshPort}
	ends := conntrack.Flow{ID: 7, Source: alice, Port: sshPort, Ended: true, Bytes: 48_200}
	uncounted := ends
	uncounted.Bytes = 0
	web := conntrack.Flow{ID: 8, Source: alice, Port: packet.Port{Proto: packet.TCP, Number: 80}}
	second := conntrack.Flow{ID: 9, Source: alice, Port: sshPort}
	stranger := conntrack.Flow{ID: 10, Source: netip.MustParseAddr("192.0.2.99"), Port: sshPort}
	syn := conntrack.Flow{ID: forged, Source: alice, Port: sshPort}
	synEnds := syn
	synEnds.Ended = true
	over := event.Event{Time: start, Kind: event.KindExpiry, Door: "ssh", Client: "alice", Source: alice}
	another := over
	another.Client = "bob"
	const first, end = "first connection, to tcp/22", "connection to tcp/22 ended after 1m30s and 48200 bytes"
	for _, tt := range []struct {
		name string
		what []any // gate.Event or conntrack.Flow; time passes by a time.Duration only
		want []string
	}{
		{"a grant and its connection", []any{grantTo(alice), begins, 90 * time.Second, ends}, []string{first, end}},
		{"nobody counts", []any{grantTo(alice), begins, time.Second, uncounted}, []string{first, "connection to tcp/22 ended after 1s and an unknown number of bytes"}},
		{"the kernel was faster", []any{begins, time.Second, grantTo(alice)}, []string{first}},
		{"long before the grant", []any{begins, 3 * time.Second, grantTo(alice)}, nil},
		{"only the first", []any{grantTo(alice), begins, second, ends}, []string{first, "connection to tcp/22 ended after 0s and 48200 bytes"}},
		{"another port", []any{grantTo(alice), web}, nil},
		{"a trusted source", []any{grantTo(alice), stranger}, nil},
		{"after the end", []any{grantTo(alice), over, 5 * time.Second, begins}, nil},
		{"after the end of another owner's", []any{grantTo(alice), another, begins}, []string{first}},
		{"a forged first packet", []any{grantTo(alice), syn, 3 * time.Second, synEnds}, nil},
		{"a forged one before the grant", []any{syn, grantTo(alice), 3 * time.Second, synEnds}, nil},
		{"a forged one, and then alice", []any{grantTo(alice), syn, begins, synEnds}, []string{first}},
		{"answered late", []any{grantTo(alice), syn, 3 * time.Second, answered(syn)}, []string{first}},
		{"what was there before is answered again", []any{grantTo(alice), answered(syn)}, nil},
		{"a second one is answered again", []any{grantTo(alice), begins, second, 3 * time.Second, grantTo(alice), answered(second)}, []string{first}},
		{"the end of something else", []any{ends}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u, told := using()
			now := start
			for _, what := range tt.what {
				switch what := what.(type) {
				case time.Duration:
					now = now.Add(what)
				case event.Event:
					what.Time = now
					u.Heard(what)
				case conntrack.Flow:
					u.Flow(now, what)
					if !what.Ended && !what.Answered && what.ID < forged {
						u.Flow(now, answered(what))
						u.Flow(now, answered(what)) // the kernel says so more than once
					}
				}
			}
			if len(*told) != len(tt.want) {
				t.Fatalf("told %v, want %v", *told, tt.want)
			}
			for i, e := range *told {
				if e.Detail != tt.want[i] || e.Kind != event.KindUse || e.Client != "alice" || e.Source != alice || e.Door != "ssh" {
					t.Errorf("told %+v, want %q", e, tt.want[i])
				}
			}
		})
	}
}

// A carrier may give the connection another address than the knock.
func TestUsesOfAWideGrant(t *testing.T) {
	u, told := using()
	u.Configure(&config.Config{Doors: []config.Door{{Name: "ssh", Ports: []packet.Port{sshPort}, Widen4: 24}}})
	u.Heard(grantTo(alice))
	for i, source := range []netip.Addr{netip.MustParseAddr("198.18.0.1"), alice.Next()} {
		f := conntrack.Flow{ID: uint32(i), Source: source, Port: sshPort}
		u.Flow(start, f)
		u.Flow(start, answered(f))
	}
	if len(*told) != 1 || (*told)[0].Source != alice || (*told)[0].Detail != "first connection, to tcp/22, from "+alice.Next().String() {
		t.Errorf("told %+v", *told)
	}
}

func TestUsesAreBounded(t *testing.T) {
	u, _ := using()
	for i := range 2 * maxWaiting {
		source := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		u.Heard(grantTo(source))
		for j := range 3 { // of which one is nobody's, and one is not answered
			f := conntrack.Flow{ID: uint32(i), From: uint16(j), Source: source, Port: sshPort}
			u.Flow(start, f)
			if j != 2 {
				u.Flow(start, answered(f))
			}
		}
		u.Heard(grantTo(alice.Next()))
	}
	if len(u.under) > maxUnder || len(u.early) > maxEarly || len(u.waiting) > maxWaiting ||
		len(u.begun.there) > maxBegun || len(u.begun.ring) > maxBegun {
		t.Errorf("%d under way, %d early, %d waiting, %d begun", len(u.under), len(u.early), len(u.waiting), len(u.begun.there))
	}
}
