//go:build linux

package daemon

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/event"
)

// kernelBans is a kernel that remembers.
type kernelBans struct {
	until map[netip.Prefix]time.Time
	err   error
}

func (k *kernelBans) Ban(a netip.Addr, until, _ time.Time) error {
	if k.err == nil {
		k.until[event.BannedAs(a)] = until
	}
	return k.err
}

func (k *kernelBans) Unban(a netip.Addr) error { delete(k.until, event.BannedAs(a)); return k.err }

func newTestBans(enabled bool) (*bans, *kernelBans, *[]event.Event) {
	var told []event.Event
	k := &kernelBans{until: make(map[netip.Prefix]time.Time)}
	b := newBans(func(e event.Event) { told = append(told, e) })
	b.kernel, b.own = k, func() []netip.Addr {
		return []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")}
	}
	b.configure(&config.Config{Ban: config.Ban{Enabled: enabled, For: time.Hour, Tries: 3}, Gate: config.Gate{Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}})
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
			b.heard(event.Event{Time: start, Kind: event.KindGrant, Source: proven})
			source := netip.MustParseAddr(c.source)
			now := start
			for range c.tries {
				b.evidence(now, source, "test")
				now = now.Add(c.apart)
			}
			if got := b.has(source, now); got != c.want || got != (len(k.until) == 1) || got != (len(*told) == 1) {
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
		b.evidence(start, mole, "test")
	}
	clear(k.until) // somebody removed the table
	if err := b.restore(start.Add(time.Minute)); err != nil || !k.until[event.BannedAs(mole)].Equal(start.Add(time.Hour)) {
		t.Errorf("%v %v", err, k.until)
	}
	b.expire(start.Add(59 * time.Minute))
	if len(*told) != 1 || !b.has(mole, start.Add(59*time.Minute)) {
		t.Errorf("ended early: %v", *told)
	}
	b.expire(start.Add(time.Hour))
	if len(*told) != 2 || b.has(mole, start.Add(time.Hour)) {
		t.Errorf("did not end: %v", *told)
	}
}

func TestBanThatTheKernelRefuses(t *testing.T) {
	b, k, told := newTestBans(true)
	k.err = errors.New("no")
	mole := netip.MustParseAddr("203.0.113.1")
	for range 3 {
		b.evidence(time.Now(), mole, "test")
	}
	if b.has(mole, time.Now()) || len(*told) != 1 || (*told)[0].Kind != event.KindFailure {
		t.Errorf("%v", *told)
	}
}

func TestSuspectsAreBounded(t *testing.T) {
	b, _, _ := newTestBans(true)
	for n := range 100_000 {
		b.evidence(time.Now(), netip.AddrFrom4([4]byte{1, byte(n >> 16), byte(n >> 8), byte(n)}), "test")
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
		b.heard(event.Event{Time: start, Kind: event.KindGrant, Source: source(i)})
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
		bans.heard(e)
	}
}
