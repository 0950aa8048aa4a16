package grant

import (
	"errors"
	"maps"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"

	"sallyport/internal/event"
)

var (
	start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	alice = netip.MustParseAddr("192.0.2.10")
	bob   = netip.MustParseAddr("2001:db8::b")
)

// fakeFirewall holds what it was told, unless told to fail.
type fakeFirewall struct {
	until map[key]time.Time
	err   error
}

func (f *fakeFirewall) Grant(g event.Grant, _ time.Time) error {
	if f.err == nil {
		f.until[keyOf(g)] = g.Until
	}
	return f.err
}

func (f *fakeFirewall) Renew(g event.Grant, now time.Time) (bool, error) {
	if _, there := f.until[keyOf(g)]; !there || f.err != nil {
		return false, f.err
	}
	return true, f.Grant(g, now)
}

func (f *fakeFirewall) Revoke(g event.Grant) error {
	if f.err == nil {
		delete(f.until, keyOf(g))
	}
	return f.err
}

func newBook() (*Book, *fakeFirewall) {
	f := &fakeFirewall{until: make(map[key]time.Time)}
	return New(f, nil), f
}

func after(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }

func ssh(source netip.Addr, seconds int) event.Grant {
	return event.Grant{Door: "ssh", Source: source, Until: after(seconds)}
}

func mustOpen(t *testing.T, b *Book, g event.Grant, now time.Time) event.Grant {
	t.Helper()
	g, err := b.Open(g, now)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestAGrantIsExtendedAndNeverShortened(t *testing.T) {
	b, f := newBook()
	for _, c := range []struct{ now, until, want int }{{0, 30, 30}, {10, 40, 40}, {11, 20, 40}, {50, 60, 60}} {
		g := mustOpen(t, b, ssh(alice, c.until), after(c.now))
		if !g.Until.Equal(after(c.want)) || !f.until[keyOf(g)].Equal(after(c.want)) {
			t.Errorf("at %d s opened until %d s: ends %s, want %d s", c.now, c.until, g.Until, c.want)
		}
	}
	if live := b.Live(after(55)); len(live) != 1 {
		t.Errorf("%d grants, want one that was extended", len(live))
	}
}

func TestExpireTellsEachGrantOnce(t *testing.T) {
	b, _ := newBook()
	mustOpen(t, b, ssh(alice, 30), start)
	mustOpen(t, b, ssh(bob, 20), start)
	mustOpen(t, b, ssh(bob, 40), start)
	if over, next := b.Expire(after(29)); len(over) != 0 || !next.Equal(after(30)) {
		t.Errorf("at 29 s: %v, next %s", over, next)
	}
	if over, next := b.Expire(after(30)); len(over) != 1 || over[0].Source != alice || !next.Equal(after(40)) {
		t.Errorf("at 30 s: %v, next %s", over, next)
	}
	if over, next := b.Expire(after(99)); len(over) != 1 || over[0].Source != bob || !next.IsZero() {
		t.Errorf("at 99 s: %v, next %s", over, next)
	}
	if over, _ := b.Expire(after(999)); len(over) != 0 {
		t.Errorf("told again: %v", over)
	}
}

func TestFailureChangesNothing(t *testing.T) {
	b, f := newBook()
	f.err = errors.New("no buffer space available")
	if _, err := b.Open(ssh(alice, 30), start); err == nil || len(b.Live(start)) != 0 {
		t.Errorf("a grant that the firewall refused is in the book (error %v)", err)
	}
	f.err = nil
	mustOpen(t, b, ssh(alice, 30), start)
	f.err = errors.New("no buffer space available")
	if ended, err := b.Revoke(event.ByOperator, func(event.Grant) bool { return true }, start); err == nil || len(ended) != 0 || len(b.Live(start)) != 1 {
		t.Errorf("ended %v, error %v: a grant that is still in force left the book", ended, err)
	}
}

func TestRevokeEndsWhatMatches(t *testing.T) {
	b, f := newBook()
	mustOpen(t, b, ssh(alice, 30), start)
	mustOpen(t, b, ssh(bob, 30), start)
	ended, err := b.Revoke(event.ByOperator, func(g event.Grant) bool { return g.Source == bob }, start)
	if err != nil || !reflect.DeepEqual(ended, []event.Grant{ssh(bob, 30)}) || len(f.until) != 1 {
		t.Errorf("ended %v, error %v, firewall %v", ended, err, f.until)
	}
	if over, _ := b.Expire(after(99)); len(over) != 1 {
		t.Errorf("expired %v, want only the grant that was not revoked", over)
	}
}

// What lasts and what one connection uses up end each for itself.
func TestSingleAndLastingTogether(t *testing.T) {
	b, f := newBook()
	single := ssh(alice, 60)
	single.Single = true
	mustOpen(t, b, single, start)
	mustOpen(t, b, ssh(alice, 30), start)
	if live := b.Live(start); !slices.Equal(live, []event.Grant{ssh(alice, 30), single}) || len(f.until) != 2 {
		t.Errorf("%+v; the firewall has %v", live, f.until)
	}
	if over, next := b.Expire(after(30)); len(over) != 1 || over[0].Single || !next.Equal(after(60)) {
		t.Errorf("over %+v, next %s", over, next)
	}
}

func TestLimit(t *testing.T) {
	b, _ := newBook()
	b.room.most = 4
	mustOpen(t, b, ssh(alice, 30), start)
	mustOpen(t, b, of("alice", ssh(alice, 30)), start)
	mustOpen(t, b, ssh(bob, 30), start)
	third := ssh(bob.Next(), 30)
	if _, err := b.Open(third, start); err == nil {
		t.Error("one who knows a sequence takes the room of those who have shown a key")
	}
	mustOpen(t, b, of("alice", third), start)
	if _, err := b.Open(operators(ssh(bob.Next().Next(), 30)), start); err == nil {
		t.Error("opened beyond the limit")
	}
	mustOpen(t, b, ssh(alice, 40), start)
	b.Expire(after(60))
	mustOpen(t, b, third, after(60))
}

// A grant weighs as many elements as its door has ports, however many own it.
func TestGrantsAreWeighedByPorts(t *testing.T) {
	b, _ := newBook()
	b.room.most = 4000
	wide := func(n int) event.Grant {
		return of("alice", event.Grant{Door: "wide", Source: netip.AddrFrom4([4]byte{10, 0, 0, byte(n)}), Until: after(30)})
	}
	b.Weigh(map[string]int{"wide": 1024, "ssh": 1})
	for n := range 3 {
		mustOpen(t, b, wide(n), start)
	}
	mustOpen(t, b, operators(wide(0)), start)
	if _, err := b.Open(wide(3), start); err == nil {
		t.Error("4096 elements where there is room for 4000")
	}
	mustOpen(t, b, of("alice", ssh(alice, 30)), start)
	if b.room.taken != 3*1024+1 {
		t.Errorf("%d elements are counted", b.room.taken)
	}
	b.Weigh(map[string]int{"wide": 10}) // a reload
	if b.room.taken != 31 {
		t.Errorf("%d elements are counted after a reload", b.room.taken)
	}
	mustOpen(t, b, wide(3), start)
	mustRevoke(t, b, func(g event.Grant) bool { return g.Source == wide(0).Source }, start)
	b.Forget(func(g event.Grant) bool { return g.Door == "wide" && g.Source == wide(1).Source }, start)
	if b.Expire(after(60)); b.room.taken != 0 || len(b.room.elements) != 0 {
		t.Errorf("%d elements are counted when all is over", b.room.taken)
	}
}

func TestRestore(t *testing.T) {
	b, _ := newBook()
	b.Expect()
	if ended, err := b.Restore([]event.Grant{ssh(alice, 30), ssh(bob, 20)}, start); err != nil || len(ended) != 0 {
		t.Errorf("ended %v, error %v", ended, err)
	}
	if over, next := b.Expire(after(25)); len(over) != 1 || !next.Equal(after(30)) {
		t.Errorf("expired %v, next %s", over, next)
	}
}

// What happens before the grants of an earlier time have been read counts as if
// it had happened afterwards.
func TestWhatHappensBeforeRestore(t *testing.T) {
	everything := func(event.Grant) bool { return true }
	for name, c := range map[string]struct {
		meanwhile   func(*Book)
		ended, left []event.Grant
	}{
		"revoked":                    {func(b *Book) { b.Revoke(event.ByOperator, everything, start) }, []event.Grant{ssh(alice, 60)}, nil},
		"forgotten":                  {func(b *Book) { b.Forget(everything, start) }, nil, nil},
		"another revoked":            {func(b *Book) { b.Revoke(event.ByOperator, func(g event.Grant) bool { return g.Source == bob }, start) }, nil, []event.Grant{ssh(alice, 60)}},
		"granted for less":           {func(b *Book) { b.Open(ssh(alice, 30), start) }, nil, []event.Grant{ssh(alice, 60)}},
		"granted for more":           {func(b *Book) { b.Open(ssh(alice, 90), start) }, nil, []event.Grant{ssh(alice, 90)}},
		"revoked and given for less": {func(b *Book) { b.Revoke(event.ByOperator, everything, start); b.Open(ssh(alice, 30), start) }, nil, []event.Grant{ssh(alice, 30)}},
		"revoked and given":          {func(b *Book) { b.Revoke(event.ByOperator, everything, start); b.Open(ssh(alice, 90), start) }, nil, []event.Grant{ssh(alice, 90)}},
	} {
		b, f := earlier(t, start, ssh(alice, 60))
		c.meanwhile(b)
		ended, err := b.Restore([]event.Grant{ssh(alice, 60)}, start)
		if live := b.Live(start); err != nil || !slices.Equal(ended, c.ended) || !slices.Equal(live, c.left) {
			t.Errorf("%s: ended %v, live %v, error %v", name, ended, live, err)
		}
		for _, g := range c.left {
			if got := f.until[keyOf(g)]; !got.Equal(g.Until) {
				t.Errorf("%s: the firewall has it until %s, want %s", name, got, g.Until)
			}
		}
	}
}

// The same where the kernel is read only after a shorter grant has taken the place
// of the older one: nobody's end is another's.
func TestAShorterGrantBeforeRestore(t *testing.T) {
	k := keyOf(ssh(alice, 0))
	revoke := func(client string) func(*Book) {
		return func(b *Book) { b.Revoke(event.ByOperator, belongs(client), after(1)) }
	}
	for name, c := range map[string]struct {
		older []event.Grant
		lost  bool // the kernel does not have it any more
		then  func(*Book)
		left  []event.Grant
	}{
		"another owner's":         {[]event.Grant{of("alice", ssh(alice, 3600))}, false, func(*Book) {}, []event.Grant{of("alice", ssh(alice, 3600)), of("bob", ssh(alice, 30))}},
		"his own":                 {[]event.Grant{of("bob", ssh(alice, 3600))}, false, func(*Book) {}, []event.Grant{of("bob", ssh(alice, 3600))}},
		"a single one":            {[]event.Grant{single(of("alice", ssh(alice, 3600)))}, false, func(*Book) {}, []event.Grant{of("bob", ssh(alice, 30)), single(of("alice", ssh(alice, 3600)))}},
		"revoked then":            {[]event.Grant{of("alice", ssh(alice, 3600))}, false, revoke("alice"), []event.Grant{of("bob", ssh(alice, 30))}},
		"the shorter one revoked": {[]event.Grant{of("alice", ssh(alice, 3600))}, false, revoke("bob"), []event.Grant{of("alice", ssh(alice, 3600))}},
		"over meanwhile":          {[]event.Grant{of("alice", ssh(alice, 3600))}, true, func(*Book) {}, []event.Grant{of("bob", ssh(alice, 30))}},
		"one of two revoked": {[]event.Grant{of("alice", ssh(alice, 3600)), of("carol", ssh(alice, 60))}, false, revoke("alice"),
			[]event.Grant{of("bob", ssh(alice, 30)), of("carol", ssh(alice, 60))}},
	} {
		t.Run(name, func(t *testing.T) {
			b, f := earlier(t, after(1), c.older...)
			if c.lost {
				delete(f.until, k)
			}
			mustOpen(t, b, of("bob", ssh(alice, 30)), after(1))
			c.then(b)
			if _, err := b.Restore(f.elements(), after(2)); err != nil {
				t.Fatal(err)
			}
			sortGrants(c.left)
			if live := b.Live(after(2)); !same(live, c.left) {
				t.Errorf("live %+v, want %+v", live, c.left)
			}
			for _, g := range b.Elements(after(2)) {
				if got := f.until[keyOf(g)]; !got.Equal(g.Until) {
					t.Errorf("the firewall has %s until %s, want %s", keyOf(g).from, got, g.Until)
				}
			}
			if want := len(b.Elements(after(2))); len(f.until) != want {
				t.Errorf("the firewall has %v, want %d", f.until, want)
			}
		})
	}
}

func TestRestoreThatFails(t *testing.T) {
	b, f := newBook()
	b.Expect()
	b.Revoke(event.ByOperator, func(event.Grant) bool { return true }, start)
	f.err = errors.New("the kernel said no")
	ended, err := b.Restore([]event.Grant{ssh(alice, 60)}, start)
	if err == nil || len(ended) != 0 || len(b.Live(start)) != 1 {
		t.Errorf("ended %v, error %v: a grant that is still in force left the book", ended, err)
	}
}

// However grants come and go, there are as many as are counted.
func TestCount(t *testing.T) {
	b, _ := newBook()
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 1000 {
		source := netip.AddrFrom4([4]byte{192, 0, 2, byte(random.IntN(8))})
		g := event.Grant{Door: []string{"ssh", "web"}[random.IntN(2)], Source: source, Until: after(i + 1 + random.IntN(9))}
		mine := func(other event.Grant) bool { return other.Source == source }
		switch random.IntN(4) {
		case 0:
			if _, err := b.Revoke(event.ByOperator, mine, after(i)); err != nil {
				t.Fatal(err)
			}
		case 1:
			b.Forget(mine, after(i))
		default:
			mustOpen(t, b, g, after(i))
		}
		b.Expire(after(i))
		want := make(map[string]int)
		for _, g := range b.Live(after(i)) {
			want[g.Door]++
		}
		if got := b.Count(); !maps.Equal(got, want) {
			t.Fatalf("step %d: %v, want %v", i, got, want)
		}
	}
}
