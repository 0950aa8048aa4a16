package capture

import (
	"encoding/binary"
	"sync/atomic"
	"unsafe"
)

// The header of a ring frame, struct tpacket2_hdr (include/uapi/linux/if_packet.h).
const (
	offStatus  = 0
	offSnaplen = 8
	offNet     = 14
	lenHeader  = 32

	// The interface in struct sockaddr_ll, which follows the header.
	offInterface = lenHeader + 4

	// overhead is what the kernel puts before the packet in a frame: header and
	// struct sockaddr_ll, aligned, and room for a link-layer header
	// (tpacket_rcv in net/packet/af_packet.c).
	overhead = 80

	// Sizes of frames, in bytes. A knock's headers fit the small one; the large
	// one takes the longest SPA message after IPv6 or IPv4 with options.
	knockFrame   = 256
	messageFrame = 1536

	statusKernel = 0
	statusUser   = 1
)

// frame is one slot of a ring, shared with the kernel. Whoever the status word
// names owns the rest.
type frame []byte

func (f frame) status() *uint32 { return (*uint32)(unsafe.Pointer(&f[offStatus])) }

// ready tells whether the kernel has handed the frame over.
func (f frame) ready() bool { return atomic.LoadUint32(f.status())&statusUser != 0 }

// in returns the index of the interface that the packet came by.
func (f frame) in() int { return int(int32(binary.NativeEndian.Uint32(f[offInterface:]))) }

// release gives the frame back to the kernel.
func (f frame) release() { atomic.StoreUint32(f.status(), statusKernel) }

// packet returns the packet from its IP header on. It trusts the kernel's
// numbers no further than the frame reaches.
func (f frame) packet() (ip []byte, ok bool) {
	start := int(binary.NativeEndian.Uint16(f[offNet:]))
	length := int(binary.NativeEndian.Uint32(f[offSnaplen:]))
	if start < lenHeader || start > len(f) || length < 0 || length > len(f)-start {
		return nil, false
	}
	return f[start : start+length], true
}
