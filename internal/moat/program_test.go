//go:build linux

package moat

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"log/slog"
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/dchest/siphash"

	"sallyport/internal/key"
	"sallyport/internal/lab/labtest"
	"sallyport/internal/packet"
	"sallyport/internal/spa"
)

func TestMain(m *testing.M) { labtest.Main(m) }

const (
	spaPort = 40321
	hybrid  = 1232 // lengths of messages
	short   = 144
	drop    = 1 // XDP_DROP
	pass    = 2 // XDP_PASS
)

var (
	gate4   = netip.MustParseAddr("192.0.2.1")
	gate6   = netip.MustParseAddr("2001:db8:1::1")
	client4 = netip.MustParseAddr("192.0.2.2")
	client6 = netip.MustParseAddr("2001:db8:1::2")
	other4  = netip.MustParseAddr("203.0.113.2")
	guarded = netip.MustParsePrefix("203.0.113.64/26")
)

// bench is a program with keys and a host.
type bench struct {
	*Moat
	t      testing.TB
	server key.Private
	opener *spa.Opener
	skew   time.Duration
}

func newBench(t testing.TB, suite key.Suite, skew time.Duration) *bench {
	t.Helper()
	labtest.Need(t, "bpf")
	m, err := New(t.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	m.secret = [2]uint64{1, 2} // so that sources share a cell in each run, or in none
	if err := m.load(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	server, err := key.Generate(suite)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{Moat: m, t: t, server: server, opener: spa.NewOpener(key.NewKeyring(server), skew), skew: skew}
	b.setKeys(time.Now())
	err = m.SetHost(Host{
		Own:    []netip.Addr{gate4, gate6},
		To:     []netip.Prefix{guarded},
		Closed: func(p packet.Port) bool { return p.Number != spaPort && p.Number != 22 },
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// setKeys hands over the keys of a time, as the daemon does.
func (b *bench) setKeys(now time.Time) {
	b.t.Helper()
	keys := b.opener.MoatKeys(now.Add(-Margin), now.Add(Ahead+Margin))
	if err := b.SetKeys(now, Keys{Port: spaPort, Skew: b.skew, Keys: keys, Rate: 2000}); err != nil {
		b.t.Fatal(err)
	}
}

// datagram returns a payload with a tag of an epoch, or a wrong one.
func (b *bench) datagram(length int, epoch int64, right bool) []byte {
	payload := make([]byte, length)
	_, _ = rand.Read(payload)
	if length < 12 {
		return payload
	}
	k := b.server.Public().Moat(epoch)
	tag := uint32(siphash.Hash(binary.LittleEndian.Uint64(k[:8]), binary.LittleEndian.Uint64(k[8:]), payload[:8]))
	if !right {
		tag++
	}
	binary.LittleEndian.PutUint32(payload[8:], tag)
	return payload
}

// run returns the verdict about one packet, which must not have been changed.
func (b *bench) run(packet []byte) uint32 {
	b.t.Helper()
	out := make([]byte, len(packet))
	verdict, err := b.objects.Moat.Run(&ebpf.RunOptions{Data: packet, DataOut: out})
	if err != nil {
		b.t.Fatal(err)
	}
	if string(out) != string(packet) {
		b.t.Fatalf("the packet was changed:\n%x\n%x", packet, out)
	}
	return verdict
}

// exhaust uses up, for all time, what is passed on although it is to be dropped.
func (b *bench) exhaust() {
	b.t.Helper()
	if err := b.objects.Spared.Put(uint32(0), uint64(math.MaxInt64)); err != nil {
		b.t.Fatal(err)
	}
}

// once is a pace at which so many pass, and then none for a long time.
func once(n uint64) programPace {
	const interval = uint64(1000 * time.Hour)
	return programPace{Interval: interval, Burst: interval * (n - 1)}
}

func message(src, dst netip.Addr, payload []byte) frame {
	return frame{src: src, dst: dst, proto: packet.UDP, port: spaPort, payload: payload}
}

func TestVerdicts(t *testing.T) {
	b := newBench(t, key.Hybrid, time.Minute)
	now := key.Epoch(time.Now())
	junk, good := b.datagram(hybrid, now, false), b.datagram(hybrid, now, true)
	b.exhaust()
	edited := func(f frame, edit func(*frame)) frame { edit(&f); return f }
	v4, v6 := message(client4, gate4, junk), message(client6, gate6, junk)
	for _, c := range []struct {
		name  string
		frame frame
		want  uint32
	}{
		{"junk", v4, drop},
		{"junk over IPv6", v6, drop},
		{"junk in a VLAN", edited(v4, func(f *frame) { f.vlans = []uint16{0x8100} }), drop},
		{"junk in a VLAN over IPv6", edited(v6, func(f *frame) { f.vlans = []uint16{0x8100} }), drop},
		{"junk in QinQ", edited(v4, func(f *frame) { f.vlans = []uint16{0x88a8, 0x8100} }), drop},
		{"junk with IP options", edited(v4, func(f *frame) { f.options = 10 }), drop},
		{"junk of the other length", message(client4, gate4, b.datagram(hybrid+5, now, false)), drop},
		{"tag of long ago", message(client4, gate4, b.datagram(hybrid, now-10, true)), drop},
		{"tag of far ahead", message(client4, gate4, b.datagram(hybrid, now+3, true)), drop},

		{"message", message(client4, gate4, good), pass},
		{"message over IPv6", message(client6, gate6, good), pass},
		{"message of a minute ago", message(client4, gate4, b.datagram(hybrid, key.Epoch(time.Now().Add(-time.Minute)), true)), pass},
		{"message of a minute ahead", message(client4, gate4, b.datagram(hybrid, key.Epoch(time.Now().Add(time.Minute)), true)), pass},
		{"other port", edited(v4, func(f *frame) { f.port++ }), pass},
		{"TCP", edited(v4, func(f *frame) { f.proto = packet.TCP }), pass},
		{"ICMP", edited(v4, func(f *frame) { f.proto = 1 }), pass},
		{"other destination", message(client4, other4, junk), pass},
		{"destination behind the gate", message(client4, guarded.Addr(), junk), pass},
		{"broadcast", message(client4, netip.MustParseAddr("255.255.255.255"), junk), pass},
		{"one byte short", message(client4, gate4, junk[:hybrid-1]), pass},
		{"one byte more", message(client4, gate4, append(junk[:hybrid:hybrid], 0)), pass},
		{"length of the other suite", message(client4, gate4, junk[:short]), pass},
		{"empty", message(client4, gate4, nil), pass},
		{"first fragment", edited(v4, func(f *frame) { f.fragment = 0x2000 }), pass},
		{"later fragment", edited(v4, func(f *frame) { f.fragment = 7 }), pass},
		{"three tags", edited(v4, func(f *frame) { f.vlans = []uint16{0x88a8, 0x8100, 0x8100} }), pass},
		{"extension header", edited(v6, func(f *frame) { f.next = []byte{60} }), pass},
		{"lengths beyond the packet", edited(v4, func(f *frame) { f.payload, f.claimed = nil, hybrid }), pass},
	} {
		if got := b.run(c.frame.bytes()); got != c.want {
			t.Errorf("%s: verdict %d, want %d", c.name, got, c.want)
		}
	}
}

// Kernels give up on a program after a million instructions, and differ in how many
// they look at (17,500 on Linux 6.18, 10,800 on 5.10). What is left is for those to come.
func TestVerifierHasRoom(t *testing.T) {
	labtest.Need(t, "bpf")
	var log string
	err := either(func(frags bool) (err error) {
		log, err = verifierLog(frags)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	// The statistics at the end of each log (print_verification_stats in kernel/bpf/verifier.c).
	_, statistics, _ := strings.Cut("\n"+log, "\nprocessed ") // a line before it may have the word, too
	var n int
	if _, err := fmt.Sscanf(statistics, "%d insns", &n); err != nil {
		t.Fatalf("the verifier says %q: %v", log, err)
	}
	t.Logf("%d instructions verified", n)
	if n == 0 || n > 40_000 {
		t.Errorf("the verifier looked at %d instructions", n)
	}
}

// Without branches each path through the decoding of a tag in STUN is the same path. With 24 of
// them Linux before 6.3 gave up, and later kernels did not.
func TestDecodesWithoutBranches(t *testing.T) {
	spec, err := programSpec(true)
	if err != nil {
		t.Fatal(err)
	}
	seen, inside := 0, false
	for _, i := range spec.Programs[programProgMoat].Instructions {
		if name := i.Symbol(); name != "" {
			inside = name == "half"
		}
		if !inside {
			continue
		}
		seen++
		if op := i.OpCode.JumpOp(); op != asm.InvalidJumpOp && op != asm.Exit {
			t.Errorf("instruction %d branches: %v", seen, i)
		}
	}
	if seen == 0 {
		t.Error("the function is not there")
	}
}

// verifierLog loads the program once more and returns what the verifier says of it.
func verifierLog(frags bool) (string, error) {
	spec, err := programSpec(frags)
	if err != nil {
		return "", err
	}
	c, err := ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{Programs: ebpf.ProgramOptions{LogLevel: ebpf.LogLevelStats}})
	if err != nil {
		return "", err
	}
	defer c.Close()
	return c.Programs[programProgMoat].VerifierLog, nil
}

func BenchmarkProgram(b *testing.B) {
	bench := newBench(b, key.Hybrid, time.Minute)
	bench.exhaust()
	begin := time.Unix(key.Epoch(time.Now())*int64(key.EpochLength/time.Second), 0)
	middle, now := begin.Add(key.EpochLength/2), key.Epoch(begin)
	for _, c := range []struct {
		name  string
		frame frame
	}{
		{"junk", message(client4, gate4, bench.datagram(hybrid, now, false))},
		{"junk/IPv6", message(client6, gate6, bench.datagram(hybrid, now, false))},
		{"junk/between two epochs", message(client4, gate4, bench.datagram(hybrid, now, false))},
		{"tagged", message(client4, gate4, bench.datagram(hybrid, now, true))},
		{"tagged/IPv6", message(client6, gate6, bench.datagram(hybrid, now, true))},
		{"passing/TCP", frame{src: client4, dst: gate4, proto: packet.TCP, port: 443, flags: packet.ACK, payload: make([]byte, 1000)}},
		{"passing/UDP", frame{src: client4, dst: gate4, proto: packet.UDP, port: 22, payload: make([]byte, 1000)}},
		{"passing/QUIC in a VLAN", frame{vlans: []uint16{0x8100}, src: client6, dst: gate6, proto: packet.UDP, port: 22, payload: make([]byte, 1000)}},
		{"contact/SYN", frame{src: client4, dst: gate4, proto: packet.TCP, port: 444, flags: packet.SYN}},
	} {
		b.Run(c.name, func(b *testing.B) {
			at := middle
			if c.name == "junk/between two epochs" {
				at = begin
			}
			bench.setKeys(at)
			timeProgram(b, bench.objects.Moat, c.frame)
		})
	}
	stun := newBench(b, key.X25519, time.Minute)
	stun.exhaust()
	for name, right := range map[string]bool{"STUN/junk": false, "STUN/tagged": true} {
		b.Run(name, func(b *testing.B) {
			stun.takeSTUN(true)
			timeProgram(b, stun.objects.Moat, message(client4, gate4, request(stun.datagram(short, key.Epoch(time.Now()), right))))
		})
	}
	// Junk of a source that has had all its answers, while others have not.
	b.Run("junk/of one source", func(b *testing.B) {
		bench.answers = answers{once(1000), [2]programPace{once(1), once(1)}}
		bench.setKeys(middle)
		if err := bench.objects.Spared.Put(uint32(0), uint64(0)); err != nil {
			b.Fatal(err)
		}
		timeProgram(b, bench.objects.Moat, message(client4, gate4, bench.datagram(hybrid, now, false)))
	})
	// What the kernel takes to run a program that does next to nothing.
	b.Run("floor", func(b *testing.B) { timeProgram(b, bench.objects.TellTicks, message(client4, gate4, nil)) })
}

// timeProgram lets the kernel measure. It does so by the clock on the wall: of
// many short runs the shortest is the one that nothing else has come between.
func timeProgram(b *testing.B, p *ebpf.Program, f frame) {
	const round = 10_000
	least := time.Hour
	for range max(1, b.N/round) {
		_, each, err := p.Benchmark(f.bytes(), round, nil)
		if err != nil {
			b.Fatal(err)
		}
		least = min(least, each)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(least.Nanoseconds()), "ns/packet")
}
