// Package limit decides which well-tagged SPA datagrams are worth the cost of
// opening them.
//
// Anyone who has the server's public key can make datagrams that pass the cheap
// checks, from any source address, faster than they can be opened (100 to
// 150 µs each). A Budget keeps the cost of that to a share of one core, and
// chooses so that honest clients get through. All it can go by is the source.
//
// There is one bucket of tokens, and each datagram opened takes one. Each
// belongs to a class, and the lower its class, the fuller the bucket must be:
// so what a class takes, it takes from those below it only, and what nobody
// above needs is left to them. From the lowest:
//
//	excess   sources with more than one datagram in half a second (64 ms, if
//	         known), networks with more than 64 a second
//	tries    one to eight: how often the source has come back, half a second
//	         to a minute later each time, since a datagram of it was opened
//	network  the source is new, its network (/24, /48) holds a known source
//	known    the source has sent an authenticated message within 30 days
//
// A class is lost by having a datagram opened, a known source's excepted: it
// must come back as often again. An IPv6 source counts as its /64. Nothing is
// ever banned: without a flood every datagram is opened, and what is sent in
// someone else's name can at most make a source new again, or put it into the
// lowest class for as long as the flood in its name lasts.
//
// # What a flood can do
//
// Of a flood of rate λ against a budget of B a lottery opens B/λ: here, with λ
// of 20,000 and B of 2,000 a second, one datagram in ten, and a client that
// wants to be sure of nine times in ten must send 22. With the classes, of 100
// new clients that send datagrams at the pace of the real one (spa.Pause; TestFloods):
//
//	flood from                                     90 % need      all need
//	one source, one /24, one /64, one /48          1 datagram     1
//	500 real hosts, in step                        1              2
//	4,000 real hosts, in step                      5              7
//	random sources, each used once                 2              2
//	random sources, used two times, 0.6 s apart    3              3
//	random sources, used five times                6              6
//	random sources, used ten times                 7              7
//	any of these, if the client is known           1              1
//
// and from the client's own address, one in ten of its datagrams is opened.
//
// To have n tries a forger must send n datagrams for each that is opened, so
// no more than λ/n a second can be in that class: where λ/n is below B, all of
// them are opened, and above eight tries (λ/8 = 2,500 here) four in five. A
// client should therefore send a new one 0.6 to 2 s after a datagram that was
// not answered, and not give up before the eighth. What it sends sooner than half a
// second after the last does not count as a try.
package limit

import (
	"net/netip"
	"time"

	"github.com/dchest/siphash"
)

// The classes, lowest first. Between them lie those of the tries: after
// maxTries a source gains nothing more.
const (
	excess       = 0
	maxTries     = 8
	knownNetwork = 9
	known        = 10
)

const (
	tick         = 64 * time.Millisecond // unit of the times in the table
	comeback     = 8                     // ticks between two tries
	forgetTries  = 1000                  // ticks
	forgetKnown  = uint32(30 * 24 * time.Hour / tick)
	networkEvery = time.Second / 64
	networkBurst = time.Second // how far a network may be ahead of networkEvery
	networkCells = 1 << 16
)

// Budget decides. Its memory is 4.5 MiB at most, and it is not safe for
// concurrent use. A clock that is set back, without monotonic time, stands
// still for it.
type Budget struct {
	rate    float64 // tokens a second
	burst   float64
	tokens  float64
	started time.Time
	now     time.Duration // since started
	key     [2]uint64
	sources table
	cells   []time.Duration // for each hash of a network, when it will have paid for what it sent
}

// New returns a budget of perSecond datagrams a second, a tenth of which may be
// opened at once. The key, which must be random and secret, keeps an attacker
// from choosing sources that share a place in the table.
func New(perSecond int, key [2]uint64, now time.Time) *Budget {
	b := &Budget{
		rate:    float64(perSecond),
		burst:   max(float64(perSecond)/10, 2*(known+1)),
		started: now,
		key:     key,
		sources: newTable(),
		cells:   make([]time.Duration, networkCells),
	}
	b.tokens = b.burst
	return b
}

// Allow reports whether a datagram from source is to be opened, and takes its
// cost from the budget if so.
func (b *Budget) Allow(now time.Time, source netip.Addr) bool {
	b.advance(now)
	e, class := b.classify(source)
	if b.tokens < 1+b.burst*float64(known-class)/float64(known+1) {
		return false
	}
	b.tokens--
	if e != nil && e.class() <= maxTries {
		e.set(0, b.ticks())
	}
	return true
}

// Good tells the budget that a message from source has been authenticated.
func (b *Budget) Good(now time.Time, source netip.Addr) {
	b.advance(now)
	for _, h := range [...]uint64{b.hash(hostOf(source)), b.hash(networkOf(source))} {
		e := b.sources.find(h)
		if e == nil {
			e = b.sources.put(h, b.ticks())
		}
		e.set(known, b.ticks()-1)
	}
}

// Spend takes the cost of something more expensive than opening: of verifying
// a signature that takes as long as n datagrams.
func (b *Budget) Spend(n float64) { b.tokens = max(b.tokens-n, -b.burst) }

func (b *Budget) advance(now time.Time) {
	passed := now.Sub(b.started) - b.now
	if passed <= 0 {
		if passed < -time.Second { // the clock was set back: go on from here
			b.started = b.started.Add(passed)
		}
		return
	}
	b.now += passed
	b.tokens = min(b.tokens+b.rate*passed.Seconds(), b.burst)
}

func (b *Budget) ticks() uint32 { return uint32(b.now/tick) + forgetTries }

// classify finds the class of a datagram and notes the try. The entry is nil
// if the source has none.
func (b *Budget) classify(source netip.Addr) (*entry, int) {
	now := b.ticks()
	host := b.hash(hostOf(source))
	e := b.sources.find(host)
	if e != nil && e.expired(now) {
		e.set(0, now-comeback)
	}
	if e != nil && e.class() == known {
		if e.age(now) == 0 {
			return e, excess
		}
		e.set(known, now)
		return e, known
	}
	network := b.hash(networkOf(source))
	if b.crowded(network) {
		return e, excess
	}
	if e == nil {
		e = b.sources.put(host, now)
		e.set(0, now-comeback)
	}
	if e.age(now) < comeback {
		return e, excess
	}
	e.set(min(e.class()+1, maxTries), now)
	if n := b.sources.find(network); n != nil && !n.expired(now) {
		return e, knownNetwork
	}
	return e, e.class()
}

// crowded counts a datagram of a network and reports whether there are too many.
// Networks that share a cell share its rate.
func (b *Budget) crowded(network uint64) bool {
	paid := &b.cells[network%networkCells]
	*paid = max(*paid, b.now)
	if *paid-b.now > networkBurst {
		return true
	}
	*paid += networkEvery
	return false
}

// place is what is hashed: what is meant, and the leading bytes of an address.
type place [9]byte

func hostOf(a netip.Addr) place { return placeOf('h', a, 32, 64) }

func networkOf(a netip.Addr) place { return placeOf('n', a, 24, 48) }

func placeOf(meant byte, a netip.Addr, bits4, bits6 int) (p place) {
	p[0] = meant
	if a = a.Unmap(); a.Is4() {
		b := a.As4()
		copy(p[1:], b[:bits4/8])
		p[0]++ // an IPv4 address is no IPv6 prefix
		return p
	}
	b := a.As16()
	copy(p[1:], b[:bits6/8])
	return p
}

func (b *Budget) hash(p place) uint64 { return siphash.Hash(b.key[0], b.key[1], p[:]) }
