package follow

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"sallyport/internal/fleet/record"
)

var noon = time.Date(2031, 4, 5, 12, 0, 0, 0, time.UTC)

func ban(by, source string, at time.Time, length time.Duration) Banned {
	return Banned{record.Ban{Source: netip.MustParsePrefix(source), At: at, Until: at.Add(length)}, by}
}

// A gate that has been taken over can ban within bounds, and no further.
func TestBoundsOfBans(t *testing.T) {
	for name, c := range map[string]struct {
		w    Banned
		want string
	}{
		"an address":            {ban("a", "192.0.2.7/32", noon, time.Hour), ""},
		"a /64":                 {ban("a", "2001:db8:1:2::/64", noon, time.Hour), ""},
		"a /48":                 {ban("a", "2001:db8:1::/48", noon, 24*time.Hour), ""},
		"a /24":                 {ban("a", "192.0.2.0/24", noon, time.Hour), "want an IPv4 address"},
		"everybody":             {ban("a", "0.0.0.0/0", noon, time.Hour), "want an IPv4 address"},
		"everybody in IPv6":     {ban("a", "::/0", noon, time.Hour), "want an IPv4 address"},
		"a /47":                 {ban("a", "2001:db8::/47", noon, time.Hour), "want an IPv4 address"},
		"for too long":          {ban("a", "192.0.2.7/32", noon, 24*time.Hour+time.Millisecond), "longer than a day"},
		"in the future":         {ban("a", "192.0.2.7/32", noon.Add(time.Hour), time.Hour), "a time to come"},
		"a lift, in the future": {ban("a", "192.0.2.7/32", noon.Add(time.Hour), 0), "a time to come"},
	} {
		_, news, err := new(Bans).Take(noon, c.w)
		if news != (c.want == "") || (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v %v", name, news, err)
		}
	}
	if _, news, err := new(Bans).Take(noon, ban("a", "192.0.2.7/32", noon.Add(-2*time.Hour), time.Hour)); news || err != nil {
		t.Errorf("what is over: %v %v", news, err)
	}
}

func TestBansComeASecondApart(t *testing.T) {
	var b Bans
	take := func(want bool, w Banned) {
		t.Helper()
		if _, news, err := b.Take(noon, w); news != want || (err == nil) != want {
			t.Errorf("%s by %s at %s: %v %v", w.Source, w.By, w.At, news, err)
		}
	}
	take(true, ban("a", "192.0.2.1/32", noon, time.Hour))
	take(false, ban("a", "192.0.2.2/32", noon.Add(time.Millisecond), time.Hour))
	take(false, ban("a", "192.0.2.1/32", noon.Add(time.Millisecond), time.Hour))
	take(true, ban("b", "192.0.2.2/32", noon.Add(time.Millisecond), time.Hour))
	take(true, ban("a", "192.0.2.3/32", noon.Add(time.Second), time.Hour))
	if at := b.Next(noon, "a", netip.MustParsePrefix("192.0.2.4/32")); !at.Equal(noon.Add(2 * time.Second)) {
		t.Errorf("a speaks next at %s", at)
	}
	if at := b.Next(noon, "c", netip.MustParsePrefix("192.0.2.4/32")); !at.Equal(noon) {
		t.Errorf("c speaks next at %s", at)
	}
	if at := b.Next(noon, "c", netip.MustParsePrefix("192.0.2.1/32")); !at.After(noon) {
		t.Errorf("c speaks of what a has banned at %s: its word would be no later one", at)
	}
}

func TestBansAreBounded(t *testing.T) {
	var b Bans
	taken := map[string]int{}
	for _, gate := range []string{"a", "b", "c", "d"} {
		for i := range MostBans + 5 {
			w := ban(gate, fmt.Sprintf("10.%d.%d.%d/32", gate[0]-'a', i>>8, i&255), noon.Add(-time.Duration(i)*time.Second), 23*time.Hour)
			if _, news, _ := b.Take(noon, w); news {
				taken[gate]++
			}
		}
	}
	if taken["a"] != MostBans || taken["a"]+taken["b"]+taken["c"]+taken["d"] != mostAllBans || len(b.words) != mostAllBans {
		t.Errorf("%v, %d in all", taken, len(b.words))
	}
	b.Expire(noon.Add(24 * time.Hour))
	if len(b.words)+len(b.seconds) != 0 {
		t.Errorf("%d words and %d gates are left", len(b.words), len(b.seconds))
	}
}

// The latest word counts, whose ever it is; what was lifted does not come back when all is
// read again.
func TestTheLatestWordCounts(t *testing.T) {
	var b Bans
	banned, lifted := ban("a", "192.0.2.7/32", noon, time.Hour), ban("b", "192.0.2.7/32", noon.Add(time.Minute), 0)
	now := noon.Add(time.Minute)
	for i, c := range []struct {
		w    Banned
		want bool
	}{{banned, true}, {banned, false}, {lifted, true}, {banned, false}, {lifted, false}} {
		if _, news, err := b.Take(now, c.w); news != c.want || err != nil {
			t.Errorf("word %d: %v %v", i, news, err)
		}
	}
	if list := b.On(netip.MustParseAddr("192.0.2.7")); len(list) != 1 || list[0] != lifted {
		t.Errorf("the word is %v", list)
	}
}

// Who takes a gate out of the roll ends its bans.
func TestBansOfAGateThatIsGone(t *testing.T) {
	var b Bans
	for _, w := range []Banned{ban("a", "192.0.2.1/32", noon, time.Hour), ban("b", "192.0.2.2/32", noon, time.Hour)} {
		if _, news, err := b.Take(noon, w); !news || err != nil {
			t.Fatal(news, err)
		}
	}
	gone := b.Without(func(gate string) bool { return gate == "b" })
	if len(gone) != 1 || gone[0].By != "a" || len(b.words) != 1 {
		t.Errorf("gone %v, left %v", gone, b.words)
	}
}
