package replay

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"
	"time"
)

const window = time.Minute

var (
	start = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	home  = netip.MustParseAddr("192.0.2.1")
	other = netip.MustParseAddr("2001:db8::1")
)

// msg returns the n-th message of all, stamped at a time.
func msg(n int, stamped time.Time) Message {
	m := Message{Client: [6]byte{1}, Stamped: stamped, Source: home}
	binary.BigEndian.PutUint64(m.R[:], uint64(n))
	m.Mark = [8]byte{byte(n), byte(n >> 8), 7}
	return m
}

// of gives a message to a client.
func of(client int, m Message) Message {
	binary.BigEndian.PutUint32(m.Client[:], uint32(client))
	return m
}

// opened returns an empty store that believes in itself.
func opened(t testing.TB, files Files, sizes sizes) (*Store, *Guard) {
	t.Helper()
	s := Store{sizes: sizes, files: files, index: index{oldest: 1, newest: 1}}
	if err := s.begin(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	store, guard, notices := open(files, sizes, "boot", window, start)
	if len(notices) != 0 {
		t.Fatal(notices)
	}
	return store, guard
}

// record admits a message and appends it.
func record(t testing.TB, s *Store, g *Guard, m Message, now time.Time) {
	t.Helper()
	r, v := g.Admit(m, now)
	if v != Fresh {
		t.Fatalf("message %x is %s: want fresh", m.R, v)
	}
	if err := s.Append(r); err != nil {
		t.Fatal(err)
	}
}

func (v Verdict) want(t testing.TB, g *Guard, m Message, now time.Time) {
	t.Helper()
	if got := g.Check(m, now); got != v {
		t.Errorf("message %x is %s: want %s", m.R, got, v)
	}
}

func TestZeroVerdictRefuses(t *testing.T) {
	if v := *new(Verdict); v == Fresh {
		t.Error("the zero verdict is fresh")
	}
}

func TestVerdicts(t *testing.T) {
	s, g := opened(t, newMemory(), standard)
	first := msg(1, start)
	Fresh.want(t, g, first, start)
	Fresh.want(t, g, first, start) // asking changes nothing
	record(t, s, g, first, start)

	copied, reused, elsewhere := first, first, first
	copied.Source = other
	reused.Mark[0]++
	elsewhere.Client[5]++
	Repeated.want(t, g, first, start)
	Intercepted.want(t, g, copied, start)
	Intercepted.want(t, g, copied, start)
	g.Told(reused) // of another message: changes nothing
	Intercepted.want(t, g, copied, start)
	g.Told(copied)
	Repeated.want(t, g, copied, start)
	Repeated.want(t, g, first, start)
	Reused.want(t, g, reused, start)
	Fresh.want(t, g, elsewhere, start)
	Fresh.want(t, g, msg(2, start), start)
	if _, v := g.Admit(first, start); v != Repeated {
		t.Errorf("admitted twice: %s", v)
	}
}

func TestCopyIsRefusedBeforeTheFirstIsRecorded(t *testing.T) {
	_, g := opened(t, newMemory(), standard)
	if _, v := g.Admit(msg(1, start), start); v != Fresh {
		t.Fatal(v)
	}
	Repeated.want(t, g, msg(1, start), start)
}

func TestClockSetBackDoesNotReopen(t *testing.T) {
	s, g := opened(t, newMemory(), standard)
	record(t, s, g, msg(1, start), start)
	for _, step := range []time.Duration{time.Hour, -time.Hour, -24 * 365 * time.Hour, 24 * 365 * time.Hour} {
		now := start.Add(step)
		Repeated.want(t, g, msg(1, start), now)
		Fresh.want(t, g, msg(2, now), now)
	}
}

var small = sizes{generation: 4, keep: 2, most: 4}

func TestForgettingRaisesTheFloor(t *testing.T) {
	s, g := opened(t, newMemory(), small)
	now := start
	for n := range 100 {
		now = now.Add(window)
		record(t, s, g, of(n, msg(n, now)), now)
		if g.Len() > small.most*small.generation {
			t.Fatalf("%d messages are remembered", g.Len())
		}
	}
	now = start
	for n := range 100 {
		now = now.Add(window)
		m := of(n, msg(n, now))
		if v := g.Check(m, now); v == Fresh {
			t.Errorf("message %d is fresh again when the clock is set back to its time", n)
		}
	}
	if v := g.Check(of(0, msg(0, start.Add(window))), now); v != Forgotten {
		t.Errorf("the first message is %s: want forgotten, or this test forgets nothing", v)
	}
}

func TestFullGuardRefusesUntilAgeMakesRoom(t *testing.T) {
	s, g := opened(t, newMemory(), small)
	n := 0
	for ; n < small.most*small.generation; n++ {
		record(t, s, g, of(n, msg(n, start)), start)
	}
	m := of(n, msg(n, start))
	if _, v := g.Admit(m, start); v != Full {
		t.Fatalf("one message too many is %s", v)
	}
	Fresh.want(t, g, m, start) // nothing was reserved
	Repeated.want(t, g, of(0, msg(0, start)), start)

	later := start.Add(window + time.Millisecond)
	record(t, s, g, of(n, msg(n, later)), later)
	Forgotten.want(t, g, of(0, msg(0, start)), later)
}

func TestOneClientCannotFillTheGuard(t *testing.T) {
	s, g := opened(t, newMemory(), standard)
	for n := range burst {
		record(t, s, g, msg(n, start), start)
	}
	if _, v := g.Admit(msg(burst, start), start); v != Crowding {
		t.Fatalf("message %d at once is %s", burst+1, v)
	}
	record(t, s, g, of(2, msg(burst, start)), start)
	record(t, s, g, msg(burst, start), start.Add(interval))
	if _, v := g.Admit(msg(burst+1, start), start.Add(interval)); v != Crowding {
		t.Fatalf("two at once after that: %s", v)
	}
	back := start.Add(-time.Hour)
	record(t, s, g, msg(burst+1, back), back)
}

func TestHotPathAllocatesNothing(t *testing.T) {
	s, g := opened(t, newMemory(), standard)
	record(t, s, g, msg(1, start), start)
	known, unknown := msg(1, start), msg(2, start)
	n := testing.AllocsPerRun(100, func() { g.Check(known, start); g.Check(unknown, start) })
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// The time of a look-up must not depend on how many messages are remembered.
func BenchmarkCheck(b *testing.B) {
	for _, size := range []int{100, 500_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			_, g := opened(b, newMemory(), standard)
			for n := range size {
				if _, v := g.Admit(of(n, msg(n, start)), start); v != Fresh {
					b.Fatal(v)
				}
			}
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				g.Check(of(n%size, msg(n, start)), start)
			}
		})
	}
}

func BenchmarkAdmit(b *testing.B) {
	_, g := opened(b, newMemory(), standard)
	now := start
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		now = now.Add(time.Millisecond)
		if _, v := g.Admit(of(n%4096, msg(n, now)), now); v != Fresh {
			b.Fatal(v)
		}
	}
}
