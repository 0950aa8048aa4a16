package packet

import (
	"encoding/binary"
	"errors"
	"net/netip"
)

// Why a packet does not decode. The gate takes no such packet for a knock, so
// nobody tells these apart but tests and people who look at captures.
var (
	ErrTruncated = errors.New("packet is shorter than its headers say")
	ErrMalformed = errors.New("packet has a header that no sender would write")
	ErrFragment  = errors.New("packet is a fragment without a transport header")
	ErrOther     = errors.New("packet is neither TCP nor UDP over IP")
)

// Header sizes and next header values (RFC 791, RFC 8200, RFC 9293, RFC 768).
const (
	minIPv4 = 20
	lenIPv6 = 40
	minTCP  = 20
	lenUDP  = 8

	hopByHop    = 0
	routing     = 43
	fragment    = 44
	authHeader  = 51
	destination = 60

	// maxExtensions bounds the walk through IPv6 extension headers. RFC 8200
	// knows six kinds, of which one may appear twice.
	maxExtensions = 8
)

// Decode reads a packet that begins with its IP header. Bytes after the end
// that the IP header names are ignored (Ethernet pads short frames). A packet
// that was captured incompletely decodes if its transport header is there. After
// an error the packet's fields mean nothing.
func (p *Packet) Decode(b []byte) error {
	if len(b) < minIPv4 {
		return ErrTruncated
	}
	switch b[0] >> 4 {
	case 4:
		return p.decode4(b)
	case 6:
		return p.decode6(b)
	}
	return ErrOther
}

func (p *Packet) decode4(b []byte) error {
	header := int(b[0]&0x0f) * 4
	total := int(binary.BigEndian.Uint16(b[2:]))
	if header < minIPv4 || total < header {
		return ErrMalformed
	}
	if len(b) < header {
		return ErrTruncated
	}
	if offset := binary.BigEndian.Uint16(b[6:]) & 0x1fff; offset != 0 {
		return ErrFragment
	}
	p.Src, p.Dst = netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20]))
	id := uint32(binary.BigEndian.Uint16(b[4:]))
	return p.transport(Proto(b[9]), b[header:], total-header, id)
}

func (p *Packet) decode6(b []byte) error {
	if len(b) < lenIPv6 {
		return ErrTruncated
	}
	p.Src, p.Dst = netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40]))
	if p.Src.Is4In6() || p.Dst.Is4In6() {
		return ErrMalformed // RFC 4038, section 4.2: never on the wire
	}
	claimed := int(binary.BigEndian.Uint16(b[4:]))
	next, id := b[6], uint32(0)
	b = b[lenIPv6:]
	for range maxExtensions {
		length, err := extension(next, b)
		if err != nil {
			return err
		}
		if length == 0 {
			return p.transport(Proto(next), b, claimed, id)
		}
		if length > claimed {
			return ErrMalformed
		}
		if next == fragment {
			id = binary.BigEndian.Uint32(b[4:])
		}
		next, b, claimed = b[0], b[length:], claimed-length
	}
	return ErrMalformed
}

// extension returns the length of the extension header at the start of b, or 0
// if there is none.
func extension(kind uint8, b []byte) (int, error) {
	switch kind {
	case hopByHop, routing, fragment, authHeader, destination:
	default:
		return 0, nil
	}
	if len(b) < 8 {
		return 0, ErrTruncated
	}
	length := (int(b[1]) + 1) * 8
	switch kind {
	case fragment:
		length = 8
		if binary.BigEndian.Uint16(b[2:])&0xfff8 != 0 {
			return 0, ErrFragment
		}
	case authHeader:
		length = (int(b[1]) + 2) * 4 // RFC 4302, section 2.2
	}
	if len(b) < length {
		return 0, ErrTruncated
	}
	return length, nil
}

// transport reads the TCP or UDP header. b is what was captured of it and what
// follows, claimed how long it all is according to the IP header.
func (p *Packet) transport(proto Proto, b []byte, claimed int, id uint32) error {
	if len(b) > claimed {
		b = b[:claimed]
	}
	p.Proto = proto
	switch proto {
	case TCP:
		return p.tcp(b, claimed)
	case UDP:
		return p.udp(b, claimed, id)
	}
	return ErrOther
}

func (p *Packet) tcp(b []byte, claimed int) error {
	if len(b) < minTCP {
		return ErrTruncated
	}
	if header := int(b[12]>>4) * 4; header < minTCP || header > claimed {
		return ErrMalformed
	}
	p.SrcPort, p.DstPort = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	p.Seq, p.Flags = binary.BigEndian.Uint32(b[4:]), b[13]
	p.Payload, p.Length = nil, 0
	return nil
}

func (p *Packet) udp(b []byte, claimed int, id uint32) error {
	if len(b) < lenUDP {
		return ErrTruncated
	}
	length := int(binary.BigEndian.Uint16(b[4:]))
	if length < lenUDP || length > claimed {
		return ErrMalformed
	}
	p.SrcPort, p.DstPort = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	p.Seq = id<<16 | uint32(binary.BigEndian.Uint16(b[6:]))
	p.Flags = 0
	p.Payload, p.Length = b[lenUDP:min(length, len(b))], length-lenUDP
	return nil
}
