// Package packet decodes the IP packets that reach the gate: IPv4 and IPv6
// (with extension headers), TCP and UDP, into one reusable struct and without
// allocating. It trusts nothing: every length in a packet is hostile until
// checked against the bytes that are there.
package packet

import "net/netip"

// Packet is one decoded packet. Decode overwrites it as a whole, so one
// Packet can serve a whole capture. Payload aliases the decoded bytes and is
// valid only as long as they are.
type Packet struct {
	Src, Dst         netip.Addr // never IPv4-mapped IPv6, never with a zone
	Proto            Proto
	SrcPort, DstPort uint16
	Flags            uint8  // TCP flags, low eight bits; 0 for UDP
	Seq              uint32 // TCP sequence number; for UDP IP identification<<16 | checksum, which tells copies apart
	Payload          []byte // UDP payload, as far as it was captured; nil for TCP
	In               int    // index of the interface that it came by, from the capture; Decode sets 0: unknown
	Length           int    // UDP payload length as the header claims it; equals len(Payload) unless the capture was cut short
}

// TCP flags (RFC 9293, section 3.1).
const (
	FIN = 1 << iota
	SYN
	RST
	PSH
	ACK
	URG
	ECE
	CWR
)

// Port returns the port that the packet is addressed to.
func (p *Packet) Port() Port { return Port{p.Proto, p.DstPort} }
