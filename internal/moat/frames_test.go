//go:build linux

package moat

import (
	"encoding/binary"
	"net/netip"

	"sallyport/internal/packet"
)

// frame describes an Ethernet frame to be written down.
type frame struct {
	vlans    []uint16 // EtherTypes of tags, the outermost first
	src, dst netip.Addr
	proto    packet.Proto
	port     uint16
	flags    byte // TCP
	options  int  // of IPv4, in words
	fragment uint16
	next     []byte // IPv6 extension headers: a type, and eight bytes of header each
	payload  []byte
	claimed  int // added to the lengths in the headers
}

func (f frame) bytes() []byte {
	b := []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2}
	for i, tag := range f.vlans {
		b = append(binary.BigEndian.AppendUint16(b, tag), 0, byte(i+1))
	}
	body := f.transport()
	if f.dst.Is4() {
		b = binary.BigEndian.AppendUint16(b, 0x0800)
		header := 20 + 4*f.options
		b = append(b, 0x40|byte(header/4), 0)
		b = binary.BigEndian.AppendUint16(b, uint16(header+len(body)+f.claimed))
		b = append(b, 0, 7)
		b = binary.BigEndian.AppendUint16(b, f.fragment)
		b = append(b, 64, byte(f.proto), 0, 0)
		b = append(append(b, f.src.AsSlice()...), f.dst.AsSlice()...)
		return append(append(b, make([]byte, 4*f.options)...), body...)
	}
	b = binary.BigEndian.AppendUint16(b, 0x86dd)
	b = append(b, 0x60, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(8*len(f.next)+len(body)+f.claimed))
	kinds := append(f.next, byte(f.proto))
	b = append(b, kinds[0], 64)
	b = append(append(b, f.src.AsSlice()...), f.dst.AsSlice()...)
	for _, next := range kinds[1:] {
		b = append(b, next, 0, 0, 0, 0, 0, 0, 0)
	}
	return append(b, body...)
}

func (f frame) transport() []byte {
	b := binary.BigEndian.AppendUint16(nil, 40_000)
	b = binary.BigEndian.AppendUint16(b, f.port)
	if f.proto == packet.TCP {
		b = append(b, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, f.flags, 0xff, 0xff, 0, 0, 0, 0)
		return append(b, f.payload...)
	}
	b = binary.BigEndian.AppendUint16(b, uint16(8+len(f.payload)+f.claimed))
	return append(append(b, 0, 0), f.payload...)
}
