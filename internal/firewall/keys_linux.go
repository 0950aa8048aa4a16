package firewall

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/google/nftables"

	"sallyport/internal/packet"
)

// Keys of sets are concatenated fields, each padded to whole registers of four
// bytes (net/netfilter/nf_tables_api.c, nft_set_desc_concat).

// portKey is inet_proto . inet_service.
func portKey(p packet.Port) []byte {
	return []byte{byte(p.Proto), 0, 0, 0, byte(p.Number >> 8), byte(p.Number), 0, 0}
}

// addressPortKey is an address, inet_proto and inet_service: the source and
// port of a grant, or the destination of a forwarded door.
func addressPortKey(a netip.Addr, p packet.Port) []byte {
	return append(a.AsSlice(), portKey(p)...)
}

// readAddressPortKey is the inverse of addressPortKey, and, for a set of one
// protocol, of singleKey.
func readAddressPortKey(key []byte, protocol packet.Proto) (netip.Addr, packet.Port, bool) {
	fields := 8
	if protocol != 0 {
		fields = 4
	}
	n := len(key) - fields
	if n != 4 && n != 16 {
		return netip.Addr{}, packet.Port{}, false
	}
	if protocol == 0 {
		protocol = packet.Proto(key[n])
	}
	a, _ := netip.AddrFromSlice(key[:n])
	return a, packet.Port{Proto: protocol, Number: binary.BigEndian.Uint16(key[len(key)-4:])}, true
}

func readPortKey(key []byte) (packet.Port, bool) {
	if len(key) != 8 {
		return packet.Port{}, false
	}
	return packet.Port{Proto: packet.Proto(key[0]), Number: binary.BigEndian.Uint16(key[4:])}, true
}

// singleKey is an address and inet_service: the source and port of a single
// grant, in a set for the protocol.
func singleKey(a netip.Addr, p packet.Port) []byte {
	return append(a.AsSlice(), portKey(p)[4:]...)
}

// interfaceKey is a name, padded to IFNAMSIZ.
func interfaceKey(name string) []byte {
	key := make([]byte, 16)
	copy(key, name)
	return key
}

// last returns the last address of a prefix.
func last(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 1 << (7 - i%8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// outermost leaves out prefixes that lie within others: sets of intervals
// refuse elements that overlap.
func outermost(prefixes []netip.Prefix) []netip.Prefix {
	sorted := slices.Clone(prefixes)
	for i := range sorted {
		sorted[i] = sorted[i].Masked()
	}
	slices.SortFunc(sorted, netip.Prefix.Compare)
	var kept []netip.Prefix
	for _, p := range sorted {
		if len(kept) == 0 || !kept[len(kept)-1].Overlaps(p) {
			kept = append(kept, p)
		}
	}
	return kept
}

// interval returns the elements of a set of intervals of addresses: where a
// prefix begins, and where what follows it does, unless nothing does.
func interval(p netip.Prefix) []nftables.SetElement {
	elements := []nftables.SetElement{{Key: p.Masked().Addr().AsSlice()}}
	if next := last(p).Next(); next.IsValid() {
		elements = append(elements, nftables.SetElement{Key: next.AsSlice(), IntervalEnd: true})
	}
	return elements
}
