//go:build linux

package ban

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/daemon/ban/list"
	"sallyport/internal/event"
	"sallyport/internal/gate"
)

// kernelBans is a kernel that remembers.
type kernelBans struct {
	until map[netip.Prefix]time.Time
	err   error
}

func (k *kernelBans) Ban(p netip.Prefix, until, _ time.Time) error {
	if k.err == nil {
		k.until[p] = until
	}
	return k.err
}

func (k *kernelBans) Unban(p netip.Prefix) error { delete(k.until, p); return k.err }

func newTestBans(enabled bool) (*Bans, *kernelBans, *[]event.Event) {
	var told []event.Event
	k := &kernelBans{until: make(map[netip.Prefix]time.Time)}
	b := New(func(e event.Event) { told = append(told, e) }, k, func() []netip.Addr {
		return []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")}
	})
	b.Configure(&config.Config{Ban: config.Ban{Enabled: enabled, For: time.Hour, Tries: 3}, Gate: config.Gate{Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}})
	return b, k, &told
}

func TestWhoIsBanned(t *testing.T) {
	start := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	proven := netip.MustParseAddr("198.51.100.7")
	for _, c := range []struct {
		name, source string
		off          bool
		tries        int
		apart        time.Duration
		want         bool
	}{
		{"two tries", "203.0.113.1", false, 2, time.Second, false},
		{"three tries", "203.0.113.1", false, 3, time.Second, true},
		{"three tries in an hour", "203.0.113.1", false, 3, 20 * time.Minute, false},
		{"switched off", "203.0.113.1", true, 100, time.Second, false},
		{"trusted", "10.1.2.3", false, 100, time.Second, false},
		{"loopback", "127.0.0.1", false, 100, time.Second, false},
		{"the host itself", "192.0.2.1", false, 100, time.Second, false},
		{"a neighbour of the host's own /64", "2001:db8::2", false, 100, time.Second, false},
		{"who has opened a door today", proven.String(), false, 100, time.Second, false},
		{"IPv6", "2001:db8:1::1", false, 3, time.Second, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, k, told := newTestBans(!c.off)
			b.Heard(event.Event{Time: start, Kind: event.KindGrant, Source: proven})
			source := netip.MustParseAddr(c.source)
			now := start
			for range c.tries {
				b.Accuse(now, source, Evidence{What: "test"})
				now = now.Add(c.apart)
			}
			if got := b.Has(source, now); got != c.want || got != (len(k.until) == 1) || got != (len(*told) == 1) {
				t.Errorf("banned: %v, in the kernel: %v, told: %v", got, k.until, *told)
			}
		})
	}
}

func TestBansEndAndComeBack(t *testing.T) {
	b, k, told := newTestBans(true)
	start := time.Now()
	mole := netip.MustParseAddr("203.0.113.1")
	for range 3 {
		b.Accuse(start, mole, Evidence{What: "test"})
	}
	clear(k.until) // someone removed the table
	if err := b.Restore(start.Add(time.Minute)); err != nil || !k.until[event.BannedAs(mole)].Equal(start.Add(time.Hour)) {
		t.Errorf("%v %v", err, k.until)
	}
	b.Expire(start.Add(59 * time.Minute))
	if len(*told) != 1 || !b.Has(mole, start.Add(59*time.Minute)) {
		t.Errorf("ended early: %v", *told)
	}
	b.Expire(start.Add(time.Hour))
	if len(*told) != 2 || b.Has(mole, start.Add(time.Hour)) {
		t.Errorf("did not end: %v", *told)
	}
}

// A kernel that takes no ban is reported once a minute, however often it is tried.
func TestBanThatTheKernelRefuses(t *testing.T) {
	b, k, told := newTestBans(true)
	k.err = errors.New("no")
	mole, start := netip.MustParseAddr("203.0.113.1"), time.Now()
	for range 300 {
		b.Accuse(start, mole, Evidence{What: "test"})
	}
	if b.Has(mole, start) || len(*told) != 1 || (*told)[0].Kind != event.KindFailure {
		t.Errorf("%d events: %v", len(*told), *told)
	}
	for range 3 {
		b.Accuse(start.Add(time.Minute), mole, Evidence{What: "test"})
	}
	if len(*told) != 2 {
		t.Errorf("%d events after a minute, want 2", len(*told))
	}
}

// What is held against someone: distinct decoys, and what browsers do when a
// page says so only beside something else.
func TestEvidence(t *testing.T) {
	start, reader := time.Now(), netip.MustParseAddr("203.0.113.1")
	decoy := func(name string, weak bool) Evidence { return Evidence{What: name, Once: name, Weak: weak} }
	for _, c := range []struct {
		name string
		held []Evidence
		each time.Duration
		want bool
	}{
		{"three decoys", []Evidence{decoy("a", false), decoy("b", false), decoy("c", false)}, 0, true},
		{"three connections to one decoy", []Evidence{decoy("a", false), decoy("a", false), decoy("a", false)}, 0, false},
		{"one decoy in three minutes", []Evidence{decoy("a", false), decoy("a", false), decoy("a", false)}, time.Minute, true},
		{"three pictures of a page", []Evidence{decoy("a", true), decoy("b", true), decoy("c", true)}, 0, false},
		{"a page that is open for minutes", []Evidence{decoy("a", true), decoy("a", true), decoy("a", true), decoy("a", true)}, time.Minute, false},
		{"a scanner that speaks HTTP, too", []Evidence{decoy("a", true), decoy("b", true), decoy("c", false)}, 0, true},
		{"signed messages", []Evidence{{What: "x"}, {What: "x"}, {What: "x"}}, 0, true},
	} {
		b, _, _ := newTestBans(true)
		for i, e := range c.held {
			b.Accuse(start.Add(time.Duration(i)*c.each), reader, e)
		}
		if got := b.Has(reader, start.Add(5*time.Minute)); got != c.want {
			t.Errorf("%s: banned is %v", c.name, got)
		}
	}
}

// Anyone who has many networks of a wider one loses the wider one, and cannot fill
// the list; a wider one with someone in it who has opened a door stays.
func TestWideBans(t *testing.T) {
	b, k, told := newTestBans(true)
	start := time.Now()
	mole := func(n int) netip.Addr {
		return netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 0, 7, byte(n >> 8), byte(n), 15: 1})
	}
	ban := func(from, to int) {
		for n := from; n < to; n++ {
			for range 3 {
				b.Accuse(start, mole(n), Evidence{What: "test"})
			}
		}
	}
	ban(0, neighbours)
	wide := netip.MustParsePrefix("2001:db8:7::/56")
	if _, banned := k.until[wide]; !banned || len(k.until) != 1 || !b.Has(mole(200), start) || b.Has(mole(256), start) {
		t.Errorf("after %d of a /56: %v", neighbours, k.until)
	}
	ban(0, 65_536)
	listed, around, _ := b.list.Size()
	if _, banned := k.until[netip.MustParsePrefix("2001:db8:7::/48")]; !banned || len(k.until) != 1 || listed != 1 || around != 0 {
		t.Errorf("after a whole /48: %v, %d in the list", k.until, listed)
	}
	if most := neighbours*neighbours + 1; len(*told) > most {
		t.Errorf("%d events, want at most %d", len(*told), most)
	}

	b, k, _ = newTestBans(true)
	b.Heard(event.Event{Time: start, Kind: event.KindGrant, Source: mole(200)})
	ban(0, 100)
	if len(k.until) != 100 || b.Has(mole(200), start) {
		t.Errorf("beside someone who has opened a door: %d bans", len(k.until))
	}
}

// A full list makes room for who comes now.
func TestFullListOfBans(t *testing.T) {
	b, k, _ := newTestBans(true)
	b.list = list.New(1000)
	start := time.Now()
	source := func(n int) netip.Addr { return netip.AddrFrom4([4]byte{203, byte(n >> 16), byte(n >> 8), byte(n)}) }
	for n := range 3000 {
		for range 3 {
			b.Accuse(start.Add(time.Duration(n)*time.Millisecond), source(n), Evidence{What: "test"})
		}
	}
	listed, _, ends := b.list.Size()
	if listed != 1000 || len(k.until) != 1000 || b.Has(source(1999), start) || !b.Has(source(2000), start) || ends > 2100 {
		t.Errorf("%d in the list, %d in the kernel, %d waiting for their end", listed, len(k.until), ends)
	}
	b.Expire(start.Add(2 * time.Hour))
	if _, _, ends := b.list.Size(); b.Count(start) != 0 || ends != 0 {
		t.Errorf("%d left", b.Count(start))
	}
}

// A ban is not stronger than a message that a client has signed together with
// its address.
func TestPardon(t *testing.T) {
	start, mole := time.Now(), netip.MustParseAddr("2001:db8:7::1")
	for _, c := range []struct {
		name     string
		decision gate.Decision
		want     bool
	}{
		{"bound", gate.Decision{Source: mole, Client: "alice", Authenticated: true, Bound: true}, false},
		{"unbound", gate.Decision{Source: mole, Client: "alice", Authenticated: true}, true},
		{"a sequence", gate.Decision{Source: mole}, true},
		{"from elsewhere", gate.Decision{Source: netip.MustParseAddr("192.0.2.10"), Client: "alice", Authenticated: true, Bound: true}, true},
	} {
		b, k, told := newTestBans(true)
		for range 3 {
			b.Accuse(start, mole, Evidence{What: "test"})
		}
		b.Pardon(start, c.decision)
		if b.Has(mole, start) != c.want || (len(k.until) == 1) != c.want || (len(*told) == 1) != c.want {
			t.Errorf("%s: banned is %v, in the kernel %v, events %v", c.name, b.Has(mole, start), k.until, *told)
		}
	}
}

func TestSuspectsAreBounded(t *testing.T) {
	b, _, _ := newTestBans(true)
	for n := range 100_000 {
		b.Accuse(time.Now(), netip.AddrFrom4([4]byte{1, byte(n >> 16), byte(n >> 8), byte(n)}), Evidence{What: "test"})
	}
	if len(b.suspect) > maxSuspect {
		t.Errorf("%d suspects", len(b.suspect))
	}
}

// However many open doors, the latest are spared, and each costs the same.
func TestProvenAreBounded(t *testing.T) {
	b, _, _ := newTestBans(true)
	start := time.Now()
	source := func(n int) netip.Addr { return netip.AddrFrom4([4]byte{203, byte(n >> 16), byte(n >> 8), byte(n)}) }
	const n = 3 * maxProven
	for i := range n {
		b.Heard(event.Event{Time: start, Kind: event.KindGrant, Source: source(i)})
	}
	if held := len(b.proven.young) + len(b.proven.old); held > maxProven {
		t.Errorf("%d are held, want at most %d", held, maxProven)
	}
	for _, i := range []int{n - 1, n - maxProven/2} {
		if b.spares(source(i), start.Add(provenFor-time.Second)) == "" {
			t.Errorf("source %d of %d is forgotten", i, n)
		}
		if why := b.spares(source(i), start.Add(provenFor)); why != "" {
			t.Errorf("source %d a day later: %s", i, why)
		}
	}
}

func BenchmarkHeard(b *testing.B) {
	bans, _, _ := newTestBans(true)
	e, n := event.Event{Time: time.Now(), Kind: event.KindGrant}, 0
	for b.Loop() {
		n++
		e.Source = netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)})
		bans.Heard(e)
	}
}
