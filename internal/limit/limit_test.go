package limit

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"sallyport/internal/spa"
)

var (
	start = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	home  = netip.MustParseAddr("192.0.2.1")
	key   = [2]uint64{1, 2}
)

const (
	rate  = 2_000  // of the budget
	flood = 20_000 // datagrams a second
)

func ipv4(n uint32) netip.Addr {
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, n)))
}

func ipv6(hi, lo uint64) netip.Addr {
	return netip.AddrFrom16([16]byte(binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, hi), lo)))
}

// again returns a flood from random sources, each used so many times, at the
// shortest interval that counts.
func again(times int) func(r *rand.Rand, n int) netip.Addr {
	const apart = flood * 6 / 10 // datagrams in 0.6 s
	var sources []uint32
	return func(r *rand.Rand, n int) netip.Addr {
		at := n % apart
		if at >= len(sources) {
			sources = append(sources, 0)
		}
		if (n/apart+at)%times == 0 || sources[at] == 0 {
			sources[at] = r.Uint32() | 1
		}
		return ipv4(sources[at])
	}
}

func one(a netip.Addr) func(*rand.Rand, int) netip.Addr {
	return func(*rand.Rand, int) netip.Addr { return a }
}

func TestFloods(t *testing.T) {
	random := func(r *rand.Rand, _ int) netip.Addr { return ipv4(r.Uint32()) }
	cases := []struct {
		name      string
		source    func(r *rand.Rand, n int) netip.Addr
		known     bool
		most, all int // datagrams that 90 % of the clients need, and all of them, of spa.Tries
	}{
		{"random sources", random, false, 2, 2},
		{"random IPv6 sources", func(r *rand.Rand, _ int) netip.Addr { return ipv6(r.Uint64(), 1) }, false, 2, 2},
		{"one source", one(ipv4(1)), false, 1, 1},
		{"one /24", func(_ *rand.Rand, n int) netip.Addr { return ipv4(uint32(n % 256)) }, false, 1, 1},
		{"one /64", func(r *rand.Rand, _ int) netip.Addr { return ipv6(1, r.Uint64()) }, false, 1, 1},
		{"one /48", func(_ *rand.Rand, n int) netip.Addr { return ipv6(uint64(n%65536), 1) }, false, 1, 1},
		{"4,000 hosts", func(_ *rand.Rand, n int) netip.Addr { return ipv4(uint32(n%4_000) * 977_777) }, false, 5, 7},
		{"500 hosts", func(_ *rand.Rand, n int) netip.Addr { return ipv4(uint32(n%500) * 977_777) }, false, 1, 2},
		{"used two times", again(2), false, 3, 3},
		{"used five times", again(5), false, 6, 6},
		{"used ten times", again(10), false, 7, 7},
		{"random sources, client known", random, true, 1, 1},
		{"used ten times, client known", again(10), true, 1, 1},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			tries, opened := simulate(c.source, c.known)
			t.Logf("opened %.0f a second; clients that got through, by the datagram: %v", opened, tries)
			if opened > 1.02*rate {
				t.Errorf("%.0f a second were opened: want %d at most", opened, rate)
			}
			through := 0
			for i, n := range tries {
				through += n
				if i+1 == c.most && through < clients*9/10 || i+1 == c.all && through < clients {
					t.Errorf("%d of %d clients got through by datagram %d", through, clients, i+1)
				}
			}
		})
	}
}

const clients = 100

// simulate lets clients come one after the other, about 100 ms apart, while a
// flood is under way for 10 s already. Each sends its messages at the pace of
// the real client until one is opened. It returns how many got through at each
// try, and how many of the flood were opened each second.
func simulate(source func(*rand.Rand, int) netip.Addr, known bool) (tries [spa.Tries]int, opened float64) {
	r := rand.New(rand.NewPCG(3, 4))
	b := New(rate, key, start)
	const (
		warm    = 10 * flood
		total   = 35 * flood // the last client gives up before that
		between = flood / 10
	)
	client := func(i int) netip.Addr { return ipv4(0xcb007100 + uint32(i)*7919*256) }
	due := map[int][]int{} // clients that send, by the datagram of the flood that comes before
	for i := range clients {
		if known {
			b.Good(start, client(i))
		}
		first := warm + i*between + r.IntN(between)
		due[first] = append(due[first], i)
	}
	var sent [clients]int
	for n := range total {
		now := start.Add(time.Duration(n) * time.Second / flood)
		if b.Allow(now, source(r, n)) {
			opened++
		}
		for _, i := range due[n] {
			sent[i]++
			if b.Allow(now.Add(time.Duration(r.IntN(50))*time.Microsecond), client(i)) {
				tries[sent[i]-1]++
			} else if sent[i] < spa.Tries {
				next := n + int(spa.Pause(sent[i], r.Float64())*flood/time.Second)
				due[next] = append(due[next], i)
			}
		}
	}
	return tries, opened / (total / flood)
}

// Who sends in a client's name can make it as lucky as anybody, no worse.
func TestFloodInTheNameOfTheClient(t *testing.T) {
	for _, known := range []bool{false, true} {
		b := New(rate, key, start)
		if known {
			b.Good(start, home)
		}
		r := rand.New(rand.NewPCG(5, 6))
		through, tries := 0, 0
		for n := range 30 * flood {
			now := start.Add(time.Duration(n) * time.Second / flood)
			allowed := b.Allow(now, home)
			if n > flood && r.IntN(1000) == 0 { // this one was the client's
				tries++
				if allowed {
					through++
				}
			}
		}
		if share := float64(through) / float64(tries); share < 0.06 {
			t.Errorf("known %v: %.3f of the client's datagrams were opened: want about 0.1", known, share)
		}
	}
}

// A source that is known gives a forger who knows it no more than one datagram
// in 64 ms of what others need.
func TestFloodInTheNameOfAKnownSource(t *testing.T) {
	b := New(rate, key, start)
	b.Good(start, home)
	for n := range 5 * flood {
		b.Allow(start.Add(time.Duration(n)*time.Second/flood), home)
	}
	if !b.Allow(start.Add(5*time.Second), ipv4(7)) {
		t.Error("a new client was refused")
	}
}

func TestWithoutAFloodEverythingIsOpened(t *testing.T) {
	b := New(rate, key, start)
	now := start
	for n := range 20_000 {
		now = now.Add(time.Millisecond) // half of the budget, all from one office
		if !b.Allow(now, ipv4(uint32(n%3))) {
			t.Fatalf("datagram %d was refused", n)
		}
	}
}

func TestNeighbourOfAKnownSource(t *testing.T) {
	for _, c := range []struct {
		known, client netip.Addr
		want          bool
	}{
		{netip.MustParseAddr("198.51.100.1"), home, false},
		{netip.MustParseAddr("192.0.2.200"), home, true},
		{netip.MustParseAddr("::ffff:192.0.2.1"), home, true},
		{netip.MustParseAddr("2001:db8:1:2::1"), netip.MustParseAddr("2001:db8:2::1"), false},
		{netip.MustParseAddr("2001:db8:1:2::1"), netip.MustParseAddr("2001:db8:1:3::1"), true},
	} {
		b := New(rate, key, start)
		b.Good(start, c.known)
		for n := range uint32(rate) {
			b.Allow(start, ipv4(n*65537))
		}
		if got := b.Allow(start, c.client); got != c.want {
			t.Errorf("%s with %s known: %v", c.client, c.known, got)
		}
	}
}

func TestKnownSourceIsForgottenAfterAMonth(t *testing.T) {
	for after, want := range map[time.Duration]bool{29 * 24 * time.Hour: true, 31 * 24 * time.Hour: false} {
		b := New(rate, key, start)
		b.Good(start, home)
		now := start.Add(after)
		for n := range uint32(rate) {
			b.Allow(now, ipv4(n*65537))
		}
		if got := b.Allow(now, home); got != want {
			t.Errorf("after %v: %v", after, got)
		}
	}
}

func TestSpend(t *testing.T) {
	b := New(rate, key, start)
	b.Good(start, home)
	b.Spend(1e9)
	if b.Allow(start, home) {
		t.Error("a datagram was opened that nobody pays for")
	}
	if now := start.Add(time.Second); !b.Allow(now, home) {
		t.Error("the debt has no end")
	}
}

func TestClockSetBack(t *testing.T) {
	b := New(rate, key, start.Add(-time.Hour))
	b.Good(start, home)
	b.Spend(1e9)
	now := start.Add(-30 * time.Minute)
	if b.Allow(now, home) {
		t.Fatal("the step filled the bucket")
	}
	if !b.Allow(now.Add(time.Second), home) {
		t.Error("nothing is opened until the clock shows the old time again")
	}
}

func TestNoAllocation(t *testing.T) {
	b := New(rate, key, start)
	n := uint32(0)
	if got := testing.AllocsPerRun(1000, func() {
		n++
		b.Allow(start, ipv4x(n))
		b.Good(start, home)
	}); got != 0 {
		t.Errorf("%v allocations", got)
	}
}

func ipv4x(n uint32) netip.Addr {
	return netip.AddrFrom4([4]byte{byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24)})
}

func BenchmarkAllow(b *testing.B) {
	budget := New(rate, key, start)
	r := rand.New(rand.NewPCG(1, 2))
	now := start
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(50 * time.Microsecond)
		budget.Allow(now, ipv4x(r.Uint32()))
	}
}
