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
	family := unix.AF_INET
	if g.six {
		family = unix.AF_INET6
	}
	return g.lab.Attacker.Do(func() (err error) {
		g.wire, err = unix.Socket(family, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
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

// checksums are where protocols have theirs.
var checksums = map[byte]int{unix.IPPROTO_TCP: 16, unix.IPPROTO_UDP: 6, unix.IPPROTO_ICMPV6: 2}

func (g *ground) sendRaw(from netip.Addr, protocol byte, segment []byte) error {
	if at, ok := checksums[protocol]; ok && len(segment) >= at+2 {
		binary.BigEndian.PutUint16(segment[at:], checksum(from, g.gate(), protocol, segment))
	}
	err := unix.Sendto(g.wire, append(header(from, g.gate(), protocol, len(segment)), segment...), 0, g.destination())
	if err == unix.ENOBUFS || err == unix.EPERM { // lost on its way, as packets may be
		return nil
	}
	return os.NewSyscallError("sendto", err)
}

func (g *ground) destination() unix.Sockaddr {
	if g.six {
		return &unix.SockaddrInet6{Addr: g.gate().As16()}
	}
	return &unix.SockaddrInet4{Addr: g.gate().As4()}
}

// header is that of a packet with so many bytes behind it.
func header(from, to netip.Addr, protocol byte, n int) []byte {
	if from.Is6() { // RFC 8200, 3
		b := []byte{0x60, 0, 0, 0, byte(n >> 8), byte(n), protocol, 64}
		return append(append(b, from.AsSlice()...), to.AsSlice()...)
	}
	b := make([]byte, 12, 20) // the kernel adds length, identification and checksum (raw(7))
	b[0], b[8], b[9] = 0x45, 64, protocol
	return append(append(b, from.AsSlice()...), to.AsSlice()...)
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

// checksum is that of TCP and UDP, and of ICMP in IPv6 (RFC 9293, 3.1; RFC 768; RFC 8200, 8.1).
func checksum(from, to netip.Addr, protocol byte, segment []byte) uint16 {
	sum := uint32(protocol) + uint32(len(segment))
	for _, part := range [][]byte{from.AsSlice(), to.AsSlice(), segment} {
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
