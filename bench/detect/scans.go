package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/detect/days"
	"sallyport/internal/event"
	"sallyport/internal/gate"
	"sallyport/internal/packet"
)

// scanModels say in which order ports are tried, and by how many sources.
var scanModels = []struct {
	name    string
	sources int
	order   func(r *rand.Rand) []uint16
}{
	{"ordered", 1, func(r *rand.Rand) []uint16 { return ordered(r.IntN(2) == 0) }},
	{"shuffled", 1, shuffled},
	{"popular first", 1, func(r *rand.Rand) []uint16 { return append(append([]uint16(nil), days.Popular...), shuffled(r)...) }},
	{"distributed", 16, shuffled},
	{"distributed", 256, func(r *rand.Rand) []uint16 { return ordered(r.IntN(2) == 0) }},
}

func ordered(up bool) []uint16 {
	list := make([]uint16, 65535)
	for i := range list {
		if list[i] = uint16(i + 1); !up {
			list[i] = uint16(65535 - i)
		}
	}
	return list
}

func shuffled(r *rand.Rand) []uint16 {
	list := ordered(true)
	r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list
}

// falseOpens runs whole scans of 65,535 ports, TCP, UDP or both in turns, slow
// and fast, against gates with sequences drawn at random that the configuration
// accepts without a warning. It returns how many opened anything.
func falseOpens(out io.Writer, seed uint64, scans int) int {
	var opened, packets atomic.Int64
	var all sync.WaitGroup
	next := atomic.Int64{}
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for {
				n := int(next.Add(1)) - 1
				if n >= scans {
					return
				}
				grants, sent := scan(rand.New(rand.NewPCG(seed, uint64(n)<<8)), n)
				packets.Add(int64(sent))
				if grants > 0 {
					opened.Add(1)
				}
			}
		})
	}
	all.Wait()
	fmt.Fprintf(out, "Scans of all ports (%s), each of another configuration: %d scans, %d packets, doors opened by %d scans.\n\n",
		scanNames(), scans, packets.Load(), opened.Load())
	return int(opened.Load())
}

func scanNames() string {
	var names []string
	for _, m := range scanModels {
		names = append(names, fmt.Sprintf("%s from %d", m.name, m.sources))
	}
	return strings.Join(names, ", ")
}

// scan runs scan number n and returns how many grants it has led to.
func scan(r *rand.Rand, n int) (grants, packets int) {
	cfg := randomConfig(r)
	m := scanModels[n%len(scanModels)]
	apart := []time.Duration{50 * time.Microsecond, 5 * time.Millisecond, 700 * time.Millisecond}[r.IntN(3)]
	protocols := r.IntN(3)
	order := m.order(r)
	knocks := make([]packet.Port, len(order))
	for i, number := range order {
		knocks[i] = packet.Port{Proto: packet.TCP, Number: number}
		if protocols == 1 || protocols == 2 && i%2 == 1 {
			knocks[i].Proto = packet.UDP
		}
	}
	return play(cfg, knocks, m.sources, apart), len(knocks)
}

// play sends knocks from sources in turns, and returns how many grants follow.
func play(cfg *config.Config, knocks []packet.Port, sources int, apart time.Duration) (grants int) {
	g := gate.New(cfg, gate.SPA{}, gate.Host{Addresses: []netip.Addr{days.Here}, Ephemeral: [2]uint16{32768, 60999}}, days.Begin)
	now := days.Begin
	for i, port := range knocks {
		p := packet.Packet{Src: days.Addr(0x2d000000 + uint32(i%sources)), Dst: days.Here, Proto: port.Proto, DstPort: port.Number, SrcPort: 40000, Seq: uint32(i) * 0x9e3779b1}
		if port.Proto == packet.TCP {
			p.Flags = packet.SYN
		}
		now = now.Add(apart)
		for _, d := range g.Observe(now, &p) {
			if d.Kind == event.KindGrant {
				grants++
			}
		}
	}
	return grants
}

// randomConfig draws doors until the configuration has nothing against them.
func randomConfig(r *rand.Rand) *config.Config {
	for {
		var text strings.Builder
		for door := range 1 + r.IntN(4) {
			fmt.Fprintf(&text, "[[door]]\nname = \"d%d\"\nports = [\"tcp/%d\"]\nwithin = \"%dm\"\nsequence = [", door, 22+door, 1+r.IntN(10))
			for range 3 + r.IntN(4) {
				fmt.Fprintf(&text, "%q, ", fmt.Sprintf("%s/%d", []string{"tcp", "udp"}[r.IntN(2)], 1024+r.IntN(31_000)))
			}
			text.WriteString("]\n")
		}
		if cfg, err := loaded(text.String()); err == nil {
			return cfg
		}
	}
}
