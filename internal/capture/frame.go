//go:build linux

package capture

import (
	"encoding/binary"
	"sync/atomic"
	"time"
	"unsafe"
)

// The header of a ring frame, struct tpacket2_hdr (include/uapi/linux/if_packet.h).
const (
	offStatus  = 0
	offSnaplen = 8
	offNet     = 14
	offSec     = 16
	offNsec    = 20
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

// frame is one slot of a ring, shared with the kernel. The side that the status word
// names owns the rest.
type frame []byte

func (f frame) status() *uint32 { return (*uint32)(unsafe.Pointer(&f[offStatus])) }

// ready reports whether the kernel has handed the frame over.
func (f frame) ready() bool { return atomic.LoadUint32(f.status())&statusUser != 0 }

// in returns the index of the interface that the packet came by.
func (f frame) in() int { return int(int32(binary.NativeEndian.Uint32(f[offInterface:]))) }

// stamp is when the packet arrived, in nanoseconds of Unix time; 0: unknown.
// What looks like a time before 2001 is one since the machine was started,
// which some kernels leave in packets that are sent on a schedule.
func (f frame) stamp() int64 {
	sec := int64(binary.NativeEndian.Uint32(f[offSec:]))
	if sec < 1e9 {
		return 0
	}
	return sec*1e9 + int64(binary.NativeEndian.Uint32(f[offNsec:]))
}

// stale is how old a knock may be that is looked at. What has waited longer, for
// a process that was stopped, is of people who have given up.
const stale = 5 * time.Second

// age is how long ago a frame with that stamp arrived; a clock that was set back
// meanwhile makes it zero.
func age(wall, stamp int64) time.Duration {
	if stamp == 0 {
		return 0
	}
	return time.Duration(max(wall-stamp, 0))
}

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
