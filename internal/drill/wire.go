//go:build linux

package drill

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/packet"
)

// apart is the pause between two knocks.
const apart = 5 * time.Millisecond

func (g *ground) openWire() error {
	return g.lab.Attacker.Do(func() (err error) {
		g.wire, err = unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
		return os.NewSyscallError("socket", err)
	})
}

// send sends one packet from any address: a SYN, or a datagram.
func (g *ground) send(from netip.Addr, port packet.Port, payload []byte) error {
	protocol, segment := byte(unix.IPPROTO_TCP), syn(port.Number)
	if port.Proto == packet.UDP {
		protocol, segment = unix.IPPROTO_UDP, datagram(port.Number, payload)
	}
	return g.sendRaw(from, protocol, segment)
}

func (g *ground) sendRaw(from netip.Addr, protocol byte, segment []byte) error {
	b := make([]byte, 20, 20+len(segment)) // the kernel adds length, identification and checksum (raw(7))
	b[0], b[8], b[9] = 0x45, 64, protocol
	src, dst := from.As4(), g.gate().As4()
	copy(b[12:], src[:])
	copy(b[16:], dst[:])
	if at, ok := map[byte]int{unix.IPPROTO_TCP: 16, unix.IPPROTO_UDP: 6}[protocol]; ok && len(segment) >= at+2 {
		binary.BigEndian.PutUint16(segment[at:], checksum(src, dst, protocol, segment))
	}
	err := unix.Sendto(g.wire, append(b, segment...), 0, &unix.SockaddrInet4{Addr: dst})
	if err == unix.ENOBUFS || err == unix.EPERM { // lost on its way, as packets may be
		return nil
	}
	return os.NewSyscallError("sendto", err)
}

func syn(port uint16) []byte {
	b := make([]byte, 20)
	binary.BigEndian.PutUint16(b, 32768+uint16(rand.N(28000)))
	binary.BigEndian.PutUint16(b[2:], port)
	binary.BigEndian.PutUint32(b[4:], rand.Uint32())
	b[12], b[13] = 5<<4, 0x02
	binary.BigEndian.PutUint16(b[14:], 64240)
	return b
}

func datagram(port uint16, payload []byte) []byte {
	b := make([]byte, 8, 8+len(payload))
	binary.BigEndian.PutUint16(b, 32768+uint16(rand.N(28000)))
	binary.BigEndian.PutUint16(b[2:], port)
	binary.BigEndian.PutUint16(b[4:], uint16(8+len(payload)))
	return append(b, payload...)
}

// checksum is that of TCP and UDP over IPv4 (RFC 9293, 3.1; RFC 768).
func checksum(src, dst [4]byte, protocol byte, segment []byte) uint16 {
	sum := uint32(protocol) + uint32(len(segment))
	for _, part := range [][]byte{src[:], dst[:], segment} {
		for i, c := range part {
			sum += uint32(c) << (8 * (1 - i%2))
		}
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	if sum == 0xffff {
		return 0xffff
	}
	return ^uint16(sum)
}

// knock sends knocks in order.
func (g *ground) knock(ctx context.Context, from netip.Addr, knocks []packet.Port) error {
	return g.sweep(ctx, from, knocks, apart)
}

// sweep sends a packet to each port, so far apart.
func (g *ground) sweep(ctx context.Context, from netip.Addr, ports []packet.Port, apart time.Duration) error {
	for i, p := range ports {
		if err := g.send(from, p, []byte{0}); err != nil {
			return err
		}
		if i%16 == 15 || apart >= time.Millisecond {
			if err := wait(ctx, max(apart, time.Millisecond)); err != nil {
				return err
			}
		}
	}
	return nil
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// closedPorts lists so many ports that mean nothing to the gate, upwards.
func (g *ground) closedPorts(n int, proto packet.Proto) []packet.Port {
	var list []packet.Port
	for number := uint16(1); len(list) < n && number < 60000; number++ {
		if p := (packet.Port{Proto: proto, Number: number}); !g.used(p) {
			list = append(list, p)
		}
	}
	return list
}
