package grant

import (
	"errors"
	"slices"
	"testing"
	"time"

	"sallyport/internal/event"
)

var errFull = errors.New("no buffer space available")

// revokedInVain is a book of a client and an operator of whom the client's grant,
// the longer one, was to end while the firewall failed.
func revokedInVain(t *testing.T) (*Book, *fakeFirewall) {
	t.Helper()
	b, f := newBook()
	mustOpen(t, b, of("alice", ssh(alice, 3600)), start)
	mustOpen(t, b, operators(ssh(alice, 60)), start)
	f.err = errFull
	if ended, err := b.Revoke(event.ByReload, belongs("alice"), start); err == nil || len(ended) != 0 || !b.Owes() {
		t.Fatalf("ended %+v, error %v, owes %v", ended, err, b.Owes())
	}
	f.err = nil
	return b, f
}

func TestARevocationIsTriedAgainUntilTheKernelAgrees(t *testing.T) {
	b, f := revokedInVain(t)
	k := keyOf(ssh(alice, 0))
	f.err = errFull
	if ended, err := b.Settle(after(1)); err == nil || len(ended) != 0 || !b.Owes() {
		t.Errorf("ended %+v, error %v: the firewall has failed again", ended, err)
	}
	if !f.until[k].Equal(after(3600)) || len(b.Live(after(1))) != 2 {
		t.Errorf("what the kernel still has is not in the book: %+v", b.Live(after(1)))
	}
	f.err = nil
	ended, err := b.Settle(after(2))
	if list := ended[event.ByReload]; err != nil || len(ended) != 1 || len(list) != 1 || list[0].Client != "alice" || b.Owes() {
		t.Errorf("ended %+v, error %v, owes %v", ended, err, b.Owes())
	}
	if !f.until[k].Equal(after(60)) || !slices.Equal(b.Live(after(2)), []event.Grant{operators(ssh(alice, 60))}) {
		t.Errorf("the firewall has it until %s, the book %+v: want the operator's end", f.until[k], b.Live(after(2)))
	}
	if ended, err := b.Settle(after(3)); err != nil || len(ended) != 0 {
		t.Errorf("ended a second time: %+v, error %v", ended, err)
	}
}

// What is to end is not brought back by what is opened, restored or removed
// meanwhile.
func TestWhatIsToEndIsNotProlonged(t *testing.T) {
	k := keyOf(ssh(alice, 0))
	for name, c := range map[string]struct {
		do   func(*Book)
		want time.Time // of the kernel's element in the end
	}{
		"another owner opens":   {func(b *Book) { mustOpen(t, b, of("bob", ssh(alice, 90)), after(1)) }, after(90)},
		"the owner opens again": {func(b *Book) { mustOpen(t, b, of("alice", ssh(alice, 90)), after(1)) }, after(90)},
		"the table is put back": {func(b *Book) {
			for _, g := range b.Elements(after(1)) {
				if err := b.firewall.Grant(g, after(1)); err != nil {
					t.Error(err)
				}
			}
		}, after(60)},
		"the other's part ends": {func(b *Book) {
			mustRevoke(t, b, func(g event.Grant) bool { return g.Holder == event.Operator }, after(1))
		}, time.Time{}},
		"its time comes": {func(b *Book) { b.Expire(after(3600)) }, time.Time{}},
	} {
		b, f := revokedInVain(t)
		c.do(b)
		if _, err := b.Settle(after(2)); err != nil || b.Owes() {
			t.Errorf("%s: %v, owes %v", name, err, b.Owes())
		}
		if name != "its time comes" && !f.until[k].Equal(c.want) {
			t.Errorf("%s: the firewall has it until %s, want %s", name, f.until[k], c.want)
		}
	}
}

// A process that dies before the kernel has ended a grant leaves it to the next.
func TestWhatIsToEndEndsAfterARestart(t *testing.T) {
	dir, f := t.TempDir(), &fakeFirewall{until: make(map[key]time.Time)}
	b := New(f, openRegister(t, dir, "boot", start))
	mustOpen(t, b, of("alice", ssh(alice, 3600)), start)
	mustOpen(t, b, operators(ssh(alice, 60)), start)
	mustOpen(t, b, of("alice", ssh(bob, 3600)), start)
	f.err = errFull
	if _, err := b.Revoke(event.ByOperator, belongs("alice"), start); err == nil {
		t.Fatal("no error")
	}
	for _, fails := range []error{errFull, nil} {
		f.err = fails
		b = New(f, openRegister(t, dir, "boot", after(10)))
		b.Expect()
		ended, err := b.Restore(f.elements(), after(10))
		if (err == nil) != (fails == nil) || b.Owes() != (fails != nil) || fails == nil && len(ended) != 2 {
			t.Errorf("ended %+v, error %v, owes %v", ended, err, b.Owes())
		}
	}
	if live := b.Live(after(10)); len(live) != 1 || live[0].Holder != event.Operator || len(f.until) != 1 || !f.until[keyOf(ssh(alice, 0))].Equal(after(60)) {
		t.Errorf("left %+v; the firewall has %v", live, f.until)
	}
	b = New(f, openRegister(t, dir, "boot", after(20)))
	b.Expect()
	if ended, err := b.Restore(f.elements(), after(20)); err != nil || len(ended) != 0 || len(b.Live(after(20))) != 1 {
		t.Errorf("ended %+v, error %v: the operator's was not to end", ended, err)
	}
}
