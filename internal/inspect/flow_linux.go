package inspect

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"sallyport/internal/packet"
)

// flow is which packets get to a place in the rules, as far as the rules before
// it say by protocol, port and destination. Other questions leave it as it is,
// so that it holds too many packets rather than too few.
type flow struct {
	proto packet.Proto // 0: any
	ports portRange    // zero: any
	at    netip.Prefix // of destinations; invalid: any

	external bool // by a chain of kube-proxy for what comes from outside a cluster
}

// portRange is a range of ports, both ends included.
type portRange [2]uint16

// known is what a register holds: a field of the packet, or a value.
type known struct {
	kind  kind
	bits  int    // of a prefix of an address
	value []byte // of a constant
}

type kind uint8

const (
	constant kind = iota
	protocolOf
	portOf
	addressOf4
	addressOf6
)

// words is how many registers of four bytes a field takes in a key.
func (k kind) words() uint32 {
	if k == addressOf6 {
		return 4
	}
	return 1
}

// loaded returns what an expression puts into a register.
func loaded(e expr.Any) (register uint32, k known, ok bool) {
	switch e := e.(type) {
	case *expr.Immediate:
		return e.Register, known{kind: constant, value: e.Data}, true
	case *expr.Meta:
		return e.Register, known{kind: protocolOf}, !e.SourceRegister && e.Key == expr.MetaKeyL4PROTO
	case *expr.Payload:
		return loadedPayload(e)
	}
	return 0, known{}, false
}

func loadedPayload(e *expr.Payload) (register uint32, k known, ok bool) {
	network := e.Base == expr.PayloadBaseNetworkHeader
	switch {
	case e.OperationType != expr.PayloadLoad:
		return 0, k, false
	case e.Base == expr.PayloadBaseTransportHeader && e.Offset == 2 && e.Len == 2:
		k.kind = portOf
	case network && e.Len == 1 && (e.Offset == 9 || e.Offset == 6):
		k.kind = protocolOf
	case network && e.Offset == 16 && e.Len <= 4: // of whole bytes of a prefix, no more are loaded
		k.kind, k.bits = addressOf4, int(8*e.Len)
	case network && e.Offset == 24 && e.Len <= 16:
		k.kind, k.bits = addressOf6, int(8*e.Len)
	default:
		return 0, k, false
	}
	return e.DestRegister, k, true
}

// narrow keeps the packets of which a field has a value from low to high. It
// reports false if there are none.
func (f flow) narrow(k known, low, high []byte) (flow, bool) {
	switch k.kind {
	case protocolOf:
		if len(low) == 0 || !bytes.Equal(low, high) {
			return f, true
		}
		proto := packet.Proto(low[0])
		ok := f.proto == 0 || f.proto == proto
		f.proto = proto
		return f, ok
	case portOf:
		if len(low) < 2 || len(high) < 2 {
			return f, true
		}
		return f.narrowPorts(portRange{binary.BigEndian.Uint16(low), binary.BigEndian.Uint16(high)})
	case addressOf4, addressOf6:
		return f.narrowAddress(k, low, high)
	}
	return f, true
}

func (f flow) narrowPorts(r portRange) (flow, bool) {
	if f.ports == (portRange{}) {
		f.ports = r
		return f, true
	}
	f.ports = portRange{max(f.ports[0], r[0]), min(f.ports[1], r[1])}
	return f, f.ports[0] <= f.ports[1]
}

// narrowAddress keeps the packets for the smallest prefix that holds both ends.
func (f flow) narrowAddress(k known, low, high []byte) (flow, bool) {
	size := 4
	if k.kind == addressOf6 {
		size = 16
	}
	first, ok := netip.AddrFromSlice(append(slices.Clone(low[:min(len(low), size)]), make([]byte, size-min(len(low), size))...))
	if !ok {
		return f, true
	}
	bits := min(k.bits, common(low, high))
	p := netip.PrefixFrom(first, bits).Masked()
	if f.at.IsValid() && f.at.Bits() > p.Bits() {
		return f, f.at.Overlaps(p)
	}
	ok = !f.at.IsValid() || f.at.Overlaps(p)
	f.at = p
	return f, ok
}

// common is in how many of the first bits two values are the same.
func common(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if d := a[i] ^ b[i]; d != 0 {
			n := 8 * i
			for ; d&0x80 == 0; d <<= 1 {
				n++
			}
			return n
		}
	}
	return 8 * min(len(a), len(b))
}

// span is the range of keys of an element of a set.
type span struct {
	low, high []byte
	element   *nftables.SetElement
}

// spans reads the elements of a set. A set of intervals has their beginnings
// and what follows each as elements; in one of several fields each has both.
func spans(set *nftables.Set, elements []nftables.SetElement) []span {
	var list []span
	pairs := set.Interval && !set.Concatenation
	if pairs {
		slices.SortStableFunc(elements, func(a, b nftables.SetElement) int {
			return cmp.Or(bytes.Compare(a.Key, b.Key), cmp.Compare(len(b.Val), len(a.Val)))
		})
	}
	for i := range elements {
		e := &elements[i]
		s := span{e.Key, e.Key, e}
		switch {
		case e.IntervalEnd:
			continue
		case pairs && i+1 < len(elements):
			s.high = before(elements[i+1].Key)
		case pairs:
			s.high = bytes.Repeat([]byte{0xff}, len(e.Key))
		case len(e.KeyEnd) == len(e.Key):
			s.high = e.KeyEnd
		}
		list = append(list, s)
	}
	return list
}

// before returns the number that comes before another one, in as many bytes.
func before(key []byte) []byte {
	key = slices.Clone(key)
	for i := len(key) - 1; i >= 0; i-- {
		key[i]--
		if key[i] != 0xff {
			break
		}
	}
	return key
}

// narrowTo keeps the packets whose fields, in registers from one on, lie in the
// range of keys. A field that is not known ends it.
func (f flow) narrowTo(registers map[uint32]known, register uint32, s span) (flow, bool) {
	low, high := s.low, s.high
	for w := word(register); len(low) > 0; {
		k, ok := registers[w]
		if !ok {
			return f, true
		}
		size := min(int(4*k.kind.words()), len(low), len(high))
		if f, ok = f.narrow(k, low[:size], high[:size]); !ok {
			return f, false
		}
		low, high, w = low[size:], high[size:], w+k.kind.words()
	}
	return f, true
}

// port returns the first port of a flow.
func (f flow) port() packet.Port { return packet.Port{Proto: f.proto, Number: f.ports[0]} }

// hasPorts reports whether the protocol is one that ports are known of.
func (f flow) hasPorts() bool {
	return (f.proto == unix.IPPROTO_TCP || f.proto == unix.IPPROTO_UDP) && f.ports[0] != 0
}
