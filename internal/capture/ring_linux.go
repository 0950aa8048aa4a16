package capture

import (
	"errors"
	"fmt"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// blockSize is how much memory the kernel takes in one piece.
const blockSize = 1 << 20

// ring is one AF_PACKET socket with a memory-mapped receive ring (TPACKET_V2,
// Documentation/networking/packet_mmap.rst). Version 2 has no block timer, so
// a packet is seen as soon as it has arrived.
type ring struct {
	name      string
	fd        int
	memory    []byte
	frameSize int
	timed     bool // packets count with the time at which they arrived, and not at all if that is long ago
	next      int  // index of the frame that the kernel fills next

	mu    sync.Mutex
	count Ring
}

// newRing makes a ring that takes what the filter that attach sets lets
// through. frameSize is in bytes, a multiple of 16; blocks are MiB.
func newRing(name string, frameSize, blocks int, attach func(*ring) error) (r *ring, err error) {
	// With protocol 0 nothing arrives before bind.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("capture %s: open packet socket: %w%s", name, err, remedy(err))
	}
	r = &ring{name: name, fd: fd, frameSize: frameSize}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("capture %s: %w", name, err), r.close())
			r = nil
		}
	}()
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V2); err != nil {
		return r, fmt.Errorf("choose ring version 2: %w", err)
	}
	// Linux before 4.20 does not know this option; the filter does the same.
	_ = unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1)
	if err := attach(r); err != nil {
		return r, err
	}
	if err := r.mapMemory(blocks); err != nil {
		return r, err
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: networkOrder(unix.ETH_P_ALL)}); err != nil {
		return r, fmt.Errorf("listen on all interfaces: %w", err)
	}
	return r, nil
}

// remedy names the usual reason why packets cannot be captured.
func remedy(err error) string {
	switch {
	case errors.Is(err, unix.EPERM):
		return " (needs CAP_NET_RAW: run as root, or with AmbientCapabilities=CAP_NET_ADMIN CAP_NET_RAW in the systemd unit)"
	case errors.Is(err, unix.EAFNOSUPPORT):
		return " (this kernel has no packet sockets: load the module af_packet)"
	}
	return ""
}

func (r *ring) mapMemory(blocks int) error {
	perBlock := blockSize / r.frameSize
	request := unix.TpacketReq{
		Block_size: blockSize,
		Block_nr:   uint32(blocks),
		Frame_size: uint32(r.frameSize),
		Frame_nr:   uint32(blocks * perBlock),
	}
	if err := unix.SetsockoptTpacketReq(r.fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &request); err != nil {
		return fmt.Errorf("make a ring of %d MiB: %w", blocks, err)
	}
	memory, err := unix.Mmap(r.fd, 0, blocks*blockSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("map the ring: %w", err)
	}
	r.memory = memory
	return nil
}

// setFilter puts a program, behind the prelude, in the place of the present
// one, atomically.
func (r *ring) setFilter(program []bpf.Instruction) error {
	raw, err := bpf.Assemble(seq(prelude(), program))
	if err != nil {
		return fmt.Errorf("assemble the filter: %w", err)
	}
	filter := make([]unix.SockFilter, len(raw))
	for i, ins := range raw {
		filter[i] = unix.SockFilter{Code: ins.Op, Jt: ins.Jt, Jf: ins.Jf, K: ins.K}
	}
	if err := unix.SetsockoptSockFprog(r.fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}); err != nil {
		return fmt.Errorf("attach the filter of %d instructions: %w", len(filter), err)
	}
	return nil
}

// frame returns the i-th slot. Frames do not cross blocks.
func (r *ring) frame(i int) frame {
	perBlock := blockSize / r.frameSize
	at := i/perBlock*blockSize + i%perBlock*r.frameSize
	return r.memory[at : at+r.frameSize]
}

func (r *ring) frames() int { return len(r.memory) / blockSize * (blockSize / r.frameSize) }

func (r *ring) ready() bool { return r.frame(r.next).ready() }

// receive handles at most limit frames that are ready, and returns how many.
func (r *ring) receive(limit int, now time.Time, handle Handler) int {
	n, wall := 0, now.UnixNano()
	for ; n < limit; n++ {
		f := r.frame(r.next)
		if !f.ready() {
			break
		}
		r.pass(f, now, wall, handle)
		f.release()
		if r.next++; r.next == r.frames() {
			r.next = 0
		}
	}
	return n
}

// pass hands one frame on. wall is the wall clock's reading of now.
func (r *ring) pass(f frame, now time.Time, wall int64, handle Handler) {
	ip, ok := f.packet()
	waited := time.Duration(0)
	if r.timed {
		waited = age(wall, f.stamp())
	}
	if ok && waited <= stale {
		handle(now.Add(-waited), f.in(), ip)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if ok {
		r.count.Late++
	} else {
		r.count.Broken++
	}
}

// stats adds the kernel's counters, which begin again at each reading.
func (r *ring) stats() (Ring, error) {
	s, err := unix.GetsockoptTpacketStats(r.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		return r.count, fmt.Errorf("read the counters of capture %s: %w", r.name, err)
	}
	r.count.Received += uint64(s.Packets)
	r.count.Lost += uint64(s.Drops)
	return r.count, nil
}

// addTo adds the ring's counters to those of earlier rings of the same name.
func (r *ring) addTo(all Stats) error {
	now, err := r.stats()
	before := all[r.name]
	all[r.name] = Ring{before.Received + now.Received, before.Lost + now.Lost, before.Broken + now.Broken, before.Late + now.Late}
	return err
}

func (r *ring) close() error {
	var errs []error
	if r.memory != nil {
		errs = append(errs, unix.Munmap(r.memory))
	}
	return errors.Join(append(errs, unix.Close(r.fd))...)
}

func networkOrder(v uint16) uint16 {
	b := [2]byte{byte(v >> 8), byte(v)}
	return *(*uint16)(unsafe.Pointer(&b))
}
