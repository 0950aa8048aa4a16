package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Options say how a live capture is made.
type Options struct {
	Filter        Filter
	KnockBlocks   int // MiB for knocks; default 8, which holds 32,768 packets
	MessageBlocks int // MiB for SPA messages; default 4, which holds 2,728
}

// batch is how many packets are handled between two looks at the clock and at
// the other ring.
const batch = 64

// Live is a capture of the packets that arrive at this host.
type Live struct {
	opts    Options
	wake    int // eventfd
	mu      sync.Mutex
	knocks  *ring
	spa     *ring // nil while the SPA port is off
	retired Stats // of rings that have been closed
}

// Open begins to capture. Needs CAP_NET_RAW.
func Open(opts Options) (*Live, error) {
	if opts.KnockBlocks == 0 {
		opts.KnockBlocks = 8
	}
	if opts.MessageBlocks == 0 {
		opts.MessageBlocks = 4
	}
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("capture: make an event descriptor: %w", err)
	}
	l := &Live{opts: opts, wake: wake, retired: make(Stats)}
	if l.knocks, err = newRing("knocks", knockFrame, opts.KnockBlocks, seq(prelude(), opts.Filter.knocks(knockFrame-overhead))); err == nil {
		err = l.setMessages(opts.Filter)
	}
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// SetFilter changes what is taken, without losing a packet that both filters
// take. Call it from the goroutine that calls Receive, or when none does.
func (l *Live) SetFilter(f Filter) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.knocks.setFilter(seq(prelude(), f.knocks(knockFrame-overhead))); err != nil {
		return fmt.Errorf("capture knocks: %w", err)
	}
	return l.setMessages(f)
}

// setMessages makes, changes or removes the ring of SPA messages.
func (l *Live) setMessages(f Filter) (err error) {
	program := seq(prelude(), f.messages(messageFrame-overhead))
	switch {
	case f.SPAPort == 0 && l.spa != nil:
		if s, err := l.spa.stats(); err == nil {
			l.retired[l.spa.name] = s
		}
		err = l.spa.close()
		l.spa = nil
	case f.SPAPort != 0 && l.spa == nil:
		l.spa, err = newRing("spa", messageFrame, l.opts.MessageBlocks, program)
	case f.SPAPort != 0:
		err = l.spa.setFilter(program)
	}
	return err
}

// Receive is described at Source.
func (l *Live) Receive(handle func(time.Time, []byte)) error {
	if err := l.wait(); err != nil {
		return err
	}
	const rounds = 8
	for range rounds {
		n := l.knocks.receive(batch, time.Now(), handle)
		if l.spa != nil {
			n += l.spa.receive(batch, time.Now(), handle)
		}
		if n == 0 {
			break
		}
	}
	return nil
}

// wait blocks until a ring has a packet or Wake was called.
func (l *Live) wait() error {
	if l.knocks.ready() || l.spa != nil && l.spa.ready() {
		return nil
	}
	fds := [3]unix.PollFd{{Fd: int32(l.wake), Events: unix.POLLIN}, {Fd: int32(l.knocks.fd), Events: unix.POLLIN}}
	n := 2
	if l.spa != nil {
		fds[2] = unix.PollFd{Fd: int32(l.spa.fd), Events: unix.POLLIN}
		n = 3
	}
	if _, err := unix.Poll(fds[:n], -1); err != nil && !errors.Is(err, unix.EINTR) {
		return fmt.Errorf("wait for packets: %w", err)
	}
	for _, fd := range fds[1:n] {
		if fd.Revents&unix.POLLERR != 0 {
			// Reading the error clears it; an interface that went down is none of ours.
			_, _ = unix.GetsockoptInt(int(fd.Fd), unix.SOL_SOCKET, unix.SO_ERROR)
		}
	}
	if fds[0].Revents&unix.POLLIN != 0 {
		var counter [8]byte
		_, _ = unix.Read(l.wake, counter[:]) // sets it to zero
	}
	return nil
}

// Wake is described at Source.
func (l *Live) Wake() {
	// It can fail only when the counter is full, and then Receive wakes anyway.
	_, _ = unix.Write(l.wake, binary.NativeEndian.AppendUint64(nil, 1))
}

// Stats is described at Source.
func (l *Live) Stats() (Stats, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := maps.Clone(l.retired)
	var errs []error
	for _, r := range []*ring{l.knocks, l.spa} {
		if r == nil {
			continue
		}
		s, err := r.stats()
		before := all[r.name]
		all[r.name] = Ring{before.Received + s.Received, before.Lost + s.Lost, before.Broken + s.Broken}
		errs = append(errs, err)
	}
	return all, errors.Join(errs...)
}

// Close is described at Source.
func (l *Live) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	errs := []error{unix.Close(l.wake)}
	for _, r := range []*ring{l.knocks, l.spa} {
		if r != nil {
			errs = append(errs, r.close())
		}
	}
	return errors.Join(errs...)
}
