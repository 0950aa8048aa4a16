package packet

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

var (
	src4 = netip.MustParseAddr("192.0.2.7")
	dst4 = netip.MustParseAddr("198.51.100.1")
	src6 = netip.MustParseAddr("2001:db8::7")
	dst6 = netip.MustParseAddr("2001:db8::1")
)

// build serialises layers with lengths and checksums filled in.
func build(t testing.TB, list ...gopacket.SerializableLayer) []byte {
	t.Helper()
	buf := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, list...); err != nil {
		t.Fatal(err)
	}
	return bytes.Clone(buf.Bytes())
}

func ip4(proto layers.IPProtocol, options ...layers.IPv4Option) *layers.IPv4 {
	return &layers.IPv4{Version: 4, TTL: 64, Id: 0x1234, Protocol: proto, SrcIP: net.IP(src4.AsSlice()), DstIP: net.IP(dst4.AsSlice()), Options: options}
}

func ip6(next layers.IPProtocol) *layers.IPv6 {
	return &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: next, SrcIP: net.IP(src6.AsSlice()), DstIP: net.IP(dst6.AsSlice())}
}

func syn(network gopacket.NetworkLayer) *layers.TCP {
	t := &layers.TCP{SrcPort: 40000, DstPort: 7000, Seq: 0xfeedbeef, SYN: true, Window: 64240,
		Options: []layers.TCPOption{{OptionType: layers.TCPOptionKindMSS, OptionLength: 4, OptionData: []byte{5, 180}}}}
	_ = t.SetNetworkLayerForChecksum(network)
	return t
}

func datagram(network gopacket.NetworkLayer) *layers.UDP {
	u := &layers.UDP{SrcPort: 40000, DstPort: 8000}
	_ = u.SetNetworkLayerForChecksum(network)
	return u
}

func packet4(t testing.TB, proto Proto, payload string) []byte {
	if proto == TCP {
		h := ip4(layers.IPProtocolTCP)
		return build(t, h, syn(h))
	}
	h := ip4(layers.IPProtocolUDP)
	return build(t, h, datagram(h), gopacket.Payload(payload))
}

func packet6(t testing.TB, proto Proto, payload string) []byte {
	if proto == TCP {
		h := ip6(layers.IPProtocolTCP)
		return build(t, h, syn(h))
	}
	h := ip6(layers.IPProtocolUDP)
	return build(t, h, datagram(h), gopacket.Payload(payload))
}

// extended puts extension headers between the IPv6 header and the rest of a
// packet. Each is a kind and its bytes, without the next header field.
func extended(b []byte, headers ...[]byte) []byte {
	out := bytes.Clone(b[:lenIPv6])
	next := out[6]
	var chain []byte
	for i := len(headers) - 1; i >= 0; i-- {
		h := append([]byte{next}, headers[i][1:]...)
		next, chain = headers[i][0], append(h, chain...)
	}
	out[6] = next
	length := len(chain) + len(b) - lenIPv6
	out[4], out[5] = byte(length>>8), byte(length)
	return append(append(out, chain...), b[lenIPv6:]...)
}

func changed(b []byte, at int, to ...byte) []byte {
	b = bytes.Clone(b)
	copy(b[at:], to)
	return b
}

func TestDecode(t *testing.T) {
	tcp4, udp4, tcp6, udp6 := packet4(t, TCP, ""), packet4(t, UDP, "knock"), packet6(t, TCP, ""), packet6(t, UDP, "knock")
	options := ip4(layers.IPProtocolTCP, layers.IPv4Option{OptionType: 148, OptionLength: 4, OptionData: []byte{0, 0}})
	hop := []byte{hopByHop, 0, 1, 4, 0, 0, 0, 0}
	dst := []byte{destination, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	atomic := []byte{fragment, 0, 0, 0, 0, 0, 0, 9}
	first := []byte{fragment, 0, 0, 1, 0, 0, 0, 9}
	auth := append([]byte{authHeader, 4}, make([]byte, 22)...)
	for name, b := range map[string][]byte{
		"IPv4 TCP": tcp4, "IPv6 TCP": tcp6, "IPv4 with options": build(t, options, syn(options)),
		"padded":                      append(bytes.Clone(tcp4), make([]byte, 6)...),
		"cut after the TCP header":    tcp4[:40],
		"hop-by-hop":                  extended(tcp6, hop),
		"several extensions":          extended(tcp6, hop, dst, atomic, auth, dst),
		"first fragment of IPv6":      extended(tcp6, first),
		"first fragment of IPv4":      changed(tcp4, 6, 0x20),
		"ECN bits among the flags":    changed(tcp4, 33, SYN|ECE|CWR),
		"data with the SYN, IPv4":     changed(append(bytes.Clone(tcp4), "data"...), 3, byte(len(tcp4)+4)),
		"wrong checksum is not ours":  changed(tcp4, 36, 0, 0),
		"eight extensions less one":   extended(tcp6, hop, hop, hop, hop, hop, hop, hop),
		"padding after IPv6 payload":  append(bytes.Clone(tcp6), 1, 2, 3),
		"don't fragment and reserved": changed(tcp4, 6, 0xc0),
	} {
		var p Packet
		if err := p.Decode(b); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want := [2]netip.Addr{src4, dst4}
		if p.Src.Is6() {
			want = [2]netip.Addr{src6, dst6}
		}
		if [2]netip.Addr{p.Src, p.Dst} != want || p.Port() != (Port{TCP, 7000}) || p.SrcPort != 40000 || p.Seq != 0xfeedbeef || p.Flags&SYN == 0 || p.Payload != nil {
			t.Errorf("%s: %+v", name, p)
		}
	}
	for name, b := range map[string][]byte{"IPv4 UDP": udp4, "IPv6 UDP": udp6, "extended": extended(udp6, hop), "padded": append(bytes.Clone(udp4), 0, 0, 0)} {
		var p Packet
		if err := p.Decode(b); err != nil || p.Port() != (Port{UDP, 8000}) || string(p.Payload) != "knock" || p.Length != 5 || p.Flags != 0 {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
	var p Packet
	if err := p.Decode(udp4[:30]); err != nil || string(p.Payload) != "kn" || p.Length != 5 {
		t.Errorf("captured in part: %+v, %v", p, err)
	}
}

func TestHostilePackets(t *testing.T) {
	tcp4, udp4, tcp6 := packet4(t, TCP, ""), packet4(t, UDP, "knock"), packet6(t, TCP, "")
	hop := []byte{hopByHop, 0, 1, 4, 0, 0, 0, 0}
	auth := append([]byte{authHeader, 4}, make([]byte, 22)...)
	nine := make([][]byte, maxExtensions)
	for i := range nine {
		nine[i] = hop
	}
	mapped := netip.MustParseAddr("::ffff:192.0.2.1").As16()
	for name, c := range map[string]struct {
		b    []byte
		want error
	}{
		"nothing":                       {nil, ErrTruncated},
		"one byte":                      {[]byte{0x45}, ErrTruncated},
		"version 5":                     {changed(tcp4, 0, 0x55), ErrOther},
		"header length 4":               {changed(tcp4, 0, 0x41), ErrMalformed},
		"header beyond the bytes":       {changed(tcp4[:24], 0, 0x4f), ErrMalformed},
		"total shorter than the header": {changed(tcp4, 2, 0, 10), ErrMalformed},
		"total shorter than TCP":        {changed(tcp4, 2, 0, 30), ErrTruncated},
		"later fragment":                {changed(tcp4, 6, 0, 1), ErrFragment},
		"ICMP":                          {changed(tcp4, 9, 1), ErrOther},
		"TCP header length 4":           {changed(tcp4, 32, 0x10), ErrMalformed},
		"TCP header longer than all":    {changed(tcp4, 32, 0xf0), ErrMalformed},
		"UDP length 7":                  {changed(udp4, 24, 0, 7), ErrMalformed},
		"UDP longer than IP":            {changed(udp4, 24, 0xff, 0xff), ErrMalformed},
		"IPv6 cut":                      {tcp6[:39], ErrTruncated},
		"IPv6 from a mapped address":    {changed(tcp6, 8, mapped[:]...), ErrMalformed},
		"IPv6 to a mapped address":      {changed(tcp6, 24, mapped[:]...), ErrMalformed},
		"IPv6 payload length 0":         {changed(tcp6, 4, 0, 0), ErrTruncated},
		"extension cut":                 {extended(tcp6, hop)[:44], ErrTruncated},
		"extension beyond the bytes":    {changed(extended(tcp6, hop), 41, 255), ErrTruncated},
		"extension beyond the claim":    {changed(extended(tcp6, hop), 4, 0, 4), ErrMalformed},
		"later IPv6 fragment":           {extended(tcp6, []byte{fragment, 0, 0, 8, 0, 0, 0, 9}), ErrFragment},
		"too many extensions":           {extended(tcp6, nine...), ErrMalformed},
		"no next header":                {changed(tcp6, 6, 59), ErrOther},
		"authentication header cut":     {extended(tcp6, auth)[:60], ErrTruncated},
		"hop-by-hop before IPv4":        {changed(extended(tcp6, hop), lenIPv6, 4), ErrOther},
		"padding in place of TCP":       {append(changed(tcp4, 2, 0, minIPv4), 0, 0, 0, 0), ErrTruncated},
		"TCP options beyond the packet": {changed(tcp4, 32, 0x70), ErrMalformed},
	} {
		var p Packet
		if err := p.Decode(c.b); err != c.want {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// Every cut and every single changed byte of good packets must be harmless.
func TestDamagedPackets(t *testing.T) {
	for _, b := range [][]byte{packet4(t, TCP, ""), packet4(t, UDP, "knock"), packet6(t, UDP, "knock"),
		extended(packet6(t, TCP, ""), []byte{hopByHop, 0, 1, 4, 0, 0, 0, 0})} {
		var p Packet
		for n := range b {
			_ = p.Decode(b[:n])
			for v := range 256 {
				_ = p.Decode(changed(b, n, byte(v)))
			}
		}
	}
}

// gopacket, written by others, reads the same from good packets, and from
// damaged ones that we take.
func TestAgreesWithGopacket(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for i := range 20_000 {
		b := randomPacket(t, rnd)
		damaged := i%2 == 1
		if damaged {
			b[rnd.IntN(min(len(b), 100))] ^= 1 << rnd.IntN(8)
		}
		var p Packet
		if err := p.Decode(b); err != nil {
			if damaged {
				continue
			}
			t.Fatalf("%x: %v", b, err)
		}
		first := gopacket.Decoder(layers.LayerTypeIPv4)
		if b[0]>>4 == 6 {
			first = layers.LayerTypeIPv6
		}
		g := gopacket.NewPacket(b, first, gopacket.NoCopy)
		if damaged && (g.ErrorLayer() != nil || g.Layer(gopacket.LayerTypeFragment) != nil) {
			continue // it is stricter about options, and looks into no fragment
		}
		src, dst := g.NetworkLayer().NetworkFlow().Endpoints()
		if !bytes.Equal(src.Raw(), p.Src.AsSlice()) || !bytes.Equal(dst.Raw(), p.Dst.AsSlice()) {
			t.Fatalf("%x: addresses %s %s, gopacket %s %s", b, p.Src, p.Dst, src, dst)
		}
		switch l := g.TransportLayer().(type) {
		case *layers.TCP:
			if p.Proto != TCP || uint16(l.SrcPort) != p.SrcPort || uint16(l.DstPort) != p.DstPort || l.Seq != p.Seq || l.SYN != (p.Flags&SYN != 0) || l.ACK != (p.Flags&ACK != 0) {
				t.Fatalf("%x: %+v, gopacket %+v", b, p, l)
			}
		case *layers.UDP:
			if p.Proto != UDP || uint16(l.SrcPort) != p.SrcPort || uint16(l.DstPort) != p.DstPort || !bytes.Equal(l.Payload, p.Payload) || l.Checksum != uint16(p.Seq) {
				t.Fatalf("%x: %+v, gopacket %+v", b, p, l)
			}
		default:
			t.Fatalf("%x: gopacket sees no transport layer, we %+v", b, p)
		}
	}
}

func randomPacket(t testing.TB, rnd *rand.Rand) []byte {
	proto := []Proto{TCP, UDP}[rnd.IntN(2)]
	payload := make([]byte, rnd.IntN(1300))
	for i := range payload {
		payload[i] = byte(rnd.Uint32())
	}
	build := packet4
	if rnd.IntN(2) == 0 {
		build = packet6
	}
	b := build(t, proto, string(payload))
	header := minIPv4
	if b[0]>>4 == 6 {
		header = lenIPv6
		copy(b[8:40], payload)
		b[8], b[24] = 0x20, 0x20 // not a mapped address
	} else {
		copy(b[12:20], payload)
	}
	b[header], b[header+2] = byte(rnd.Uint32()), byte(rnd.Uint32())
	if proto == TCP {
		b[header+13] = byte(rnd.Uint32())
	}
	if header == lenIPv6 {
		return extended(b, randomExtensions(rnd)...)
	}
	return withOptions(b, rnd.IntN(11))
}

// randomExtensions makes headers that gopacket walks along, too: it takes every
// fragment for one without a transport header.
func randomExtensions(rnd *rand.Rand) (list [][]byte) {
	kinds := []byte{hopByHop, destination, routing, authHeader}
	for _, kind := range kinds[:rnd.IntN(len(kinds)+1)] {
		units := rnd.IntN(4)
		length := (units + 1) * 8
		if kind == authHeader {
			units = 4 + 2*units // of four bytes, less two
			length = (units + 2) * 4
		}
		h := make([]byte, length)
		h[0], h[1] = kind, byte(units)
		if kind != authHeader {
			h[2], h[3] = 1, byte(length-4) // PadN (RFC 8200, section 4.2)
		}
		list = append(list, h)
	}
	return list
}

// withOptions puts no-operation options into an IPv4 header.
func withOptions(b []byte, words int) []byte {
	b = slices.Insert(b, minIPv4, bytes.Repeat([]byte{1}, 4*words)...)
	b[0] += byte(words)
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	return b
}

func TestDecodeDoesNotAllocate(t *testing.T) {
	for _, b := range [][]byte{packet4(t, TCP, ""), packet6(t, UDP, "knock"), {0x45}, nil} {
		var p Packet
		if n := testing.AllocsPerRun(100, func() { _ = p.Decode(b) }); n != 0 {
			t.Errorf("%v allocations for %x, want none", n, b)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(packet4(f, TCP, ""))
	f.Add(packet4(f, UDP, "knock"))
	f.Add(packet6(f, TCP, ""))
	f.Add(extended(packet6(f, UDP, "knock"), []byte{hopByHop, 0, 1, 4, 0, 0, 0, 0}, []byte{fragment, 0, 0, 0, 0, 0, 0, 9}))
	f.Fuzz(func(t *testing.T, b []byte) {
		var p Packet
		if p.Decode(b) != nil {
			return
		}
		if !p.Src.IsValid() || p.Src.Is4In6() || p.Dst.Is4In6() || p.Proto != TCP && p.Proto != UDP || len(p.Payload) > p.Length {
			t.Errorf("%x decodes to %+v", b, p)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	for name, frame := range map[string][]byte{"IPv4-SYN": packet4(b, TCP, ""), "IPv6-SPA": packet6(b, UDP, string(make([]byte, 1232)))} {
		b.Run(name, func(b *testing.B) {
			var p Packet
			b.ReportAllocs()
			for b.Loop() {
				if err := p.Decode(frame); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
