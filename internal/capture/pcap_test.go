//go:build linux

package capture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"
	"time"

	"sallyport/internal/packet"
)

// pcapOf writes a pcap file of packets that were captured a second apart.
func pcapOf(order binary.AppendByteOrder, magic, link uint32, packets ...[]byte) []byte {
	b := order.AppendUint32(nil, magic)
	b = order.AppendUint16(b, 2)
	b = order.AppendUint16(b, 4)
	for _, v := range []uint32{0, 0, 1 << 16, link} {
		b = order.AppendUint32(b, v)
	}
	for i, p := range packets {
		for _, v := range []uint32{uint32(1000 + i), 5, uint32(len(p)), uint32(len(p))} {
			b = order.AppendUint32(b, v)
		}
		b = append(b, p...)
	}
	return b
}

func TestPcap(t *testing.T) {
	ip4, ip6 := craft(a4, b4, packet.TCP, 7000, packet.SYN, 0), craft(a6, b6, packet.UDP, 8000, 0, 4)
	prefix := func(b []byte, p string) []byte { return append([]byte(p), b...) }
	const macs = "abcdefABCDEF"
	for name, c := range map[string]struct {
		link uint32
		in   []byte
		want []byte
	}{
		"Ethernet":          {linkEthernet, prefix(ip4, macs+"\x08\x00"), ip4},
		"VLAN":              {linkEthernet, prefix(ip6, macs+"\x81\x00\x00\x07\x86\xdd"), ip6},
		"QinQ":              {linkEthernet, prefix(ip4, macs+"\x88\xa8\x00\x07\x81\x00\x00\x08\x08\x00"), ip4},
		"raw":               {linkRaw, ip6, ip6},
		"cooked":            {linkSLL, prefix(ip4, "\x00\x00\x00\x01\x00\x06abcdef\x00\x00\x08\x00"), ip4},
		"cooked, version 2": {linkSLL2, prefix(ip4, "\x08\x00abcdefghijklmnopqr"), ip4},
		"null":              {linkNull, prefix(ip4, "\x02\x00\x00\x00"), ip4},
	} {
		for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
			f, err := OpenFile(bytes.NewReader(pcapOf(order, magicNano, c.link, prefix(nil, macs+"\x08\x06arp"), c.in)))
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			var got []byte
			var at time.Time
			for err == nil {
				err = f.Receive(func(now time.Time, _ int, ip []byte) { at, got = now, bytes.Clone(ip) })
			}
			if !errors.Is(err, io.EOF) || !bytes.Equal(got, c.want) || !at.Equal(time.Unix(1001, 5)) {
				t.Errorf("%s: %x at %s, %v", name, got, at, err)
			}
		}
	}
}

func TestBadPcap(t *testing.T) {
	good := pcapOf(binary.LittleEndian, magicMicro, linkRaw, craft(a4, b4, packet.TCP, 1, packet.SYN, 0))
	huge := bytes.Clone(good)
	binary.LittleEndian.PutUint32(huge[32:], 1<<31)
	for name, b := range map[string][]byte{
		"empty": nil, "cut in the header": good[:20], "cut in a record's header": good[:30], "cut in a record": good[:50],
		"pcapng": append([]byte{0x0a, 0x0d, 0x0d, 0x0a}, make([]byte, 40)...), "text": []byte("this is not a capture at all"),
		"unknown link": pcapOf(binary.LittleEndian, magicMicro, 147), "a record of 2 GiB": huge,
	} {
		f, err := OpenFile(bytes.NewReader(b))
		for err == nil {
			err = f.Receive(func(time.Time, int, []byte) {})
		}
		if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && len(b) > 0 {
			t.Errorf("%s: read as if nothing were wrong", name)
		}
	}
}

func FuzzPcap(f *testing.F) {
	f.Add(pcapOf(binary.LittleEndian, magicMicro, linkEthernet, []byte("abcdefABCDEF\x08\x00E")))
	f.Add(pcapOf(binary.BigEndian, magicNano, linkSLL2, make([]byte, 60)))
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := OpenFile(bytes.NewReader(b))
		for err == nil {
			err = file.Receive(func(_ time.Time, _ int, ip []byte) {
				var p packet.Packet
				_ = p.Decode(ip)
			})
		}
	})
}
