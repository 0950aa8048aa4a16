//go:build linux

package capture

import (
	"encoding/binary"
	"net"
	"testing"

	"golang.org/x/sys/unix"

	"sallyport/internal/lab"
	"sallyport/internal/lab/labtest"
)

// A frame with a tag belongs to the interface of its VLAN, where it is seen
// without. What has the tag still belongs to no VLAN of this host, unless the
// tag is only a priority: the VLAN with number 0.
func TestTaggedFrames(t *testing.T) {
	l := labtest.New(t, lab.Options{})
	w := watch(t, l, Options{Filter: Filter{UDP: portsOf(8000, 8001)}})
	gate := hardwareAddress(t, l.Gate, "to-client")
	for _, tag := range []uint16{7, 4095, 5<<13 | 7} {
		inject(t, l.Client, gate, tagged(tag, datagram(l.Client, 8000)))
	}
	const priority = 5 << 13
	inject(t, l.Client, gate, tagged(priority, datagram(l.Client, 8001)))
	inject(t, l.Client, gate, append([]byte{8, 0}, datagram(l.Client, 8000)...))
	for _, want := range []uint16{8001, 8000} {
		if p := w.next(); p.DstPort != want || p.Dst != l.Client.Gate4 {
			t.Fatalf("saw %+v, want a datagram to port %d", p, want)
		}
	}
	select {
	case p := <-w.seen:
		t.Errorf("one more: %+v", p)
	default:
	}
}

// tagged puts an IPv4 packet behind a tag (IEEE 802.1Q) and the EtherType.
func tagged(tag uint16, ip []byte) []byte {
	return append([]byte{0x81, 0, byte(tag >> 8), byte(tag), 8, 0}, ip...)
}

// datagram is an empty one from the host to the gate, as an IPv4 packet.
func datagram(h *lab.Host, port uint16) []byte {
	ip := make([]byte, 28)
	ip[0], ip[3], ip[8], ip[9] = 0x45, 28, 64, unix.IPPROTO_UDP
	copy(ip[12:], h.IP4.AsSlice())
	copy(ip[16:], h.Gate4.AsSlice())
	var sum uint32
	for i := 0; i < 20; i += 2 {
		sum += uint32(binary.BigEndian.Uint16(ip[i:]))
	}
	binary.BigEndian.PutUint16(ip[10:], ^uint16(sum+sum>>16))
	binary.BigEndian.PutUint16(ip[20:], 40000)
	binary.BigEndian.PutUint16(ip[22:], port)
	ip[25] = 8
	return ip
}

func hardwareAddress(t *testing.T, h *lab.Host, name string) (address net.HardwareAddr) {
	t.Helper()
	err := h.Do(func() error {
		link, err := net.InterfaceByName(name)
		if err == nil {
			address = link.HardwareAddr
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return address
}

// inject sends a frame from EtherType on.
func inject(t *testing.T, h *lab.Host, to net.HardwareAddr, rest []byte) {
	t.Helper()
	err := h.Do(func() error {
		link, err := net.InterfaceByName("eth0")
		if err != nil {
			return err
		}
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		frame := append(append(append([]byte{}, to...), link.HardwareAddr...), rest...)
		return unix.Sendto(fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: link.Index})
	})
	if err != nil {
		t.Fatal(err)
	}
}
