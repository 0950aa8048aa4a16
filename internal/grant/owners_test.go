package grant

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sallyport/internal/event"
)

// of gives a grant an owner.
func of(client string, g event.Grant) event.Grant {
	g.Client = client
	return g
}

// operators is what an operator has opened.
func operators(g event.Grant) event.Grant {
	g.Holder = event.Operator
	return g
}

func single(g event.Grant) event.Grant {
	g.Single = true
	return g
}

func belongs(client string) func(event.Grant) bool {
	return func(g event.Grant) bool { return g.Owner().Is(client) }
}

// ownedBy accepts the grants of an owner.
func ownedBy(o event.Owner) func(event.Grant) bool {
	return func(g event.Grant) bool { return g.Owner().Same(o) }
}

// openRegister opens the register in a directory at a time since the boot.
func openRegister(t testing.TB, dir, boot string, now time.Time) *Register {
	t.Helper()
	r := OpenRegister(filepath.Join(dir, RegisterName), boot, func() time.Duration { return now.Sub(start) }, now)
	t.Cleanup(func() { r.Close() })
	return r
}

// earlier is a book after a restart: an earlier process has given some grants.
func earlier(t *testing.T, now time.Time, grants ...event.Grant) (*Book, *fakeFirewall) {
	t.Helper()
	dir, f := t.TempDir(), &fakeFirewall{until: make(map[key]time.Time)}
	b := New(f, openRegister(t, dir, "boot", start))
	for _, g := range grants {
		mustOpen(t, b, g, start)
	}
	b = New(f, openRegister(t, dir, "boot", now))
	b.Expect()
	return b, f
}

// elements is what the fake kernel lists.
func (f *fakeFirewall) elements() (list []event.Grant) {
	for k, until := range f.until {
		list = append(list, event.Grant{Door: k.door, Source: k.from.Addr(), Until: until, Single: k.single})
	}
	return list
}

func mustRevoke(t *testing.T, b *Book, match func(event.Grant) bool, now time.Time) []event.Grant {
	t.Helper()
	ended, err := b.Revoke(event.ByOperator, match, now)
	if err != nil {
		t.Fatal(err)
	}
	return ended
}

// A client cannot hide a grant behind a shorter one of another owner, nor end
// that owner's by ending his own.
func TestEachOwnerHasAnEndOfHisOwn(t *testing.T) {
	for name, second := range map[string]event.Grant{
		"sequence": ssh(alice, 30), "operator": operators(ssh(alice, 30)), "bob": of("bob", ssh(alice, 30)),
	} {
		b, f := newBook()
		k := keyOf(second)
		mustOpen(t, b, of("alice", ssh(alice, 3600)), start)
		if g := mustOpen(t, b, second, start); g != second || !f.until[k].Equal(after(3600)) {
			t.Errorf("%s: has %+v; the firewall has it until %s", name, g, f.until[k])
		}
		if ended := mustRevoke(t, b, belongs("alice"), start); len(ended) != 1 || !f.until[k].Equal(after(30)) {
			t.Errorf("%s: ended %+v; the firewall has it until %s, want the other's end", name, ended, f.until[k])
		}
		if live := b.Live(start); !slices.Equal(live, []event.Grant{second}) {
			t.Errorf("%s: left %+v", name, live)
		}
		if ended := mustRevoke(t, b, ownedBy(second.Owner()), start); len(ended) != 1 || len(f.until) != 0 {
			t.Errorf("%s: ended %+v; the firewall has %v", name, ended, f.until)
		}
	}
}

// An operator's grant that a knock follows stays the operator's.
func TestAShorterPartEndsWithoutTheOthers(t *testing.T) {
	b, f := newBook()
	mustOpen(t, b, operators(ssh(alice, 600)), start)
	mustOpen(t, b, of("dave", ssh(alice, 30)), start)
	over, next := b.Expire(after(30))
	if len(over) != 1 || over[0].Client != "dave" || !next.Equal(after(600)) || !f.until[keyOf(over[0])].Equal(after(600)) {
		t.Errorf("over %+v, next %s", over, next)
	}
	if ended := mustRevoke(t, b, belongs("dave"), after(31)); len(ended) != 0 {
		t.Errorf("ended %+v", ended)
	}
}

// A used single grant does not come back, whosever part ends or begins.
func TestUsedSingleGrants(t *testing.T) {
	b, f := newBook()
	k := keyOf(single(ssh(alice, 0)))
	mustOpen(t, b, of("alice", single(ssh(alice, 60))), start)
	mustOpen(t, b, of("bob", single(ssh(alice, 90))), start)
	delete(f.until, k) // a connection has used it
	mustRevoke(t, b, belongs("bob"), start)
	if len(f.until) != 0 {
		t.Errorf("a used grant is back: %v", f.until)
	}
	mustOpen(t, b, of("carol", single(ssh(alice, 30))), start)
	if !f.until[k].Equal(after(30)) {
		t.Errorf("carol's lasts until %s, as long as alice's, which was used", f.until[k])
	}
	if over, _ := b.Expire(start); len(over) != 1 || over[0].Client != "alice" {
		t.Errorf("over %+v, want what was used", over)
	}
	mustRevoke(t, b, belongs("carol"), start)
	if len(f.until) != 0 {
		t.Errorf("left: %v", f.until)
	}
}

// Beyond the most owners nobody is kept out, and anyone who is revoked is out.
func TestMoreOwnersThanAnElementHolds(t *testing.T) {
	b, f := newBook()
	for i := range 40 {
		mustOpen(t, b, of(fmt.Sprintf("client-%d", i), ssh(alice, 60+i)), start)
	}
	if n, count := len(b.Live(start)), b.Count()["ssh"]; n != maxOwners || count != n {
		t.Errorf("%d parts, counted %d", n, count)
	}
	for i := 39; i >= 0; i-- {
		mustRevoke(t, b, belongs(fmt.Sprintf("client-%d", i)), start)
	}
	if len(f.until) != 0 || len(b.Live(start)) != 0 {
		t.Errorf("left: %v", f.until)
	}
}

// A register gives back every place that is not in use, whatever it held.
func TestPlacesOfARestart(t *testing.T) {
	dir, f := t.TempDir(), &fakeFirewall{until: make(map[key]time.Time)}
	r := openRegister(t, dir, "boot", start)
	write := func(g event.Grant) { r.put(part{g, r.take(), nil}, start) }
	for i := range 40 { // as if it had died while it made room
		write(of(fmt.Sprintf("client-%d", i), ssh(alice, 60+i)))
	}
	anyone := ssh(alice, 60)
	anyone.Holder = event.Anyone
	for range 3 {
		write(anyone)
	}
	write(of("late", ssh(alice, 20)))
	write(of("gone", ssh(bob, 60)))
	f.until[keyOf(anyone)] = after(100)
	b := New(f, openRegister(t, dir, "boot", after(30)))
	b.Expect()
	if _, err := b.Restore(f.elements(), after(30)); err != nil {
		t.Fatal(err)
	}
	parts := b.live[keyOf(anyone)]
	used := make(map[int]bool)
	for _, p := range parts {
		if p.slot == noSlot || used[p.slot] || slices.Contains(b.register.slots.free, p.slot) {
			t.Errorf("place %d of %s is used twice", p.slot, p.Owner())
		}
		used[p.slot] = true
	}
	if len(parts) != maxOwners || len(b.register.slots.free)+len(parts) != b.register.slots.next {
		t.Errorf("%d parts, %d of %d places free", len(parts), len(b.register.slots.free), b.register.slots.next)
	}
}

// What the firewall does not end stays, and keeps nothing else in force.
func TestRevokeGoesOnAfterAFailure(t *testing.T) {
	b, f := newBook()
	mustOpen(t, b, ssh(alice, 60), start)
	mustOpen(t, b, ssh(bob, 60), start)
	broken := &failsFor{f, alice.String()}
	b.firewall = broken
	ended, err := b.Revoke(event.ByOperator, func(event.Grant) bool { return true }, start)
	if err == nil || !strings.Contains(err.Error(), alice.String()) || len(ended) != 1 || ended[0].Source != bob || len(b.Live(start)) != 1 {
		t.Errorf("ended %+v, error %v", ended, err)
	}
}

type failsFor struct {
	Firewall
	source string
}

func (f *failsFor) Revoke(g event.Grant) error {
	if g.Source.String() == f.source {
		return errors.New("no such door")
	}
	return f.Firewall.Revoke(g)
}

func TestOwnersOutliveTheProcess(t *testing.T) {
	b, f := earlier(t, after(10), of("alice", ssh(alice, 3600)), operators(ssh(alice, 60)), of("bob", ssh(bob, 30)))
	k := keyOf(ssh(alice, 0))
	f.until[k] = after(1800) // the kernel's end is earlier
	if ended, err := b.Restore(f.elements(), after(10)); err != nil || len(ended) != 0 {
		t.Fatalf("ended %+v, error %v", ended, err)
	}
	want := []event.Grant{of("alice", ssh(alice, 1800)), operators(ssh(alice, 60)), of("bob", ssh(bob, 30))}
	if live := b.Live(after(10)); !same(live, want) {
		t.Errorf("%+v, want %+v", live, want)
	}
	mustRevoke(t, b, belongs("alice"), after(10))
	if !f.until[k].Equal(after(60)) {
		t.Errorf("the firewall has it until %s, want the operator's end", f.until[k])
	}
}

// same compares grants whose times may have gone through another clock.
func same(a, b []event.Grant) bool {
	return slices.EqualFunc(a, b, func(a, b event.Grant) bool {
		equal := a.Until.Equal(b.Until)
		a.Until, b.Until = time.Time{}, time.Time{}
		return equal && a == b
	})
}

// What no readable entry speaks of is everybody's: it goes on, and ending
// anybody's grants ends it. Nothing lasts longer because of a damaged file.
func TestDamagedRegister(t *testing.T) {
	for name, c := range map[string]struct {
		damage func([]byte) []byte
		boot   string
		owners int // that are known again
	}{
		"none":            {func(b []byte) []byte { return b }, "boot", 2},
		"another boot":    {func(b []byte) []byte { return b }, "other", 0},
		"no boot known":   {func(b []byte) []byte { return b }, "", 0},
		"no file":         {func([]byte) []byte { return nil }, "boot", 0},
		"another version": {func(b []byte) []byte { b[7]++; return b }, "boot", 0},
		"cut short":       {func(b []byte) []byte { return b[:2*recordSize+9] }, "boot", 1},
		"one flipped bit": {func(b []byte) []byte { b[recordSize+5] ^= 1; return b }, "boot", 1},
		"all of noise": {func(b []byte) []byte {
			for i := range b {
				b[i] = byte(i * 7)
			}
			return b
		}, "boot", 0},
	} {
		t.Run(name, func(t *testing.T) {
			dir, f := t.TempDir(), &fakeFirewall{until: make(map[key]time.Time)}
			b := New(f, openRegister(t, dir, "boot", start))
			mustOpen(t, b, of("alice", ssh(alice, 60)), start)
			mustOpen(t, b, of("bob", ssh(bob, 60)), start)
			path := filepath.Join(dir, RegisterName)
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, c.damage(data), 0o600); err != nil {
				t.Fatal(err)
			}
			b = New(f, openRegister(t, dir, c.boot, after(1)))
			b.Expect()
			if _, err := b.Restore(f.elements(), after(1)); err != nil {
				t.Fatal(err)
			}
			known := 0
			for _, g := range b.Live(after(1)) {
				if g.Holder != event.Anyone {
					known++
				}
				if g.Until.After(after(60)) {
					t.Errorf("%+v lasts longer than it was given for", g)
				}
			}
			if known != c.owners {
				t.Errorf("%d owners are known, want %d", known, c.owners)
			}
			mustRevoke(t, b, belongs("alice"), after(1))
			if n := len(f.until); n != max(0, c.owners-1) && c.owners != 1 || c.owners == 1 && n > 1 {
				t.Errorf("%d elements are left: %v", n, f.until)
			}
			if _, left := f.until[keyOf(ssh(alice, 0))]; left {
				t.Error("alice is still let in")
			}
		})
	}
}

func TestRegisterThatCannotBeWritten(t *testing.T) {
	r := OpenRegister(filepath.Join(t.TempDir(), "nowhere", RegisterName), "boot", func() time.Duration { return 0 }, start)
	b := New(&fakeFirewall{until: make(map[key]time.Time)}, r)
	mustOpen(t, b, of("alice", ssh(alice, 60)), start)
	if b.Problem() == nil {
		t.Error("nothing is said about it")
	}
}

func TestRegisterDoesNotGrowWithUse(t *testing.T) {
	dir := t.TempDir()
	b := New(&fakeFirewall{until: make(map[key]time.Time)}, openRegister(t, dir, "boot", start))
	for i := range 1000 {
		mustOpen(t, b, of("alice", ssh(alice, i+2)), after(i))
		mustOpen(t, b, of("bob", ssh(bob, i+1)), after(i))
		b.Expire(after(i + 1))
	}
	info, err := os.Stat(filepath.Join(dir, RegisterName))
	if err != nil || info.Size() > 10*recordSize {
		t.Errorf("%d bytes, error %v", info.Size(), err)
	}
}

// However owners open and end, through restarts, the kernel has for each element
// the latest end of those who are left.
func TestTheKernelHasTheLatestOfTheRest(t *testing.T) {
	dirs := t.TempDir()
	runs := 0
	rapid.Check(t, func(t *rapid.T) {
		runs++
		dir := filepath.Join(dirs, fmt.Sprint(runs))
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		f := &fakeFirewall{until: make(map[key]time.Time)}
		now := 0
		begin := func() *Book {
			r := OpenRegister(filepath.Join(dir, RegisterName), "boot", func() time.Duration { return after(now).Sub(start) }, after(now))
			return New(f, r)
		}
		b := begin()
		model := make(map[key]map[event.Owner]time.Time)
		owner := rapid.SampledFrom([]event.Owner{{Client: "alice"}, {Client: "bob"}, {}, {Holder: event.Operator}})
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			o := owner.Draw(t, "owner")
			switch rapid.SampledFrom([]string{"open", "open", "open", "end", "pass", "restart"}).Draw(t, "step") {
			case "open":
				g := event.Grant{Door: "ssh", Source: rapid.SampledFrom([]netip.Addr{alice, bob}).Draw(t, "source"), Client: o.Client, Holder: o.Holder,
					Single: rapid.Bool().Draw(t, "single"), Until: after(now + rapid.IntRange(1, 100).Draw(t, "length"))}
				if _, err := b.Open(g, after(now)); err != nil {
					t.Fatal(err)
				}
				k := keyOf(g)
				if model[k] == nil {
					model[k] = make(map[event.Owner]time.Time)
				}
				if model[k][o].Before(g.Until) {
					model[k][o] = g.Until
				}
			case "end":
				if _, err := b.Revoke(event.ByOperator, ownedBy(o), after(now)); err != nil {
					t.Fatal(err)
				}
				for _, m := range model {
					delete(m, o)
				}
			case "pass":
				now += rapid.IntRange(1, 50).Draw(t, "seconds")
				for k, until := range f.until { // the kernel does so by itself
					if !until.After(after(now)) {
						delete(f.until, k)
					}
				}
				b.Expire(after(now))
			case "restart":
				b.register.Close()
				b = begin()
				b.Expect()
				if _, err := b.Restore(f.elements(), after(now)); err != nil {
					t.Fatal(err)
				}
			}
			for k, m := range model {
				var want time.Time
				for _, until := range m {
					if until.After(after(now)) && until.After(want) {
						want = until
					}
				}
				if got := f.until[k]; !got.Equal(want) {
					t.Fatalf("%v: the kernel has it until %s, want %s", k, got, want)
				}
			}
		}
		b.register.Close()
	})
}
