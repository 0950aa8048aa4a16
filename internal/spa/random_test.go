package spa

import (
	"math"
	"math/bits"
	"testing"
	"testing/cryptotest"

	"sallyport/internal/key"
)

// sample counts the bytes of many datagrams of one length.
type sample struct {
	n     int
	count [][256]int // by position
}

func (s *sample) add(datagram []byte) {
	if s.count == nil {
		s.count = make([][256]int, len(datagram))
	}
	s.n++
	for i, b := range datagram {
		s.count[i][b]++
	}
}

// chiSquare compares counts of bytes with the uniform distribution, in standard
// deviations from what is expected of it (255 degrees of freedom).
func chiSquare(count *[256]int) float64 {
	n := 0
	for _, c := range count {
		n += c
	}
	expected, sum := float64(n)/256, 0.0
	for _, c := range count {
		sum += (float64(c) - expected) * (float64(c) - expected) / expected
	}
	return (sum - 255) / math.Sqrt(2*255)
}

// worstBit returns the farthest that any bit of a position is from being set in
// half of the datagrams, in standard deviations.
func worstBit(count *[256]int, n int) float64 {
	worst := 0.0
	for bit := range 8 {
		set := 0
		for b, c := range count {
			if b>>bit&1 == 1 {
				set += c
			}
		}
		worst = max(worst, math.Abs(float64(set)-float64(n)/2)/(math.Sqrt(float64(n))/2))
	}
	return worst
}

// biased returns the positions whose bytes or bits are not uniform, and
// whether all positions together are not.
func (s *sample) biased() (positions []int, overall bool) {
	// Below one in a billion for each position by chance; and the seed is fixed.
	const limitBytes, limitBits = 7.0, 6.1
	var all [256]int
	for i := range s.count {
		if chiSquare(&s.count[i]) > limitBytes || worstBit(&s.count[i], s.n) > limitBits {
			positions = append(positions, i)
		}
		for b, c := range s.count[i] {
			all[b] += c
		}
	}
	return positions, chiSquare(&all) > limitBytes
}

// Ten thousand knocks of one client with one key, one header and one time, and
// a proof of one repeated byte, show no byte or bit that is constant or biased,
// and no two resemble each other. Taking the veil off shows that such bytes
// would be found.
func TestKnocksLookRandom(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1)
	count := 10_000
	if testing.Short() {
		count = 2_000
	}
	for _, suite := range []key.Suite{key.Hybrid, key.X25519} {
		k := newKey(t, suite)
		veilKey := k.Public().Veil()
		var knocks, bare sample
		var last []byte
		worst := 0.0
		for range count {
			d := sealed(t, k, request(noon), fixed(64)).Datagram
			knocks.add(d)
			if last != nil {
				worst = max(worst, unlikeness(last, d))
			}
			last = append(last[:0], d...)
			veil(&veilKey, d[:frontSize], d[frontSize:], d[frontSize:])
			bare.add(d)
		}
		if positions, overall := knocks.biased(); len(positions) > 0 || overall {
			t.Errorf("%v: biased at %v; over all: %v", suite, positions, overall)
		}
		if worst > 6.1 {
			t.Errorf("%v: two knocks differ in a number of bits that is %.1f standard deviations off", suite, worst)
		}
		// The top bit of a X25519 key is always zero.
		positions, _ := bare.biased()
		if top := frontSize + suite.EncSize() - 1; len(positions) == 0 || positions[len(positions)-1] != top {
			t.Errorf("%v: without the veil biased at %v: want %d among them", suite, positions, top)
		}
	}
}

// unlikeness reports how far the number of differing bits is from half of all,
// in standard deviations.
func unlikeness(a, b []byte) float64 {
	differ := 0
	for i := range a {
		differ += bits.OnesCount8(a[i] ^ b[i])
	}
	n := float64(8 * len(a))
	return math.Abs(float64(differ)-n/2) / (math.Sqrt(n) / 2)
}

// Acknowledgements of one answer look random too.
func TestAcksLookRandom(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 2)
	k := newKey(t, key.X25519)
	_, m := exchange(t, key.NewKeyring(k), k)
	var acks sample
	for range 10_000 {
		d, err := m.SealAck(Ack{Status: Opened, Time: noon, Source: home, Doors: doors(1)})
		if err != nil {
			t.Fatal(err)
		}
		acks.add(d)
	}
	if positions, overall := acks.biased(); len(positions) > 0 || overall {
		t.Errorf("biased at %v; over all: %v", positions, overall)
	}
}
