//go:build linux

package capture

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

// The pcap format (draft-ietf-opsawg-pcap). maxRecord bounds what one record
// may claim; tcpdump itself never writes more.
const (
	magicMicro  = 0xa1b2c3d4
	magicNano   = 0xa1b23c4d
	magicPcapng = 0x0a0d0d0a
	maxRecord   = 256 << 10
)

// Link types (the registry of tcpdump.org) and how to find the IP header.
const (
	linkNull     = 0
	linkEthernet = 1
	linkRaw      = 101
	linkLoop     = 108
	linkSLL      = 113
	linkIPv4     = 228
	linkIPv6     = 229
	linkSLL2     = 276
)

// File is a capture from a pcap file, for tests and for looking at what has
// happened.
type File struct {
	r      *bufio.Reader
	closer io.Closer
	order  binary.ByteOrder
	unit   time.Duration // of the fraction of a second
	link   uint32
	buf    []byte
	count  Ring
}

// OpenFile reads the header of a pcap file. Close closes r if it can be closed.
func OpenFile(r io.Reader) (*File, error) {
	f := &File{r: bufio.NewReader(r), buf: make([]byte, maxRecord)}
	f.closer, _ = r.(io.Closer)
	var header [24]byte
	if _, err := io.ReadFull(f.r, header[:]); err != nil {
		return nil, fmt.Errorf("read pcap header: %w", err)
	}
	if binary.BigEndian.Uint32(header[:]) == magicPcapng {
		return nil, errors.New("this is a pcapng file: convert it with tcpdump -r IN -w OUT")
	}
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		switch order.Uint32(header[:]) {
		case magicMicro:
			f.order, f.unit = order, time.Microsecond
		case magicNano:
			f.order, f.unit = order, time.Nanosecond
		}
	}
	if f.order == nil {
		return nil, fmt.Errorf("this is no pcap file: it begins with %x", header[:4])
	}
	f.link = f.order.Uint32(header[20:]) & 0xffff
	if _, ok := network(f.link, nil); !ok {
		return nil, fmt.Errorf("pcap file with link type %d: only Ethernet, raw IP, null, loop and Linux cooked are known", f.link)
	}
	return f, nil
}

// Receive handles one packet. Packets that are not IP are passed over.
func (f *File) Receive(handle Handler) error {
	for {
		at, data, err := f.record()
		if err != nil {
			return err
		}
		f.count.Received++
		if ip, _ := network(f.link, data); ip != nil {
			handle(at, 0, ip)
			return nil
		}
	}
}

func (f *File) record() (time.Time, []byte, error) {
	var header [16]byte
	if _, err := io.ReadFull(f.r, header[:]); err != nil {
		if errors.Is(err, io.EOF) {
			return time.Time{}, nil, io.EOF
		}
		return time.Time{}, nil, fmt.Errorf("read pcap record: %w", err)
	}
	length := f.order.Uint32(header[8:])
	if length > maxRecord {
		return time.Time{}, nil, fmt.Errorf("pcap record claims %d bytes, the limit is %d", length, maxRecord)
	}
	data := f.buf[:length]
	if _, err := io.ReadFull(f.r, data); err != nil {
		return time.Time{}, nil, fmt.Errorf("read pcap record: %w", io.ErrUnexpectedEOF)
	}
	at := time.Unix(int64(f.order.Uint32(header[:])), int64(f.order.Uint32(header[4:]))*int64(f.unit))
	return at, data, nil
}

// network returns the packet from its IP header on, nil if it is not IP, and
// whether the link type is known at all.
func network(link uint32, data []byte) (ip []byte, known bool) {
	switch link {
	case linkRaw, linkIPv4, linkIPv6:
		return data, true
	case linkNull, linkLoop:
		return after(data, 4), true
	case linkEthernet:
		return untag(data, 12), true
	case linkSLL:
		return untag(data, 14), true
	case linkSLL2:
		if len(data) < 20 || !isIP(data) {
			return nil, true
		}
		return data[20:], true
	}
	return nil, false
}

// untag walks along VLAN tags (IEEE 802.1Q, 802.1ad). at is where the first
// EtherType is.
func untag(data []byte, at int) []byte {
	const maxTags = 2
	for range maxTags + 1 {
		if len(data) < at+2 {
			return nil
		}
		switch binary.BigEndian.Uint16(data[at:]) {
		case etherIPv4, etherIPv6:
			return data[at+2:]
		case 0x8100, 0x88a8:
			at += 4
		default:
			return nil
		}
	}
	return nil
}

func isIP(data []byte) bool {
	kind := binary.BigEndian.Uint16(data)
	return kind == etherIPv4 || kind == etherIPv6
}

func after(data []byte, n int) []byte {
	if len(data) < n {
		return nil
	}
	return data[n:]
}

// Wake does nothing: reading a file does not wait.
func (f *File) Wake() {}

// Stats counts records. Unlike that of a live capture it belongs to the
// goroutine that calls Receive.
func (f *File) Stats() (Stats, error) { return Stats{"file": f.count}, nil }

// Close closes the file.
func (f *File) Close() error {
	if f.closer == nil {
		return nil
	}
	return f.closer.Close()
}
