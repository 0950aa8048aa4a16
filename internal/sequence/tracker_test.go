package sequence

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"sallyport/internal/packet"
)

var (
	start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	alice = netip.MustParseAddr("192.0.2.10")
	bob   = netip.MustParseAddr("2001:db8::b")
)

// bench is a tracker with a hand on its clock. Every knock is a new packet.
type bench struct {
	*Tracker
	now time.Time
	id  uint32
}

func newBench(limits Limits, sequences ...Sequence) *bench {
	return &bench{Tracker: New(Compile(sequences), limits, start), now: start}
}

func seq(within time.Duration, knocks string) Sequence {
	return Sequence{Knocks: ports(knocks), Within: within}
}

var ports = packet.MustPorts

func (b *bench) packet(from netip.Addr, port packet.Port) *packet.Packet {
	b.id++
	return &packet.Packet{Src: from, Proto: port.Proto, DstPort: port.Number, SrcPort: uint16(40000 + b.id%20000), Seq: b.id * 7919}
}

// knock sends knocks a millisecond apart and returns the last one's outcome.
func (b *bench) knock(from netip.Addr, knocks string) Outcome {
	var o Outcome
	for _, p := range ports(knocks) {
		b.now = b.now.Add(time.Millisecond)
		o = b.Observe(b.now, b.packet(from, p))
	}
	return o
}

func opens(t *testing.T, o Outcome, want ...int) {
	t.Helper()
	slices.Sort(o.Done)
	if !slices.Equal(o.Done, want) {
		t.Fatalf("completed %v, want %v (outcome %+v)", o.Done, want, o)
	}
}

const classic = "tcp/7000 udp/8000 tcp/9000"

func TestOrder(t *testing.T) {
	for name, c := range map[string]struct {
		knocks string
		opens  bool
	}{
		"the sequence":                  {"tcp/7000 udp/8000 tcp/9000", true},
		"first missing":                 {"udp/8000 tcp/9000", false},
		"last missing":                  {"tcp/7000 udp/8000", false},
		"middle missing":                {"tcp/7000 tcp/9000", false},
		"backwards":                     {"tcp/9000 udp/8000 tcp/7000", false},
		"wrong protocol":                {"tcp/7000 tcp/8000 tcp/9000", false},
		"one in between":                {"tcp/7000 tcp/1 udp/8000 tcp/9000", false},
		"one in between at the end":     {"tcp/7000 udp/8000 tcp/1 tcp/9000", false},
		"a knock twice":                 {"tcp/7000 udp/8000 udp/8000 tcp/9000", false},
		"first twice":                   {"tcp/7000 tcp/7000 udp/8000 tcp/9000", true},
		"wrong, then right":             {"tcp/7000 tcp/1 tcp/7000 udp/8000 tcp/9000", true},
		"broken off, then right":        {"tcp/7000 udp/8000 tcp/7000 udp/8000 tcp/9000", true},
		"anything before":               {"tcp/1 udp/2 tcp/9000 tcp/7000 udp/8000 tcp/9000", true},
		"right, and something after it": {"tcp/7000 udp/8000 tcp/9000 tcp/1", false},
	} {
		t.Run(name, func(t *testing.T) {
			o := newBench(Limits{}, seq(time.Second, classic)).knock(alice, c.knocks)
			if (len(o.Done) == 1) != c.opens {
				t.Errorf("%s: %+v", c.knocks, o)
			}
		})
	}
}

func TestMistakeThatBeginsAnotherSequence(t *testing.T) {
	b := newBench(Limits{}, seq(time.Second, "tcp/1 tcp/2 tcp/3"), seq(time.Second, "tcp/2 tcp/4 tcp/5"))
	opens(t, b.knock(alice, "tcp/1 tcp/2 tcp/4 tcp/5"), 1)
}

func TestSameSequenceForTwoDoors(t *testing.T) {
	b := newBench(Limits{}, seq(time.Second, classic), seq(time.Minute, classic))
	opens(t, b.knock(alice, classic), 0, 1)
}

func TestSequenceInsideAnother(t *testing.T) {
	b := newBench(Limits{}, seq(time.Second, "tcp/1 tcp/2 tcp/3 tcp/4"), seq(time.Second, "tcp/2 tcp/3"))
	opens(t, b.knock(alice, "tcp/1 tcp/2 tcp/3"), 1)
	opens(t, b.knock(alice, "tcp/4"), 0)
}

func TestAgainWhileOpen(t *testing.T) {
	b := newBench(Limits{}, seq(time.Second, classic))
	opens(t, b.knock(alice, classic), 0)
	opens(t, b.knock(alice, "tcp/9000"))
	opens(t, b.knock(alice, classic), 0)
}

func TestTimeLimit(t *testing.T) {
	for _, c := range []struct {
		gap  time.Duration
		done bool
	}{{1300 * time.Millisecond, true}, {1500 * time.Millisecond, true}, {1500*time.Millisecond + 1, false}, {time.Hour, false}} {
		b := newBench(Limits{}, seq(3*time.Second, classic))
		var o Outcome
		for _, p := range ports(classic) {
			o = b.Observe(b.now, b.packet(alice, p))
			b.now = b.now.Add(c.gap)
		}
		if len(o.Done) == 1 != c.done || len(o.Late) == 1 != !c.done {
			t.Errorf("gap %s: %+v", c.gap, o)
		}
	}
}

func TestCopies(t *testing.T) {
	for name, order := range map[string][]int{
		"each sent twice":                     {0, 0, 1, 1, 2},
		"three copies":                        {0, 0, 0, 0, 1, 2},
		"a SYN retransmitted after the next":  {0, 1, 0, 2},
		"a late copy of the whole after that": {0, 1, 1, 0, 2},
	} {
		b := newBench(Limits{}, seq(time.Second, "tcp/7000 tcp/8000 tcp/9000"))
		var sent []*packet.Packet
		for _, p := range ports("tcp/7000 tcp/8000 tcp/9000") {
			sent = append(sent, b.packet(alice, p))
		}
		var o Outcome
		for _, i := range order {
			o = b.Observe(start, sent[i])
		}
		if len(o.Done) != 1 {
			t.Errorf("%s: %+v", name, o)
		}
		if o = b.Observe(start, sent[2]); len(o.Done) != 0 {
			t.Errorf("%s: a copy of the last knock completed it again", name)
		}
	}
}

// Datagrams can honestly be alike: same ports, same content, no identification.
func TestEqualDatagramsAreDifferentKnocks(t *testing.T) {
	b := newBench(Limits{}, seq(time.Second, "udp/1000 udp/2000 udp/1000 udp/3000"))
	var o Outcome
	for _, p := range ports("udp/1000 udp/2000 udp/1000 udp/3000") {
		o = b.Observe(start, &packet.Packet{Src: alice, Proto: p.Proto, DstPort: p.Number, SrcPort: 5555, Seq: 17})
	}
	opens(t, o, 0)
}

func TestSourcesDoNotDisturbEachOther(t *testing.T) {
	b := newBench(Limits{}, seq(time.Second, classic))
	for _, p := range ports("tcp/7000 udp/8000") {
		b.knock(alice, p.String())
		b.knock(bob, p.String())
	}
	opens(t, b.knock(alice, "tcp/9000"), 0)
	opens(t, b.knock(bob, "tcp/9000"), 0)
}

func TestLoopOfFirstAndWrongKnocks(t *testing.T) {
	b := newBench(Limits{}, seq(time.Second, classic))
	var o Outcome
	for _, p := range ports(classic) {
		for range 100 {
			b.knock(bob, "tcp/7000 tcp/1")
		}
		o = b.knock(alice, p.String())
	}
	opens(t, o, 0)
}

func TestBrokenTellsHowMuchWasRight(t *testing.T) {
	b := newBench(Limits{}, seq(time.Second, "tcp/1 tcp/2 tcp/3 tcp/4"))
	if o := b.knock(alice, "tcp/1 tcp/2 tcp/3 tcp/9"); o.Broken != 3 || o.Of != 4 {
		t.Errorf("%+v, want 3 of 4", o)
	}
	if o := b.knock(alice, "tcp/1 tcp/2 tcp/3 tcp/4 tcp/9"); o.Broken != 0 {
		t.Errorf("a knock after the whole sequence: %+v, want nothing broken", o)
	}
}

// Of the sequences that the right knocks begin, it is the shortest, the first of
// equally long ones.
func TestBrokenNamesItsSequence(t *testing.T) {
	b := newBench(Limits{}, seq(time.Second, "tcp/5 tcp/6 tcp/7"), seq(time.Second, "tcp/1 tcp/2 tcp/3 tcp/4"), seq(time.Second, "tcp/1 tcp/2 tcp/8"),
		seq(time.Second, "tcp/1 tcp/2 tcp/9"))
	for knocks, want := range map[string]Outcome{
		"tcp/5 tcp/6 tcp/99":       {Broken: 2, Of: 3, Began: 0},
		"tcp/1 tcp/2 tcp/99":       {Broken: 2, Of: 3, Began: 2},
		"tcp/1 tcp/2 tcp/3 tcp/99": {Broken: 3, Of: 4, Began: 1},
	} {
		if o := b.knock(alice, knocks); o.Broken != want.Broken || o.Of != want.Of || o.Began != want.Began {
			t.Errorf("%s: %+v, want %+v", knocks, o, want)
		}
	}
}

func scan(b *bench, from netip.Addr, proto packet.Proto, order []int) (completed int) {
	for _, n := range order {
		b.now = b.now.Add(time.Millisecond)
		o := b.Observe(b.now, b.packet(from, packet.Port{Proto: proto, Number: uint16(n)}))
		completed += len(o.Done)
	}
	return completed
}

func ordered() []int {
	all := make([]int, 65535)
	for i := range all {
		all[i] = i + 1
	}
	return all
}

// Sequences that a scan passes over in order, with and without gaps. Even one
// that counts up by one, which the configuration refuses, does not open.
func TestScansCompleteNothing(t *testing.T) {
	sequences := []Sequence{
		seq(time.Hour, "tcp/7000 tcp/8000 tcp/9000"),
		seq(time.Hour, "udp/7000 udp/8000 udp/9000"),
		seq(time.Hour, "tcp/5001 tcp/5002 tcp/5003"),
		seq(time.Hour, "tcp/443 tcp/442"),
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	backwards := ordered()
	slices.Reverse(backwards)
	shuffled := ordered()
	rnd.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	twice := append(ordered(), ordered()...)
	for name, order := range map[string][]int{"ordered": ordered(), "backwards": backwards, "shuffled": shuffled, "twice": twice} {
		for _, proto := range []packet.Proto{packet.TCP, packet.UDP} {
			b := newBench(Limits{}, sequences...)
			if n := scan(b, alice, proto, order); n != 0 {
				t.Errorf("%s %s scan completed %d sequences", name, proto, n)
			}
		}
	}
}

func TestScannerIsIgnoredUntilQuiet(t *testing.T) {
	b := newBench(Limits{}, seq(time.Second, classic))
	found := 0
	for n := 1; n <= 60; n++ {
		if b.knock(alice, packet.Port{Proto: packet.TCP, Number: uint16(n)}.String()).Scanner {
			found++
		}
	}
	if found != 1 {
		t.Fatalf("told %d times that the source became a scanner, want once", found)
	}
	if o := b.knock(alice, classic); !o.Ignored {
		t.Fatalf("right sequence of a scanner: %+v, want it ignored", o)
	}
	opens(t, b.knock(bob, classic), 0)
	b.now = b.now.Add(scanQuiet - time.Second)
	opens(t, b.knock(alice, classic))
	b.now = b.now.Add(scanQuiet)
	opens(t, b.knock(alice, classic), 0)
}

func TestManyAttemptsAreNoScan(t *testing.T) {
	b := newBench(Limits{}, seq(time.Second, classic))
	for range 1000 {
		opens(t, b.knock(alice, "tcp/7000 udp/8000 tcp/9001 "+classic), 0)
	}
}

func TestReplaceKeepsProgress(t *testing.T) {
	b := newBench(Limits{}, seq(time.Second, classic), seq(time.Second, "tcp/1 tcp/2 tcp/3"))
	b.knock(alice, "tcp/7000 udp/8000")
	b.knock(bob, "tcp/1 tcp/2")
	carol := netip.MustParseAddr("192.0.2.12")
	b.knock(carol, "tcp/7000")
	b.Replace(Compile([]Sequence{seq(time.Second, "udp/5 udp/6"), seq(time.Second, classic)}))
	opens(t, b.knock(alice, "tcp/9000"), 1)
	opens(t, b.knock(bob, "tcp/3"))
	opens(t, b.knock(carol, "udp/8000 tcp/9000"), 1)
}

func TestReplaceShortensProgress(t *testing.T) {
	b := newBench(Limits{}, seq(time.Second, "tcp/1 tcp/2 tcp/3"))
	b.knock(alice, "tcp/1 tcp/2")
	b.Replace(Compile([]Sequence{seq(time.Second, "tcp/2 tcp/4")}))
	opens(t, b.knock(alice, "tcp/4"), 0)
	b.Replace(Compile(nil))
	if b.Sources() != 0 {
		t.Errorf("%d sources remembered without a sequence", b.Sources())
	}
}

// A million spoofed first knocks arrive; the honest client needs 10 ms
// between its knocks, the flood brings 400 in a millisecond.
func TestFloodOfFirstKnocks(t *testing.T) {
	b := newBench(Limits{}, seq(time.Second, classic))
	spoof := func(n int) {
		for i := range n {
			b.id++
			from := netip.AddrFrom4([4]byte{10, byte(b.id >> 16), byte(b.id >> 8), byte(b.id)})
			b.now = b.now.Add(2500 * time.Nanosecond)
			b.Observe(b.now, &packet.Packet{Src: from, Proto: packet.TCP, DstPort: 7000, SrcPort: uint16(i), Seq: uint32(i)})
		}
	}
	spoof(1_000_000)
	for _, p := range ports("tcp/7000 udp/8000") {
		b.knock(alice, p.String())
		spoof(4000)
	}
	opens(t, b.knock(alice, "tcp/9000"), 0)
	if b.Sources() > 1<<19+1<<14 {
		t.Errorf("%d sources remembered", b.Sources())
	}
}

// The chance of a client that takes its time, under a flood of 400,000 sources
// a second: the share that finds its first knock remembered after so long.
func TestWhoIsForgotten(t *testing.T) {
	const each, clients = 2500 * time.Nanosecond, 200
	for pause, want := range map[time.Duration]float64{50 * time.Millisecond: 1, 200 * time.Millisecond: 0.99, 500 * time.Millisecond: 0.95} {
		c := newCrowd(1 << 19)
		n := uint64(0)
		flood := func(d time.Duration) {
			for range d / each {
				n++
				c.put(n*0x9E3779B97F4A7C15, knock{})
			}
		}
		flood(1500 * time.Millisecond)
		for i := range uint64(clients) {
			c.put((i+1<<40)*0x9E3779B97F4A7C15, knock{seq: uint32(i)})
		}
		flood(pause)
		found := 0.0
		for i := range uint64(clients) {
			if k, ok := c.take((i + 1<<40) * 0x9E3779B97F4A7C15); ok && k.seq == uint32(i) {
				found++
			}
		}
		if found/clients < want {
			t.Errorf("after %s: %.3f remembered, want %.2f", pause, found/clients, want)
		}
	}
}

func TestLimitsHold(t *testing.T) {
	b := newBench(Limits{Begun: 128, Further: 10}, seq(time.Second, classic))
	for i := range 10_000 {
		from := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
		b.knock(from, "tcp/7000")
		if i%2 == 0 {
			b.knock(from, "udp/8000")
		}
		if b.Sources() > 138 {
			t.Fatalf("%d sources remembered, limit 138", b.Sources())
		}
	}
	opens(t, b.knock(alice, classic), 0)
}

func TestObserveDoesNotAllocate(t *testing.T) {
	b := newBench(Limits{Begun: 64, Further: 16}, seq(time.Second, classic))
	knocks := ports("tcp/7000 udp/8000 tcp/9000 tcp/1 tcp/7000 udp/8000 tcp/5")
	p := &packet.Packet{}
	i := 0
	one := func() {
		i++
		port := knocks[i/3%len(knocks)]
		*p = packet.Packet{Src: netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), Proto: port.Proto, DstPort: port.Number, Seq: uint32(i)}
		b.Observe(start.Add(time.Duration(i)), p)
	}
	for range 10_000 {
		one()
	}
	if n := testing.AllocsPerRun(10_000, one); n != 0 {
		t.Errorf("%v allocations for a knock, want none", n)
	}
}

func BenchmarkObserve(b *testing.B) {
	for _, doors := range []int{1, 1000, 10_000} {
		sequences := make([]Sequence, doors)
		for i := range sequences {
			for k := range 5 {
				n := uint16(1024 + (i*7919+k*104729)%30000)
				sequences[i].Knocks = append(sequences[i].Knocks, packet.Port{Proto: packet.TCP, Number: n})
			}
			sequences[i].Within = time.Second
		}
		first := sequences[0].Knocks[0]
		for _, kind := range []string{"first", "wrong"} {
			b.Run("doors="+itoa(doors)+"/"+kind, func(b *testing.B) {
				t := New(Compile(sequences), Limits{}, start)
				p := &packet.Packet{Proto: first.Proto, DstPort: first.Number}
				if kind == "wrong" {
					p.DstPort = 1
				}
				b.ReportAllocs()
				for i := range b.N {
					p.Src = netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
					p.Seq = uint32(i)
					t.Observe(start.Add(time.Duration(i)*1000), p)
				}
			})
		}
	}
}

func itoa(n int) string {
	return map[int]string{1: "1", 1000: "1k", 10_000: "10k"}[n]
}
