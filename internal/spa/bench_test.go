package spa

import (
	"net/netip"
	"testing"
	"time"

	"sallyport/internal/key"
)

// Nothing is allocated for a packet before its tag has been found right.
func TestCheckAllocatesNothing(t *testing.T) {
	for _, suite := range []key.Suite{key.Hybrid, key.X25519} {
		before, k := newKey(t, suite), newKey(t, suite)
		o := NewOpener(key.NewKeyring(before).Rotate(k, noon.Add(time.Hour)), 10*time.Minute)
		right := sealed(t, before, request(noon), fixed(64)).Datagram
		wrong := make([]byte, len(right))
		o.Check(noon, wrong) // derives the keys of this epoch
		for name, payload := range map[string][]byte{"wrong length": wrong[1:], "wrong tag": wrong, "right": right} {
			if n := testing.AllocsPerRun(1000, func() { o.Check(noon, payload) }); n != 0 {
				t.Errorf("%v, %s: %v allocations", suite, name, n)
			}
		}
		o.Diagnose(noon, wrong)
		if n := testing.AllocsPerRun(10, func() { o.Diagnose(noon, wrong) }); n != 0 {
			t.Errorf("%v, diagnosis: %v allocations", suite, n)
		}
	}
}

func BenchmarkSeal(b *testing.B) {
	for _, suite := range []key.Suite{key.Hybrid, key.X25519} {
		b.Run(suite.String(), func(b *testing.B) {
			k := newKey(b, suite)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Seal(k.Public(), request(noon), netip.Addr{}, fixed(64)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// Each stage at which a datagram is refused, and the whole way through.
func BenchmarkServer(b *testing.B) {
	for _, suite := range []key.Suite{key.Hybrid, key.X25519} {
		k := newKey(b, suite)
		good := sealed(b, k, request(noon), fixed(64)).Datagram
		changed := func(at int) []byte { d := append([]byte(nil), good...); d[at] ^= 1; return d }
		for _, tc := range []struct {
			name     string
			datagram []byte
			want     Reason
		}{
			{"length", good[1:], BadLength},
			{"tag", changed(0), BadTag},
			{"seal-encapsulation", changed(frontSize), BadSeal},
			{"seal-ciphertext", changed(len(good) - 1), BadSeal},
			{"header", forge(b, k.Public(), noon, make([]byte, headerSize+64)), BadHeader},
			{"opened", good, ""},
		} {
			b.Run(suite.String()+"/"+tc.name, func(b *testing.B) {
				o := NewOpener(key.NewKeyring(k), skew)
				b.ReportAllocs()
				for b.Loop() {
					if _, reason := open(o, noon, tc.datagram); reason != tc.want {
						b.Fatal(reason)
					}
				}
			})
		}
	}
}

func BenchmarkDiagnose(b *testing.B) {
	k := newKey(b, key.Hybrid)
	junk := make([]byte, 1232)
	b.Run("first", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			NewOpener(key.NewKeyring(k), skew).Diagnose(noon, junk)
		}
	})
	b.Run("next-epoch", func(b *testing.B) {
		o := NewOpener(key.NewKeyring(k), skew)
		now := noon
		b.ReportAllocs()
		for b.Loop() {
			o.Diagnose(now, junk)
			now = now.Add(key.EpochLength)
		}
	})
	b.Run("same-epoch", func(b *testing.B) {
		o := NewOpener(key.NewKeyring(k), skew)
		b.ReportAllocs()
		for b.Loop() {
			o.Diagnose(noon, junk)
		}
	})
}

func BenchmarkAck(b *testing.B) {
	k := newKey(b, key.Hybrid)
	s, m := exchange(b, key.NewKeyring(k), k)
	ack := Ack{Status: Opened, Time: noon, Source: home, Doors: doors(1)}
	datagram, err := m.SealAck(ack)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("seal", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := m.SealAck(ack); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("open", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := s.OpenAck(datagram); err != nil {
				b.Fatal(err)
			}
		}
	})
}
