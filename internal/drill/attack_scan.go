//go:build linux

package drill

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"time"

	"sallyport/internal/packet"
)

const (
	sayNothingOpens = "a door opens for the attacker"
	sayVictimOut    = "the one whose address is used is shut out"
	seconds         = time.Second
)

// lowest is how many ports the scans try from the bottom, beside those around knocks.
const lowest = 2500

var scanOrdered = Attack{
	ID: "scan-ordered", Group: "scan", Does: "scans ports upwards, the ports of all knocks among them, as fast as it can", Not: sayNothingOpens,
	Rule: "scan-fast", Within: 15 * seconds, Technique: "T1595.001",
	run: func(ctx context.Context, g *ground) error {
		return g.sweep(ctx, g.outsider(), g.scanned(packet.TCP), 0)
	},
}

var scanShuffled = Attack{
	ID: "scan-shuffled", Group: "scan", Does: "scans the same ports in no order", Not: sayNothingOpens,
	Rule: "scan-fast", Within: 15 * seconds, Technique: "T1595.001",
	run: func(ctx context.Context, g *ground) error {
		ports := g.scanned(packet.TCP)
		rand.Shuffle(len(ports), func(i, j int) { ports[i], ports[j] = ports[j], ports[i] })
		return g.sweep(ctx, g.outsider(), ports, 0)
	},
}

var scanDatagrams = Attack{
	ID: "scan-datagrams", Group: "scan", Does: "scans ports with datagrams and connections in turns", Not: sayNothingOpens,
	Rule: "scan-fast", Within: 15 * seconds, Technique: "T1595.001",
	run: func(ctx context.Context, g *ground) error {
		var ports []packet.Port
		for _, p := range g.scanned(packet.UDP) {
			ports = append(ports, p, packet.Port{Proto: packet.TCP, Number: p.Number})
		}
		return g.sweep(ctx, g.outsider(), ports, 0)
	},
}

var scanSpoofed = Attack{
	ID: "scan-spoofed", Group: "scan", Does: "scans in the name of fifty addresses, its own among them", Not: sayNothingOpens,
	Rule: "scan-fast", Within: 15 * seconds, Technique: "T1595.001",
	run: func(ctx context.Context, g *ground) error {
		names := []netip.Addr{g.outsider()}
		for range 49 {
			names = append(names, g.stranger())
		}
		for i, p := range g.scanned(packet.TCP) {
			if err := g.send(names[i%len(names)], p, nil); err != nil {
				return err
			}
			if i%64 == 63 {
				if err := wait(ctx, time.Millisecond); err != nil {
					return err
				}
			}
		}
		return nil
	},
}

var scanSlow = Attack{
	ID: "scan-slow", Group: "scan", Does: "tries one port a second, with slow_ports at 5 and scan_window at 2s", Not: sayNothingOpens,
	Rule: "scan-slow", Within: 15 * seconds, Technique: "T1595.001", Scaled: true, Slow: true,
	alter: func(p *plan) { p.Detect.SlowPorts, p.Detect.ScanWindow = 5, 2*seconds },
	run: func(ctx context.Context, g *ground) error {
		return g.sweep(ctx, g.outsider(), g.closedPorts(12, packet.TCP), seconds)
	},
}

var scanDistributed = Attack{
	ID: "scan-distributed", Group: "scan", Does: "scans from sixty sources, three ports each, with scan_sources at 10", Not: sayNothingOpens,
	Rule: "scan-distributed", Within: 20 * seconds, Technique: "T1595.001", Scaled: true,
	alter: func(p *plan) { p.Detect.ScanSources = 10 },
	run: func(ctx context.Context, g *ground) error {
		ports := g.closedPorts(180, packet.TCP)
		g.outsiders = append(g.outsiders, g.stranger())
		for i := range 60 {
			if err := g.sweep(ctx, g.stranger(), ports[3*i:3*i+3], time.Millisecond); err != nil {
				return err
			}
		}
		return nil
	},
}

// scanned lists ports upwards: a block from the bottom, and what lies around each
// knock of a static sequence.
func (g *ground) scanned(proto packet.Proto) (list []packet.Port) {
	near := make(map[uint16]bool)
	for _, d := range g.Doors {
		for _, k := range d.Sequence {
			for n := int(k.Number) - 50; n <= int(k.Number)+50; n++ {
				near[uint16(max(1, min(n, 65535)))] = true
			}
		}
	}
	for n := 1; n <= 65535; n++ {
		if n <= lowest || near[uint16(n)] {
			list = append(list, packet.Port{Proto: proto, Number: uint16(n)})
		}
	}
	return list
}
