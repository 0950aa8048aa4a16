//go:build linux

package ban

import (
	"net/netip"
	"testing"
	"time"

	"sallyport/internal/event"
)

// What another gate bans is banned here, but never whom this gate spares.
func TestBansOfOtherGates(t *testing.T) {
	start := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	for name, c := range map[string]struct {
		source string
		want   bool
	}{
		"a stranger":                         {"203.0.113.1/32", true},
		"a stranger's /48":                   {"2001:db8:7::/48", true},
		"trusted":                            {"10.1.2.3/32", false},
		"loopback":                           {"127.0.0.1/32", false},
		"the host itself":                    {"192.0.2.1/32", false},
		"the /48 around the host":            {"2001:db8::/48", false},
		"who has opened a door today":        {"198.51.100.7/32", false},
		"a /56 with who has opened one":      {"2001:db8:9:100::/56", false},
		"the next /56, where nobody has yet": {"2001:db8:9:200::/56", true},
	} {
		b, k, told := newTestBans(false) // what is ordered counts without [ban], too
		for _, a := range []string{"198.51.100.7", "2001:db8:9:101::1"} {
			b.Heard(event.Event{Time: start, Kind: event.KindGrant, Source: netip.MustParseAddr(a)})
		}
		source := netip.MustParsePrefix(c.source)
		err := b.Follow(start, Elsewhere{Source: source, Until: start.Add(time.Hour), Gate: "tokyo"})
		if (err == nil) != c.want || (len(k.until) == 1) != c.want || (len(*told) == 1) != c.want || b.Has(source.Addr(), start) != c.want {
			t.Errorf("%s: %v, in the kernel %v, told %v", name, err, k.until, *told)
		}
	}
}

// Another gate makes no ban of this one's shorter, ends none, and takes the place of none.
func TestOtherGatesLeaveOwnBansAlone(t *testing.T) {
	start, mole := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC), netip.MustParseAddr("203.0.113.1")
	elsewhere := Elsewhere{Source: event.BannedAs(mole), Until: start.Add(time.Hour), Gate: "tokyo"}
	b, k, told := newTestBans(true)
	if _, err := b.Order(start, "root", mole, 2*time.Hour); err != nil {
		t.Fatal(err)
	}
	if err := b.Follow(start, elsewhere); err != nil || !k.until[elsewhere.Source].Equal(start.Add(2*time.Hour)) {
		t.Errorf("a shorter one: %v, %v", err, k.until)
	}
	if err := b.Unfollow(start, elsewhere); err != nil || !b.Has(mole, start) {
		t.Errorf("the end of a shorter one: %v, banned is %v", err, b.Has(mole, start))
	}
	elsewhere.Until = start.Add(3 * time.Hour)
	if err := b.Follow(start, elsewhere); err != nil || !k.until[elsewhere.Source].Equal(elsewhere.Until) {
		t.Errorf("a longer one: %v, %v", err, k.until)
	}
	if err := b.Unfollow(start, elsewhere); err != nil || b.Has(mole, start) || len(k.until) != 0 {
		t.Errorf("its end: %v, %v", err, k.until)
	}
	if len(*told) != 3 {
		t.Errorf("%d events: %v", len(*told), *told)
	}
}

func TestFullListTakesNothingOfOtherGates(t *testing.T) {
	start := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	b, k, _ := newTestBans(true)
	for n := range maxBanned {
		as := netip.PrefixFrom(netip.AddrFrom4([4]byte{100, byte(n >> 16), byte(n >> 8), byte(n)}), 32)
		b.list.Add(as, start.Add(time.Hour))
	}
	if err := b.Follow(start, Elsewhere{Source: netip.MustParsePrefix("203.0.113.1/32"), Until: start.Add(2 * time.Hour), Gate: "tokyo"}); err == nil || len(k.until) != 0 {
		t.Errorf("%v, %v", err, k.until)
	}
}
