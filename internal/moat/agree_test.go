//go:build linux

package moat

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"sallyport/internal/key"
	"sallyport/internal/packet"
	"sallyport/internal/spa"
)

// expected is the daemon's view of a packet, after its ring has been used up for
// wrong tags: drop only what it would refuse for its tag.
func (b *bench) expected(now time.Time, ethernet []byte) uint32 {
	var p packet.Packet
	at := 14
	for n := 0; n < 2 && len(ethernet) >= at+4 && (ethernet[at-2] == 0x81 && ethernet[at-1] == 0 || ethernet[at-2] == 0x88 && ethernet[at-1] == 0xa8); n++ {
		at += 4
	}
	ip := ethernet[at:]
	switch kind := [2]byte(ethernet[at-2 : at]); {
	case kind == [2]byte{0x08, 0x00} && len(ip) > 7 && ip[0]>>4 == 4 && (ip[6]&0x3f != 0 || ip[7] != 0):
		return pass // a fragment
	case kind == [2]byte{0x86, 0xdd} && len(ip) > 6 && ip[0]>>4 == 6 && ip[6] != byte(packet.UDP):
		return pass // extension headers
	case kind != [2]byte{0x08, 0x00} && kind != [2]byte{0x86, 0xdd}:
		return pass
	case len(ip) > 0 && (ip[0]>>4 == 4) != (kind[0] == 0x08):
		return pass
	}
	if p.Decode(ip) != nil || p.Proto != packet.UDP || p.DstPort != spaPort || p.Dst != gate4 && p.Dst != gate6 {
		return pass
	}
	if len(p.Payload) < 40 {
		return pass
	}
	// Of a frame that was cut short the program sees no more than that the tag is there.
	whole := append(p.Payload[:len(p.Payload):len(p.Payload)], make([]byte, p.Length-len(p.Payload))...)
	if _, reason := b.opener.Check(now, whole); reason == spa.BadTag {
		return drop
	}
	return pass
}

// compare tells the program a time and runs one packet through both. At the edges
// of the epochs the program may pass what the daemon refuses, within Margin; and
// it may have been kept waiting meanwhile.
func (b *bench) compare(now time.Time, ethernet []byte) error {
	began := time.Now()
	b.setKeys(now)
	got, want := b.run(ethernet), b.expected(now, ethernet)
	if got == want {
		return nil
	}
	waited := time.Since(began)
	for _, near := range []time.Duration{-Margin - time.Second, Margin + time.Second + waited} {
		if got == pass && b.expected(now.Add(near), ethernet) == pass {
			return nil
		}
	}
	if got == drop && waited > Margin && b.expected(now.Add(waited), ethernet) == drop {
		return nil
	}
	return fmt.Errorf("verdict %d, the daemon says %d about %x", got, want, ethernet)
}

// random makes a frame that is nearly a message, with things wrong at random.
func (b *bench) random(r *rand.Rand, epoch int64) []byte {
	one := func(list ...netip.Addr) netip.Addr { return list[r.IntN(len(list))] }
	lengths := []int{hybrid, hybrid, hybrid, hybrid + 5, hybrid - 1, hybrid + 1, short, short + 5, 0, 7, 11, 12, 400}
	f := frame{src: client4, dst: one(gate4, gate4, gate4, other4, guarded.Addr()), proto: packet.UDP, port: spaPort}
	if r.IntN(2) == 0 {
		f.src, f.dst = client6, one(gate6, gate6, gate6, client6)
	}
	f.payload = b.datagram(lengths[r.IntN(len(lengths))], epoch+int64(r.IntN(9))-4, r.IntN(2) == 0)
	rare := func(do func()) {
		if r.IntN(8) == 0 {
			do()
		}
	}
	rare(func() { f.vlans = []uint16{0x8100} })
	rare(func() { f.vlans = []uint16{0x88a8, 0x8100} })
	rare(func() { f.options = r.IntN(11) })
	rare(func() { f.fragment = uint16(r.IntN(1 << 16)) })
	rare(func() { f.next = []byte{[]byte{0, 43, 44, 51, 60}[r.IntN(5)]} })
	rare(func() { f.claimed = r.IntN(40) - 20 })
	rare(func() { f.port ^= 1 << r.IntN(16) })
	rare(func() { f.proto = packet.Proto(r.IntN(256)) })
	raw := f.bytes()
	rare(func() { raw[r.IntN(min(len(raw), 80))] ^= 1 << r.IntN(8) })
	rare(func() { raw = raw[:max(14, r.IntN(len(raw)))] })
	rare(func() { raw = append(raw, make([]byte, r.IntN(20))...) })
	return raw
}

func TestAgreesWithTheDaemon(t *testing.T) {
	for _, suite := range []key.Suite{key.Hybrid, key.X25519} {
		for _, skew := range []time.Duration{10 * time.Second, time.Minute, 10 * time.Minute} {
			t.Run(fmt.Sprintf("%v, %v", suite, skew), func(t *testing.T) {
				b := newBench(t, suite, skew)
				b.exhaust()
				r := rand.New(rand.NewPCG(1, uint64(skew)))
				dropped := 0
				for range 1500 {
					// Wherever in an epoch.
					now := time.Unix(2_000_000_000, 0).Add(time.Duration(r.Int64N(int64(4 * key.EpochLength))))
					raw := b.random(r, key.Epoch(now))
					if err := b.compare(now, raw); err != nil {
						t.Fatal(err)
					}
					if b.expected(now, raw) == drop {
						dropped++
					}
				}
				if dropped < 50 {
					t.Errorf("only %d packets were to be dropped: the test says nothing", dropped)
				}
			})
		}
	}
}

func FuzzAgreesWithTheDaemon(f *testing.F) {
	b := newBench(f, key.Hybrid, time.Minute)
	b.exhaust()
	r := rand.New(rand.NewPCG(3, 4))
	for range 50 {
		f.Add(b.random(r, key.Epoch(time.Now())))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) < 14 || len(raw) > 3000 {
			return
		}
		b.t = t
		now := time.Now()
		if err := b.compare(now, raw); err != nil {
			t.Error(err)
		}
	})
}
