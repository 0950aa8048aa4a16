package sequence

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sallyport/internal/packet"
)

// model is the rule of the package comment, written down naively: it keeps
// every knock of every source for ever and looks at the latest ones.
type model struct {
	sequences []Sequence
	history   map[netip.Addr][]seen
}

type seen struct {
	at time.Time
	p  packet.Packet
}

func (m *model) observe(now time.Time, p packet.Packet) (done, late []int) {
	h := m.history[p.Src]
	n := m.progress(h)
	for i, earlier := range h[len(h)-n:] {
		if earlier.p.Port() == p.Port() && earlier.p.Seq == p.Seq && (p.Proto == packet.TCP || i == n-1) {
			return nil, nil
		}
	}
	h = append(h, seen{now, p})
	m.history[p.Src] = h
	for i, s := range m.sequences {
		if !m.endsWith(h, s.Knocks) {
			continue
		}
		if now.Sub(h[len(h)-len(s.Knocks)].at) <= s.Within {
			done = append(done, i)
		} else {
			late = append(late, i)
		}
	}
	return done, late
}

// progress is the greatest number of latest knocks that begin a sequence.
func (m *model) progress(h []seen) int {
	best := 0
	for _, s := range m.sequences {
		for n := 1; n <= len(s.Knocks); n++ {
			if m.endsWith(h, s.Knocks[:n]) {
				best = max(best, n)
			}
		}
	}
	return best
}

func (m *model) endsWith(h []seen, knocks []packet.Port) bool {
	return len(h) >= len(knocks) && slices.EqualFunc(h[len(h)-len(knocks):], knocks,
		func(s seen, k packet.Port) bool { return s.p.Port() == k })
}

func TestTrackerAgreesWithModel(t *testing.T) {
	port := rapid.Custom(func(t *rapid.T) packet.Port {
		return packet.Port{
			Proto:  rapid.SampledFrom([]packet.Proto{packet.TCP, packet.UDP}).Draw(t, "proto"),
			Number: rapid.Uint16Range(1, 4).Draw(t, "number"),
		}
	})
	sequences := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Sequence {
		return Sequence{
			Knocks: rapid.SliceOfN(port, 1, 6).Draw(t, "knocks"),
			Within: time.Duration(rapid.IntRange(1, 20).Draw(t, "within")) * time.Millisecond,
		}
	}), 1, 5)
	rapid.Check(t, func(t *rapid.T) {
		list := sequences.Draw(t, "sequences")
		m := &model{list, make(map[netip.Addr][]seen)}
		tracker := New(Compile(list), Limits{}, start)
		now := start
		for range rapid.IntRange(0, 200).Draw(t, "knocks") {
			now = now.Add(time.Duration(rapid.IntRange(0, 4000).Draw(t, "gap")) * time.Microsecond)
			to := port.Draw(t, "port")
			p := packet.Packet{
				Src:     netip.AddrFrom4([4]byte{192, 0, 2, rapid.Byte().Draw(t, "source") % 3}),
				Proto:   to.Proto,
				DstPort: to.Number,
				Seq:     rapid.Uint32Range(0, 3).Draw(t, "seq"),
			}
			if rapid.IntRange(0, 50).Draw(t, "reload") == 0 {
				tracker.Replace(Compile(list))
			}
			done, late := m.observe(now, p)
			o := tracker.Observe(now, &p)
			slices.Sort(o.Done)
			slices.Sort(o.Late)
			if !slices.Equal(o.Done, done) || !slices.Equal(o.Late, late) {
				t.Fatalf("knock %s seq %d: tracker %v late %v, model %v late %v", to, p.Seq, o.Done, o.Late, done, late)
			}
		}
	})
}
