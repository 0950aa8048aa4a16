//go:build linux

package capture

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"

	"golang.org/x/net/bpf"

	"sallyport/internal/packet"
)

// run executes a program, without its prelude, for which the VM knows no
// values, on one packet.
func run(t testing.TB, program []bpf.Instruction, ip []byte) int {
	t.Helper()
	ether := uint32(etherIPv4)
	if len(ip) > 0 && ip[0]>>4 == 6 {
		ether = etherIPv6
	}
	vm, err := bpf.NewVM(append([]bpf.Instruction{bpf.LoadConstant{Dst: bpf.RegA, Val: ether}}, program...))
	if err != nil {
		t.Fatal(err)
	}
	n, err := vm.Run(ip)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// craft makes a packet without options. Checksums are nobody's business here.
func craft(src, dst netip.Addr, proto packet.Proto, port uint16, flags uint8, payload int) []byte {
	length := 20
	if proto == packet.UDP {
		length = 8 + payload
	}
	seg := make([]byte, length)
	binary.BigEndian.PutUint16(seg, 40000)
	binary.BigEndian.PutUint16(seg[2:], port)
	if proto == packet.UDP {
		binary.BigEndian.PutUint16(seg[4:], uint16(length))
	} else {
		seg[12], seg[13] = 0x50, flags
	}
	if src.Is4() {
		h := make([]byte, 20)
		h[0], h[8], h[9] = 0x45, 64, byte(proto)
		binary.BigEndian.PutUint16(h[2:], uint16(20+length))
		copy(h[12:], src.AsSlice())
		copy(h[16:], dst.AsSlice())
		return append(h, seg...)
	}
	h := make([]byte, 40)
	h[0], h[6], h[7] = 0x60, byte(proto), 64
	binary.BigEndian.PutUint16(h[4:], uint16(length))
	copy(h[8:], src.AsSlice())
	copy(h[24:], dst.AsSlice())
	return append(h, seg...)
}

var (
	a4 = netip.MustParseAddr("192.0.2.7")
	b4 = netip.MustParseAddr("192.0.2.1")
	a6 = netip.MustParseAddr("2001:db8::7")
	b6 = netip.MustParseAddr("2001:db8::1")
)

func portsOf(list ...uint16) (p Ports) {
	for _, n := range list {
		p.Add(n)
	}
	return p
}

func TestKnockFilter(t *testing.T) {
	f := Filter{TCP: portsOf(7000, 9000, 9001, 65535), UDP: portsOf(1, 8000)}
	program := f.knocks(100, maxIntervals)
	fragment := func(b []byte, field uint16) []byte { binary.BigEndian.PutUint16(b[6:], field); return b }
	extended := func(kind byte) []byte { b := craft(a6, b6, packet.TCP, 1, packet.SYN, 0); b[6] = kind; return b }
	withOptions := func() []byte {
		b := craft(a4, b4, packet.TCP, 7000, packet.SYN, 0)
		b = append(b[:20:20], append(make([]byte, 8), b[20:]...)...)
		b[0] = 0x47
		return b
	}
	for name, c := range map[string]struct {
		ip   []byte
		pass bool
	}{
		"SYN, IPv4":             {craft(a4, b4, packet.TCP, 7000, packet.SYN, 0), true},
		"SYN, IPv6":             {craft(a6, b6, packet.TCP, 7000, packet.SYN, 0), true},
		"SYN with ECN":          {craft(a4, b4, packet.TCP, 9001, packet.SYN|packet.ECE|packet.CWR, 0), true},
		"SYN behind IP options": {withOptions(), true},
		"highest port":          {craft(a6, b6, packet.TCP, 65535, packet.SYN, 0), true},
		"datagram":              {craft(a4, b4, packet.UDP, 8000, 0, 3), true},
		"lowest port":           {craft(a6, b6, packet.UDP, 1, 0, 0), true},
		"first fragment":        {fragment(craft(a4, b4, packet.UDP, 8000, 0, 3), 0x2000), true},
		"later fragment":        {fragment(craft(a4, b4, packet.UDP, 8000, 0, 3), 0x2001), false},
		"hop-by-hop":            {extended(0), true},
		"routing":               {extended(43), true},
		"ICMPv6":                {extended(58), false},
		"unwatched TCP port":    {craft(a4, b4, packet.TCP, 8000, packet.SYN, 0), false},
		"unwatched UDP port":    {craft(a4, b4, packet.UDP, 7000, 0, 0), false},
		"port between":          {craft(a4, b4, packet.TCP, 7001, packet.SYN, 0), false},
		"ACK":                   {craft(a4, b4, packet.TCP, 7000, packet.ACK, 0), false},
		"SYN and ACK":           {craft(a6, b6, packet.TCP, 7000, packet.SYN|packet.ACK, 0), false},
		"no flags":              {craft(a4, b4, packet.TCP, 7000, 0, 0), false},
		"cut":                   {craft(a4, b4, packet.TCP, 7000, packet.SYN, 0)[:30], false},
		"nothing":               {nil, false},
	} {
		if got := run(t, program, c.ip) > 0; got != c.pass {
			t.Errorf("%s: pass %v, want %v", name, got, c.pass)
		}
	}
}

func TestMessageFilter(t *testing.T) {
	program := Filter{SPAPort: 40321, SPALengths: []Span{{144, 150}, {1232, 1232}}, FwknopPort: 62201, FwknopLengths: []Span{{140, 1024}}}.messages(1400)
	fragment := craft(a4, b4, packet.UDP, 40321, 0, 1232)
	fragment[6] = 0x20
	for name, c := range map[string]struct {
		ip   []byte
		pass bool
	}{
		"IPv4":         {craft(a4, b4, packet.UDP, 40321, 0, 1232), true},
		"IPv6, short":  {craft(a6, b6, packet.UDP, 40321, 0, 144), true},
		"other port":   {craft(a4, b4, packet.UDP, 40322, 0, 1232), false},
		"end of span":  {craft(a6, b6, packet.UDP, 40321, 0, 150), true},
		"past a span":  {craft(a6, b6, packet.UDP, 40321, 0, 151), false},
		"other length": {craft(a4, b4, packet.UDP, 40321, 0, 1231), false},
		"TCP":          {craft(a4, b4, packet.TCP, 40321, packet.SYN, 0), false},
		"fragment":     {fragment, false},

		"fwknop":               {craft(a4, b4, packet.UDP, 62201, 0, 225), true},
		"fwknop, IPv6":         {craft(a6, b6, packet.UDP, 62201, 0, 1024), true},
		"fwknop, short":        {craft(a4, b4, packet.UDP, 62201, 0, 139), false},
		"fwknop, SPA's length": {craft(a4, b4, packet.UDP, 62201, 0, 1232), false},
	} {
		if got := run(t, program, c.ip) > 0; got != c.pass {
			t.Errorf("%s: pass %v, want %v", name, got, c.pass)
		}
	}
	if run(t, Filter{FwknopPort: 62201}.messages(1400), craft(a4, b4, packet.UDP, 62201, 0, 9)) == 0 {
		t.Error("without SPA, fwknop's packets do not pass")
	}
	if run(t, Filter{}.messages(1400), craft(a4, b4, packet.UDP, 0, 0, 1232)) != 0 {
		t.Error("with the SPA port off, something passes")
	}
}

// The filter passes whatever the decoder and the port sets call a knock, and
// nothing else as long as the sets fit.
func TestFilterAgreesWithDecoder(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	for range 20 {
		var f Filter
		for range rnd.IntN(400) {
			f.TCP.Add(uint16(rnd.IntN(2000)))
			f.UDP.Add(uint16(rnd.IntN(2000)))
		}
		exact := len(f.TCP.intervals(1<<16)) <= maxIntervals && len(f.UDP.intervals(1<<16)) <= maxIntervals
		program := f.knocks(100, maxIntervals)
		for range 500 {
			src, dst := a4, b4
			if rnd.IntN(2) == 0 {
				src, dst = a6, b6
			}
			ip := craft(src, dst, []packet.Proto{packet.TCP, packet.UDP}[rnd.IntN(2)], uint16(rnd.IntN(2000)), []uint8{packet.SYN, packet.ACK}[rnd.IntN(2)], 0)
			var p packet.Packet
			if err := p.Decode(ip); err != nil {
				t.Fatal(err)
			}
			knock := p.Proto == packet.UDP && f.UDP.Has(p.DstPort) || p.Proto == packet.TCP && p.Flags == packet.SYN && f.TCP.Has(p.DstPort)
			if passed := run(t, program, ip) > 0; knock && !passed || exact && passed != knock {
				t.Fatalf("%s port %d flags %d: passed %v, knock %v", p.Proto, p.DstPort, p.Flags, passed, knock)
			}
		}
	}
}

func TestManyIntervalsFit(t *testing.T) {
	var f Filter
	for n := 1; n < 1<<16; n += 2 {
		f.TCP.Add(uint16(n))
		f.UDP.Add(uint16(n))
	}
	program := seq(prelude(), f.knocks(100, maxIntervals))
	const kernelLimit = 4096
	if len(program) > kernelLimit {
		t.Errorf("%d instructions", len(program))
	}
	if _, err := bpf.Assemble(program); err != nil {
		t.Error(err)
	}
}

func TestIntervals(t *testing.T) {
	p := portsOf(0, 1, 2, 63, 64, 65, 1000, 65535)
	if got := p.intervals(9); len(got) != 4 || got[1] != (interval{63, 65}) || got[3] != (interval{65535, 65535}) {
		t.Errorf("%v", got)
	}
	if got := p.intervals(2); len(got) > 2 || got[0].first != 0 || got[len(got)-1].last != 65535 {
		t.Errorf("joined: %v", got)
	}
}

func FuzzFramePacket(f *testing.F) {
	f.Add(make([]byte, knockFrame))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < lenHeader {
			return
		}
		if ip, ok := frame(b).packet(); ok && len(ip) > len(b)-lenHeader {
			t.Errorf("a packet of %d bytes in a frame of %d", len(ip), len(b))
		}
	})
}

func TestFramesThatLie(t *testing.T) {
	for name, c := range map[string]struct {
		start  uint16
		length uint32
		ok     bool
	}{
		"good": {80, 40, true}, "to the end": {80, 176, true}, "empty at the end": {256, 0, true},
		"past the end": {80, 177, false}, "start past the end": {257, 0, false}, "in the header": {16, 40, false},
		"huge": {80, 1<<32 - 1, false}, "everything": {65535, 1<<32 - 1, false},
	} {
		f := make(frame, knockFrame)
		binary.NativeEndian.PutUint16(f[offNet:], c.start)
		binary.NativeEndian.PutUint32(f[offSnaplen:], c.length)
		if ip, ok := f.packet(); ok != c.ok || ok && len(ip) != int(c.length) {
			t.Errorf("%s: %d bytes, %v", name, len(ip), ok)
		}
	}
}

// STUN requests are taken at the SPA port, and only where they are asked for.
func TestSTUNFilter(t *testing.T) {
	lengths := []Span{{144, 144}, {1232, 1232}}
	with := Filter{SPAPort: 40321, SPALengths: lengths, SPAInSTUN: true, FwknopPort: 62201, FwknopLengths: []Span{{140, 1024}}}.messages(1000)
	without := Filter{SPAPort: 40321, SPALengths: lengths}.messages(1000)
	for _, family := range [][2]netip.Addr{{a4, b4}, {a6, b6}} {
		request := func(port uint16, payload int, change func([]byte)) []byte {
			ip := craft(family[0], family[1], packet.UDP, port, 0, payload)
			stun := ip[len(ip)-payload:]
			copy(stun, []byte{0, 1, byte((payload - 20) >> 8), byte(payload - 20), 0x21, 0x12, 0xa4, 0x42})
			if change != nil {
				change(stun)
			}
			return ip
		}
		for name, c := range map[string]struct {
			ip   []byte
			want bool
		}{
			"a request":    {request(40321, 284, nil), true},
			"the shortest": {request(40321, 268, nil), true},
			"the longest":  {request(40321, 332, nil), true},
			"too short":    {request(40321, 264, nil), false},
			"too long":     {request(40321, 336, nil), false},
			"an answer":    {request(40321, 284, func(b []byte) { b[0] = 1 }), false},
			"no cookie":    {request(40321, 284, func(b []byte) { b[7] = 0 }), false},
			"another port": {request(40322, 284, nil), false},
			"a message":    {craft(family[0], family[1], packet.UDP, 40321, 0, 144), true},
		} {
			if got := run(t, with, c.ip) != 0; got != c.want {
				t.Errorf("%v, %s: taken is %v", family[0], name, got)
			}
			if got := run(t, without, c.ip) != 0; got != (name == "a message") {
				t.Errorf("%v, %s, STUN is off: taken is %v", family[0], name, got)
			}
		}
	}
}
