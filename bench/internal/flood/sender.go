//go:build linux

package flood

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Main is the flooding process: it obeys the orders in arg until a bound is
// reached or stdin ends, and writes the result to stdout.
func Main(arg string, stdin io.Reader, stdout io.Writer) error {
	var o Orders
	if err := json.Unmarshal([]byte(arg), &o); err != nil {
		return fmt.Errorf("understand the orders: %w", err)
	}
	if o.Max == 0 && o.For == 0 {
		return errors.New("a flood without a bound")
	}
	if err := pin(o.Core); err != nil {
		return err
	}
	s, err := newSender(o)
	if err != nil {
		return err
	}
	var stop atomic.Bool
	go func() {
		_, _ = io.Copy(io.Discard, stdin) // ends with the parent's wish, or with the parent
		stop.Store(true)
	}()
	if _, err := stdout.Write([]byte{'\n'}); err != nil {
		return err
	}
	result, err := s.run(&stop)
	if err != nil {
		return err
	}
	return json.NewEncoder(stdout).Encode(result)
}

// pin keeps the calling goroutine on one processor.
func pin(core int) error {
	runtime.LockOSThread()
	if core < 0 {
		return nil
	}
	var set unix.CPUSet
	set.Set(core)
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return fmt.Errorf("stay on processor %d: %w", core, err)
	}
	return nil
}

// batch is how many packets one system call sends.
const batch = 64

// mmsghdr is the kernel's struct of that name, see sendmmsg(2).
type mmsghdr struct {
	header unix.Msghdr
	length uint32
	_      [4]byte
}

// sender keeps a batch of frames that differ in source, source port and the
// first bytes of the payload, and changes these for each round.
type sender struct {
	orders Orders
	fd     int
	frames []frame
	iovecs []unix.Iovec
	heads  []mmsghdr
	pool   []byte // payloads, as in Junk
	random uint64
	serial uint32
}

func newSender(o Orders) (*sender, error) {
	pool, err := readPool(o.Junk)
	if err != nil {
		return nil, err
	}
	link, err := net.InterfaceByName("eth0")
	if err != nil {
		return nil, fmt.Errorf("find the interface to send on: %w", err)
	}
	fd, err := open(link.Index)
	if err != nil {
		return nil, fmt.Errorf("open a packet socket: %w", err)
	}
	s := &sender{orders: o, fd: fd, pool: pool, random: uint64(time.Now().UnixNano()) | 1}
	s.frames = make([]frame, batch)
	s.iovecs = make([]unix.Iovec, batch)
	s.heads = make([]mmsghdr, batch)
	for i := range s.frames {
		s.frames[i] = newFrame(link.HardwareAddr, o)
		s.iovecs[i].Base = &s.frames[i][0]
		s.iovecs[i].SetLen(len(s.frames[i]))
		s.heads[i].header.Iov = &s.iovecs[i]
		s.heads[i].header.SetIovlen(1)
	}
	return s, nil
}

// readPool reads the payloads of junk that has some of its own.
func readPool(j Junk) ([]byte, error) {
	if j.Pool == "" {
		return nil, nil
	}
	pool, err := os.ReadFile(j.Pool)
	if err != nil {
		return nil, fmt.Errorf("read the junk: %w", err)
	}
	if j.Payload == 0 || len(pool) == 0 || len(pool)%j.Payload != 0 {
		return nil, fmt.Errorf("read the junk: %s has %d bytes: want payloads of %d bytes each", j.Pool, len(pool), j.Payload)
	}
	return pool, nil
}

// open makes a socket that hands frames to the interface without queueing.
func open(link int) (int, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_QDISC_BYPASS, 1); err != nil {
		return -1, err
	}
	return fd, unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: link})
}

func (s *sender) run(stop *atomic.Bool) (Result, error) {
	start := time.Now()
	var sent uint64
	for !stop.Load() {
		n := s.room(sent, time.Since(start))
		if n < 0 {
			break
		}
		if n == 0 {
			time.Sleep(100 * time.Microsecond)
			continue
		}
		s.renew(n)
		n, err := s.send(n)
		if err != nil {
			return Result{}, fmt.Errorf("send packets: %w", err)
		}
		sent += uint64(n)
	}
	return Result{Sent: sent, Took: time.Since(start)}, nil
}

// room says how many packets may be sent now; less than 0: never more.
func (s *sender) room(sent uint64, passed time.Duration) int {
	o := s.orders
	if o.For > 0 && passed >= o.For || o.Max > 0 && sent >= o.Max {
		return -1
	}
	n := uint64(batch)
	if o.Max > 0 {
		n = min(n, o.Max-sent)
	}
	if o.Rate > 0 {
		due := uint64(passed.Seconds() * float64(o.Rate))
		n = min(n, max(due, sent)-sent)
	}
	return int(n)
}

// renew gives the first n frames other sources.
func (s *sender) renew(n int) {
	for i := range s.frames[:n] {
		s.random ^= s.random << 13
		s.random ^= s.random >> 7
		s.random ^= s.random << 17
		host := uint32(s.random)
		if s.orders.Ordered {
			s.serial++
			host = s.serial
		}
		s.frames[i].renew(host, s.random>>32)
		if size := uint64(s.orders.Payload); s.pool != nil {
			first := (s.random >> 16) % (uint64(len(s.pool)) / size) * size
			copy(s.frames[i][payloadAt:], s.pool[first:first+size])
		}
	}
}

// send sends the first n frames, and returns how many were taken.
func (s *sender) send(n int) (int, error) {
	sent, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&s.heads[0])), uintptr(n), 0, 0, 0)
	switch errno {
	case 0:
		return int(sent), nil
	case unix.ENOBUFS, unix.EAGAIN, unix.EINTR:
		return 0, nil // the interface is full: the next ones may fit
	}
	return 0, os.NewSyscallError("sendmmsg", errno)
}
