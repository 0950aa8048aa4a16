//go:build linux

package asks

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"sallyport/internal/askcode"
	"sallyport/internal/config"
	"sallyport/internal/control"
	"sallyport/internal/event"
)

var (
	noon = time.Unix(1_900_000_000, 0)
	home = netip.MustParseAddr("2001:db8:1:2::7")
)

func codeOf(n int) askcode.Code {
	return askcode.Of([askcode.Size]byte{byte(n >> 16), byte(n >> 8), byte(n)})
}

// takes adds an ask that is taken.
func takes(t *testing.T, b *book, now time.Time, of ask) *ask {
	t.Helper()
	a, s := b.add(now, of)
	if s != nil {
		t.Fatalf("refused: %+v", s)
	}
	return a
}

// stranger adds the ask of someone in a network of his own.
func stranger(b *book, now time.Time, n int) (*ask, *shut) {
	a := netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, byte(n >> 8), byte(n), 0, 1})
	return b.add(now, ask{source: a, code: codeOf(n + 1000)})
}

// The right code takes the ask once; a wrong one, or one that is over, nothing.
func TestTake(t *testing.T) {
	var b book
	a := takes(t, &b, noon, ask{source: home, code: codeOf(1)})
	if _, w := b.take(noon, codeOf(2), ""); w == nil || w.left != allTries-1 {
		t.Errorf("a wrong code: %+v", w)
	}
	got, w := b.take(noon, codeOf(1), a.id[:3])
	if w != nil || got != a {
		t.Fatalf("%+v", w)
	}
	if _, w := b.take(noon, codeOf(1), ""); w == nil {
		t.Error("a second operator gets it, too")
	}
	a.settle("", time.Time{}) // the door did not open
	if got, w := b.take(noon, codeOf(1), ""); w != nil || got != a {
		t.Fatalf("it does not wait on: %+v", w)
	}
	a.settle("ssh", noon.Add(time.Minute))
	if _, w := b.take(noon, codeOf(1), ""); w == nil {
		t.Error("it is used a second time")
	}
	if o := b.of(a.token); o == nil || o.state != control.AskAllowed || o.opened != "ssh" {
		t.Errorf("%+v", o)
	}
	takes(t, &b, noon, ask{source: home, code: codeOf(3)})
	if _, w := b.take(noon.Add(lasts), codeOf(3), ""); w == nil {
		t.Error("it is used when it is over")
	}
}

// Guessing ends: for one ask after five tries, in all after twenty.
func TestWrongCodes(t *testing.T) {
	var b book
	a := takes(t, &b, noon, ask{source: home, code: codeOf(1)})
	for n := range tries {
		_, w := b.take(noon, codeOf(100+n), a.id)
		if w == nil || w.left != tries-n-1 || (w.ended == a) != (n == tries-1) {
			t.Fatalf("try %d: %+v", n, w)
		}
	}
	if _, w := b.take(noon, codeOf(1), a.id); w == nil {
		t.Error("the right code works after five wrong ones")
	}
	takes(t, &b, noon, ask{source: home, code: codeOf(2)})
	for n := range allTries {
		_, _ = b.take(noon, codeOf(100+n), "")
	}
	if _, w := b.take(noon, codeOf(2), ""); w == nil || !w.all {
		t.Errorf("the right code works after twenty wrong ones: %+v", w)
	}
	takes(t, &b, noon.Add(within), ask{source: home, code: codeOf(2)})
	if _, w := b.take(noon.Add(within), codeOf(2), ""); w != nil {
		t.Errorf("it does not work later either: %+v", w)
	}
}

// Two devices whose codes are the same are never taken for each other.
func TestSameCode(t *testing.T) {
	var b book
	alice := takes(t, &b, noon, ask{source: home, client: "alice", code: codeOf(1)})
	bob := takes(t, &b, noon, ask{source: home, client: "bob", code: codeOf(1)})
	if _, w := b.take(noon, codeOf(1), ""); w == nil || !w.twice {
		t.Errorf("one of two is chosen: %+v", w)
	}
	if got, w := b.take(noon, codeOf(1), bob.id); w != nil || got != bob || got == alice {
		t.Errorf("%+v", w)
	}
	if s := takes(t, &b, noon, ask{source: home, code: codeOf(1)}); s.code.Equal(codeOf(1)) {
		t.Error("a code that is made here is one that is there")
	}
}

// One ask for a network, and one for a client, wherever it is.
func TestOneEach(t *testing.T) {
	var b book
	first := takes(t, &b, noon, ask{source: home, code: codeOf(1)})
	neighbour := netip.MustParseAddr("2001:db8:1:2:ffff::1")
	if _, s := b.add(noon, ask{source: neighbour, code: codeOf(2)}); s == nil || s.reason != control.AskedAlready || s.until != first.until {
		t.Errorf("a second one from the same /64: %+v", s)
	}
	old := takes(t, &b, noon, ask{source: neighbour, client: "alice", code: codeOf(3), message: event.Message{1}})
	if first.state != control.AskWaiting {
		t.Error("a client in the same network ends it")
	}
	moved := takes(t, &b, noon, ask{source: netip.MustParseAddr("192.0.2.7"), client: "alice", code: codeOf(4)})
	if old.state != control.AskOver || moved.state != control.AskWaiting {
		t.Error("a client has two")
	}
	if _, w := b.take(noon, codeOf(3), ""); w == nil {
		t.Error("the code of the older one still works")
	}
}

// However many ask, there are so many; a client always has room.
func TestFlood(t *testing.T) {
	var b book
	for n := range 10_000 {
		_, _ = stranger(&b, noon.Add(time.Duration(n)*time.Millisecond), n)
	}
	if n := len(b.waiting()); n != strangers {
		t.Errorf("%d strangers wait", n)
	}
	near := 0
	var c book
	for n := range 1000 {
		a := netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 0, 1, byte(n >> 8), byte(n)})
		if _, s := c.add(noon, ask{source: a, code: codeOf(n)}); s == nil {
			near++
		}
	}
	if near != ofArea {
		t.Errorf("%d from one /48", near)
	}
	for n := range most {
		takes(t, &b, noon.Add(time.Minute), ask{source: home, client: fmt.Sprint("client", n), code: codeOf(n)})
	}
	if n := len(b.waiting()); n != most {
		t.Errorf("%d wait", n)
	}
	if _, s := b.add(noon.Add(time.Minute), ask{source: home, client: "one more", code: codeOf(99)}); s == nil || s.reason != control.AsksFull {
		t.Errorf("%+v", s)
	}
	if len(b.list) > 2*most {
		t.Errorf("%d are remembered", len(b.list))
	}
}

// Whatever is done in any order: never more than is allowed, and nothing that is over is
// taken.
func TestRandomOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var b book
	now := noon
	for range 50_000 {
		now = now.Add(time.Duration(r.IntN(30)) * time.Second)
		switch r.IntN(5) {
		case 0, 1:
			_, _ = stranger(&b, now, r.IntN(500))
		case 2:
			_, _ = b.add(now, ask{source: home, client: fmt.Sprint(r.IntN(80)), code: codeOf(r.IntN(1 << 24))})
		case 3:
			if list := b.waiting(); len(list) > 0 {
				o := list[r.IntN(len(list))]
				if got, w := b.take(now, o.code, o.id); w == nil {
					if got != o || !now.Before(got.until) {
						t.Fatalf("at %s: %+v", now, got)
					}
					got.settle([]string{"", "ssh"}[r.IntN(2)], now.Add(time.Minute))
				}
			}
		case 4:
			_, _ = b.take(now, codeOf(r.IntN(1<<24)), "")
		}
		if len(b.waiting()) > most || len(b.list) > 2*most || len(b.wrong) > allTries {
			t.Fatalf("%d wait, %d remembered, %d wrong codes", len(b.waiting()), len(b.list), len(b.wrong))
		}
	}
}

// A stranger's note covers nothing of what an operator reads beside it.
func TestNotesAreNotStacked(t *testing.T) {
	for text, want := range map[string]string{
		"Alice":                                  "Alice",
		"Nguye\u0302\u0303n":                     "Nguye\u0302\u0303n",
		"A" + strings.Repeat("\u0336", 90) + "b": "A\u0336\u0336\u0336b",
		strings.Repeat("\u20dd", 90):             "\u20dd\u20dd\u20dd",
	} {
		if got := unstacked(text); got != want {
			t.Errorf("%+q, want %+q", got, want)
		}
	}
	d := &Desk{Around: Around{Own: func(netip.Addr) bool { return false }, InForce: func() *config.Config { return &config.Config{} }}}
	source := netip.MustParseAddr("192.0.2.7")
	if note, err := d.check(source, control.AskRequest{Source: source, Note: " x" + strings.Repeat("\u0489", 50) + "\n y"}); err != nil || note != "x\u0489\u0489\u0489 y" {
		t.Errorf("%+q, %v", note, err)
	}
}
