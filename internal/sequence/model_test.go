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
	past      map[netip.Addr][]seen // since the source was two knocks in
}

type seen struct {
	at time.Time
	p  packet.Packet
}

func (m *model) observe(now time.Time, p packet.Packet) (done, late []int) {
	h := m.history[p.Src]
	n := m.progress(h)
	for i, earlier := range h[len(h)-n:] {
		if earlier.p.Port() == p.Port() && earlier.p.SrcPort == p.SrcPort && earlier.p.Seq == p.Seq && (p.Proto == packet.TCP || i == n-1) {
			return nil, nil
		}
	}
	if m.isOld(now, p) || m.repeats(now, p, n) {
		return nil, nil
	}
	h = append(h, seen{now, p})
	m.history[p.Src] = h
	if m.progress(h) >= 2 && m.past[p.Src] == nil {
		m.past[p.Src] = slices.Clone(h[len(h)-m.progress(h):])
	} else if m.past[p.Src] != nil {
		m.past[p.Src] = append(m.past[p.Src], seen{now, p})
	}
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

// isOld: a SYN sent again, of one of the latest 32 since the source was two in.
func (m *model) isOld(now time.Time, p packet.Packet) bool {
	var tcp []seen
	for _, s := range m.past[p.Src] {
		if s.p.Proto == packet.TCP {
			tcp = append(tcp, s)
		}
	}
	return p.Proto == packet.TCP && slices.ContainsFunc(tcp[max(0, len(tcp)-32):], func(s seen) bool {
		age := now.Sub(s.at)
		return s.p.Port() == p.Port() && s.p.SrcPort == p.SrcPort && s.p.Seq == p.Seq && age >= 900*time.Millisecond && age <= 2*time.Minute
	})
}

// repeats: one of the latest n knocks, from another source port, soon, and of no
// other use.
func (m *model) repeats(now time.Time, p packet.Packet, n int) bool {
	h := m.history[p.Src]
	latest := h[len(h)-n:]
	after := m.progress(append(slices.Clone(h), seen{now, p}))
	for _, s := range m.sequences {
		if len(s.Knocks) < n || !m.endsWith(h, s.Knocks[:n]) {
			continue
		}
		for i, k := range s.Knocks {
			if slices.Contains(s.Knocks[:i], k) {
				return false
			}
		}
	}
	return n >= 2 && p.Proto == packet.TCP && after == 0 && slices.ContainsFunc(latest, func(s seen) bool {
		return s.p.Port() == p.Port() && s.p.SrcPort != p.SrcPort && now.Sub(s.at) <= 2*time.Second
	})
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
			Within: time.Duration(rapid.SampledFrom([]int{1, 5, 20, 3000}).Draw(t, "within")) * time.Millisecond,
		}
	}), 1, 5)
	rapid.Check(t, func(t *rapid.T) {
		list := sequences.Draw(t, "sequences")
		m := &model{list, make(map[netip.Addr][]seen), make(map[netip.Addr][]seen)}
		tracker := New(Compile(list), Limits{}, start)
		now := start
		for range rapid.IntRange(0, 200).Draw(t, "knocks") {
			now = now.Add(time.Duration(rapid.IntRange(0, 4000).Draw(t, "gap")) * time.Microsecond)
			to := port.Draw(t, "port")
			p := packet.Packet{
				Src:     netip.AddrFrom4([4]byte{192, 0, 2, rapid.Byte().Draw(t, "source") % 3}),
				Proto:   to.Proto,
				DstPort: to.Number,
				SrcPort: rapid.Uint16Range(0, 1).Draw(t, "from"),
				Seq:     rapid.Uint32Range(0, 3).Draw(t, "seq"),
			}
			if rapid.IntRange(0, 20).Draw(t, "wait") == 0 {
				now = now.Add(time.Duration(rapid.IntRange(500, 2500).Draw(t, "long")) * time.Millisecond)
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

// fuzzPorts are few, so that nobody who touches them is a scanner.
var fuzzPorts = ports("tcp/1 tcp/2 tcp/3 udp/1 udp/2 udp/3 tcp/4 udp/4")

// fuzzSequences reads sequences from data: a length of 1 to 4, a time limit, and
// the knocks.
func fuzzSequences(data []byte) (list []Sequence) {
	for len(data) >= 6 && len(list) < 6 {
		s := Sequence{Within: time.Duration(1+int(data[1])%20) * time.Millisecond}
		for _, b := range data[2 : 3+data[0]%4] {
			s.Knocks = append(s.Knocks, fuzzPorts[int(b)%len(fuzzPorts)])
		}
		list, data = append(list, s), data[6:]
	}
	return list
}

// A sequence is done exactly when the latest knocks of a source are it, within
// its time, whatever other sources send in between.
func FuzzTrackerAgainstModel(f *testing.F) {
	f.Add([]byte{2, 5, 0, 3, 1, 0}, []byte{0, 0, 1, 0, 1, 3, 1, 1, 0, 1, 1, 2})
	f.Add([]byte{1, 0, 0, 0, 0, 0, 3, 9, 0, 1, 0, 1}, []byte{0, 0, 0, 0, 0, 1, 0, 0, 2, 0, 255, 3})
	f.Fuzz(func(t *testing.T, sequences, knocks []byte) {
		list := fuzzSequences(sequences)
		m := &model{list, make(map[netip.Addr][]seen), make(map[netip.Addr][]seen)}
		tracker := New(Compile(list), Limits{Begun: 64, Further: 16}, start)
		now := start
		for i := 0; i+3 <= len(knocks) && i < 3*(guesses-1); i += 3 { // fewer than a guesser sends
			to := fuzzPorts[int(knocks[i])%len(fuzzPorts)]
			now = now.Add(time.Duration(knocks[i+1]) * 50 * time.Microsecond)
			p := packet.Packet{
				Src: netip.AddrFrom4([4]byte{192, 0, 2, knocks[i+2] % 3}), Proto: to.Proto, DstPort: to.Number,
				Seq: uint32(knocks[i+2] >> 2 % 4),
			}
			if knocks[i+2]>>5 == 7 {
				tracker.Replace(Compile(list))
			}
			done, late := m.observe(now, p)
			o := tracker.Observe(now, &p)
			slices.Sort(o.Done)
			slices.Sort(o.Late)
			if !slices.Equal(o.Done, done) || !slices.Equal(o.Late, late) {
				t.Fatalf("knock %d, %s from %s: tracker %v late %v, model %v late %v", i/3, to, p.Src, o.Done, o.Late, done, late)
			}
		}
	})
}
