//go:build linux

package capture

import (
	"math"

	"golang.org/x/net/bpf"
)

// What the filter compares with (include/uapi/linux/if_ether.h, if_arp.h,
// if_packet.h; RFC 791, RFC 8200, RFC 9293).
const (
	etherIPv4, etherIPv6 = 0x0800, 0x86dd
	linkLoopback         = 772
	packetHost           = 0
	protoTCP, protoUDP   = 6, 17
	flagsKind, flagsSYN  = 0x17, 0x02 // of FIN, SYN, RST and ACK, only SYN
)

// maxIntervals keeps the program under the kernel's limit of 4,096
// instructions (BPF_MAXINSNS): each interval takes four, in two trees.
const maxIntervals = 480

// Scratch words of the program.
const (
	slotProto = iota
	slotPort
	slotLength
)

func drop() bpf.Instruction             { return bpf.RetConstant{} }
func take(length int) bpf.Instruction   { return bpf.RetConstant{Val: uint32(length)} }
func load(at, size int) bpf.Instruction { return bpf.LoadAbsolute{Off: uint32(at), Size: size} }

// want goes on if the accumulator is v, and drops the packet otherwise.
func want(v int) []bpf.Instruction {
	return []bpf.Instruction{bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(v), SkipTrue: 1}, drop()}
}

// none drops the packet if the accumulator has any of these bits.
func none(mask int) []bpf.Instruction {
	return []bpf.Instruction{bpf.JumpIf{Cond: bpf.JumpBitsNotSet, Val: uint32(mask), SkipTrue: 1}, drop()}
}

// branch runs yes or no and then goes on behind both. Conditional jumps reach
// 255 instructions, unconditional ones any distance.
func branch(cond bpf.JumpTest, v int, yes, no []bpf.Instruction) []bpf.Instruction {
	no = append(no, bpf.Jump{Skip: uint32(len(yes))})
	return seq([]bpf.Instruction{
		bpf.JumpIf{Cond: cond, Val: uint32(v), SkipFalse: 1},
		bpf.Jump{Skip: uint32(len(no))},
	}, no, yes)
}

func seq(parts ...[]bpf.Instruction) (all []bpf.Instruction) {
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

// prelude takes only what has arrived from elsewhere for this host itself, and
// leaves the EtherType in the accumulator.
//
// A frame of a VLAN is seen at the Ethernet interface, with its tag, and again
// at the interface of that VLAN. Only the second belongs to the host: without
// such an interface the host ignores the frame (__netif_receive_skb_core in
// net/core/dev.c), but for VLAN 0, which has no interface of its own.
func prelude() []bpf.Instruction {
	vlan := seq([]bpf.Instruction{bpf.LoadExtension{Num: bpf.ExtVLANTag}}, none(0x0fff))
	return seq(
		[]bpf.Instruction{bpf.LoadExtension{Num: bpf.ExtType}}, want(packetHost),
		[]bpf.Instruction{bpf.LoadExtension{Num: bpf.ExtLinkLayerType},
			bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: linkLoopback, SkipTrue: 1}, drop(),
			bpf.LoadExtension{Num: bpf.ExtVLANTagPresent},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0, SkipTrue: uint8(len(vlan))}}, vlan,
		[]bpf.Instruction{bpf.LoadExtension{Num: bpf.ExtProto}},
	)
}

// knocks is the program for TCP SYNs and UDP datagrams to watched ports, of
// which it looks up at most limit intervals for each protocol. It begins with
// the EtherType in the accumulator, and takes the first length bytes of a packet.
func (f Filter) knocks(length, limit int) []bpf.Instruction {
	tcp4 := seq([]bpf.Instruction{bpf.LoadIndirect{Off: 13, Size: 1}}, syn())
	tcp6 := seq([]bpf.Instruction{load(40+13, 1)}, syn())
	v4 := seq(
		[]bpf.Instruction{load(6, 2)}, none(0x1fff), // the first fragment at most
		[]bpf.Instruction{bpf.LoadMemShift{Off: 0}, load(9, 1), bpf.StoreScratch{Src: bpf.RegA, N: slotProto}},
		branch(bpf.JumpEqual, protoTCP, tcp4, want(protoUDP)),
		[]bpf.Instruction{bpf.LoadIndirect{Off: 2, Size: 2}, bpf.StoreScratch{Src: bpf.RegA, N: slotPort}},
	)
	v6 := seq(
		[]bpf.Instruction{load(6, 1), bpf.StoreScratch{Src: bpf.RegA, N: slotProto}},
		extensions(length),
		branch(bpf.JumpEqual, protoTCP, tcp6, want(protoUDP)),
		[]bpf.Instruction{load(40+2, 2), bpf.StoreScratch{Src: bpf.RegA, N: slotPort}},
	)
	port := []bpf.Instruction{bpf.LoadScratch{Dst: bpf.RegA, N: slotPort}}
	return seq(
		f.sample(),
		branch(bpf.JumpEqual, etherIPv6, v6, seq(want(etherIPv4), v4)),
		[]bpf.Instruction{bpf.LoadScratch{Dst: bpf.RegA, N: slotProto}},
		branch(bpf.JumpEqual, protoTCP,
			seq(port, lookUp(f.TCP.intervals(limit), length)),
			seq(port, lookUp(f.UDP.intervals(limit), length))),
		[]bpf.Instruction{drop()}, // a program may not jump past its end
	)
}

// sample drops all but one packet in so many, and leaves the accumulator as it is.
func (f Filter) sample() []bpf.Instruction {
	if f.Sample <= 1 {
		return nil
	}
	return []bpf.Instruction{
		bpf.TAX{},
		bpf.LoadExtension{Num: bpf.ExtRand},
		bpf.JumpIf{Cond: bpf.JumpLessOrEqual, Val: math.MaxUint32 / uint32(f.Sample), SkipTrue: 1}, drop(),
		bpf.TXA{},
	}
}

func syn() []bpf.Instruction {
	return seq([]bpf.Instruction{bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: flagsKind}}, want(flagsSYN))
}

// extensions takes packets with IPv6 extension headers as they are, since
// classic BPF cannot walk along them, except fragments after the first.
func extensions(length int) []bpf.Instruction {
	const fragment = 44
	first := seq([]bpf.Instruction{load(40+2, 2)}, none(0xfff8), []bpf.Instruction{take(length)})
	all := seq([]bpf.Instruction{bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: fragment, SkipTrue: uint8(len(first))}}, first)
	for _, kind := range []uint32{0, 43, 51, 60} {
		all = append(all, bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: kind, SkipTrue: 1}, take(length))
	}
	return all
}

// lookUp takes the packet if the accumulator is in one of the intervals.
func lookUp(list []interval, length int) []bpf.Instruction {
	bounds := make([]int, 0, 2*len(list))
	for _, i := range list {
		bounds = append(bounds, int(i.first), int(i.last)+1)
	}
	return tree(bounds, false, length)
}

// tree finds by halving between which bounds the accumulator is. At each bound
// the answer changes; below the first it is inside.
func tree(bounds []int, inside bool, length int) []bpf.Instruction {
	if len(bounds) == 0 {
		if inside {
			return []bpf.Instruction{take(length)}
		}
		return []bpf.Instruction{drop()}
	}
	half := len(bounds) / 2
	below := tree(bounds[:half], inside, length)
	above := tree(bounds[half+1:], inside != (half%2 == 0), length)
	return seq(atLeast(bounds[half], len(below)), below, above)
}

// atLeast skips instructions if the accumulator is v or more.
func atLeast(v, skip int) []bpf.Instruction {
	if skip <= 255 {
		return []bpf.Instruction{bpf.JumpIf{Cond: bpf.JumpGreaterOrEqual, Val: uint32(v), SkipTrue: uint8(skip)}}
	}
	return []bpf.Instruction{
		bpf.JumpIf{Cond: bpf.JumpGreaterOrEqual, Val: uint32(v), SkipFalse: 1},
		bpf.Jump{Skip: uint32(skip)},
	}
}

// port is where messages arrive, and how long they can be.
type port struct {
	number  uint16
	lengths []Span // empty: any
	stun    bool   // STUN requests too
}

// ports are those where messages arrive.
func (f Filter) ports() (list []port) {
	for _, p := range []port{{f.SPAPort, f.SPALengths, f.SPAInSTUN}, {f.FwknopPort, f.FwknopLengths, false}} {
		if p.number != 0 {
			list = append(list, p)
		}
	}
	return list
}

// messages is the program for messages: whole datagrams to their ports with a
// length that a message can have. No client sends them behind IPv6 extension
// headers.
func (f Filter) messages(length int) []bpf.Instruction {
	ports := f.ports()
	if len(ports) == 0 {
		return []bpf.Instruction{drop()}
	}
	v4 := seq(
		[]bpf.Instruction{load(6, 2)}, none(0x3fff), // no fragments at all
		[]bpf.Instruction{load(9, 1)}, want(protoUDP),
		[]bpf.Instruction{bpf.LoadMemShift{Off: 0},
			bpf.LoadIndirect{Off: 4, Size: 2}, bpf.StoreScratch{Src: bpf.RegA, N: slotLength},
			bpf.LoadIndirect{Off: 2, Size: 2}},
	)
	v6 := seq(
		[]bpf.Instruction{load(6, 1)}, want(protoUDP),
		[]bpf.Instruction{bpf.LoadConstant{Dst: bpf.RegX, Val: 40}, load(40+4, 2), bpf.StoreScratch{Src: bpf.RegA, N: slotLength}, load(40+2, 2)},
	)
	all := branch(bpf.JumpEqual, etherIPv6, v6, seq(want(etherIPv4), v4))
	for _, p := range ports {
		fits := p.fits(length)
		all = append(all, bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: uint32(p.number), SkipTrue: uint8(len(fits))})
		all = append(all, fits...)
	}
	return append(all, drop())
}

// fits takes a datagram to this port if its length is one of a message's.
func (p port) fits(length int) []bpf.Instruction {
	if len(p.lengths) == 0 {
		return []bpf.Instruction{take(length)}
	}
	const udpHeader = 8
	all := []bpf.Instruction{bpf.LoadScratch{Dst: bpf.RegA, N: slotLength}}
	for _, s := range p.lengths {
		all = append(all,
			bpf.JumpIf{Cond: bpf.JumpGreaterOrEqual, Val: uint32(s.First + udpHeader), SkipFalse: 2},
			bpf.JumpIf{Cond: bpf.JumpGreaterThan, Val: uint32(s.Last + udpHeader), SkipTrue: 1},
			take(length))
	}
	if p.stun {
		all = append(all, inSTUN(length)...)
	}
	return append(all, drop())
}

// inSTUN takes a datagram if it begins as a STUN request of the lengths that carry
// messages (package stun). X holds where the UDP header begins.
func inSTUN(length int) []bpf.Instruction {
	const udpHeader, first, last = 8, 268, 332
	return seq(
		[]bpf.Instruction{bpf.LoadScratch{Dst: bpf.RegA, N: slotLength},
			bpf.JumpIf{Cond: bpf.JumpGreaterOrEqual, Val: first + udpHeader, SkipTrue: 1}, drop(),
			bpf.JumpIf{Cond: bpf.JumpGreaterThan, Val: last + udpHeader, SkipFalse: 1}, drop()},
		[]bpf.Instruction{bpf.LoadIndirect{Off: udpHeader, Size: 2}}, want(0x0001),
		[]bpf.Instruction{bpf.LoadIndirect{Off: udpHeader + 4, Size: 4}}, want(0x2112a442),
		[]bpf.Instruction{take(length)},
	)
}
