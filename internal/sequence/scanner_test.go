package sequence

import (
	"net/netip"
	"testing"
	"time"

	"sallyport/internal/packet"
)

// A guesser tries every ordered pair of some ports, with one packet for each:
// x, x+1, x, x+2, … holds all pairs with x in both orders. From one address,
// from a /64 and from a /48 he is found out long before he comes to the last.
func TestGuesserOfTwoKnocks(t *testing.T) {
	t.Parallel()
	const first, ports = 7000, 3000
	sequences := []Sequence{seq(10*time.Second, "tcp/7999 tcp/9980"), seq(10*time.Second, "tcp/9980 tcp/7999")}
	for name, from := range map[string]func(i int) netip.Addr{
		"one IPv4 address": func(int) netip.Addr { return alice },
		"one /64":          func(i int) netip.Addr { return inside(0x20010db8_00010000, 0, i/2) },
		"one /48":          func(i int) netip.Addr { return inside(0x20010db8_00010000, i/2, 1) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(Limits{}, sequences...)
			packets, done, found := 0, 0, 0
			p := packet.Packet{Proto: packet.TCP}
			knock := func(n int) {
				packets++
				b.now = b.now.Add(10 * time.Microsecond)
				p.Src, p.DstPort, p.Seq = from(packets), uint16(first+n), uint32(packets)
				o := b.Observe(b.now, &p)
				done += len(o.Done)
				if o.Scanner {
					found++
				}
			}
			for a := range 1000 { // the first of both is the last of these
				for c := a + 1; c < ports; c++ {
					knock(a)
					knock(c)
				}
			}
			if done != 0 || found == 0 {
				t.Errorf("%d packets completed %d sequences; found out %d times", packets, done, found)
			}
		})
	}
}

// inside returns an address of a network of a site.
func inside(site uint64, network, host int) netip.Addr {
	var b [16]byte
	for i := range 8 {
		b[i] = byte((site | uint64(network&0xffff)) >> (8 * (7 - i)))
		b[15-i] = byte(host >> (8 * i))
	}
	return netip.AddrFrom16(b)
}

// All ports, a few from each address of a /64: none has touched many.
func TestScannerWithManyAddresses(t *testing.T) {
	b := newBench(Limits{}, seq(time.Second, classic))
	for n := 1; n <= 100; n++ {
		b.knock(inside(0x20010db8_00010000, 7, n/8), packet.Port{Proto: packet.TCP, Number: uint16(n)}.String())
	}
	if o := b.knock(inside(0x20010db8_00010000, 7, 99_999), classic); !o.Ignored {
		t.Errorf("another address of the /64 counts: %+v", o)
	}
	opens(t, b.knock(inside(0x20010db8_00010000, 8, 1), classic), 0)
	opens(t, b.knock(bob, classic), 0)
}

// guess sends wrong knocks at two ports in turns, from an address.
func (b *bench) guess(from netip.Addr, n int) (found int) {
	for i := range n {
		if b.knock(from, []string{"tcp/11", "tcp/12"}[i%2]).Scanner {
			found++
		}
	}
	return found
}

func TestGuesserIsIgnoredForAMinute(t *testing.T) {
	b := newBench(Limits{}, seq(time.Second, classic))
	if n := b.guess(alice, guesses-1); n != 0 {
		t.Fatal("found out too soon")
	}
	opens(t, b.knock(alice, classic), 0)
	if n := b.guess(alice, 100); n != 1 {
		t.Fatalf("found out %d times, want once", n)
	}
	for range 3 { // each of his knocks prolongs it
		b.now = b.now.Add(guessQuiet - time.Second)
		if o := b.knock(alice, "tcp/7000"); !o.Ignored {
			t.Fatalf("%+v, want it ignored", o)
		}
	}
	opens(t, b.knock(bob, classic), 0)
	b.now = b.now.Add(guessQuiet)
	opens(t, b.knock(alice, classic), 0)
	if n := b.guess(alice, guesses-1); n != 0 {
		t.Error("the guesses of before still count")
	}
}

// Guesses are counted by the minute, so that anyone who mistypes now and then is
// never taken for a guesser.
func TestMistakesOfADay(t *testing.T) {
	b := newBench(Limits{}, seq(time.Second, classic))
	for range 24 * 60 {
		if n := b.guess(alice, guesses/2); n != 0 {
			t.Fatal("taken for a guesser")
		}
		opens(t, b.knock(alice, classic), 0)
		b.now = b.now.Add(guessQuiet)
	}
}

// What shares the client's address and sends to one closed port for ever, such as
// a logger without a server, does not keep the client out.
func TestNeighbourThatRepeatsItself(t *testing.T) {
	b := newBench(Limits{}, seq(time.Second, classic))
	for range 10 * guesses {
		b.knock(alice, "udp/514")
	}
	opens(t, b.knock(alice, classic), 0)
}

// A site is left in peace for what one of its networks does, until it is too much
// for people.
func TestSiteOfGuessers(t *testing.T) {
	const site = 0x20010db8_00020000
	b := newBench(Limits{}, seq(time.Second, classic))
	b.guess(inside(site, 1, 1), 2*guesses)
	opens(t, b.knock(inside(site, 2, 1), classic), 0)
	for network := 10; network < 10+siteGuesses/guesses+1; network++ {
		b.guess(inside(site, network, 1), guesses-1)
	}
	if o := b.knock(inside(site, 2, 1), classic); !o.Ignored {
		t.Errorf("%+v, want the whole site ignored", o)
	}
	opens(t, b.knock(inside(0x20010db8_00030000, 0, 1), classic), 0)
	opens(t, b.knock(alice, classic), 0)
	b.now = b.now.Add(guessQuiet)
	opens(t, b.knock(inside(site, 2, 1), classic), 0)
}
