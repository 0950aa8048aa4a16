package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// batch is how many packets are handled between two looks at the clock and at
// the other ring.
const batch = 64

// Live is a capture of the packets that arrive at this host.
type Live struct {
	messageBlocks int

	mu      sync.Mutex // for all below; Receive needs none, since only SetFilter and Close change its rings
	wake    int        // eventfd; -1 after Close
	knocks  *ring
	spa     *ring // nil while the SPA port is off
	unasked int
	retired Stats // of rings that have been closed

	rate rate // used by Receive alone
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
	l := &Live{messageBlocks: opts.MessageBlocks, wake: wake, retired: make(Stats)}
	l.knocks, err = newRing("knocks", knockFrame, opts.KnockBlocks, func(r *ring) error { return l.filterKnocks(r, opts.Filter) })
	if err == nil {
		l.knocks.timed = true
		err = l.filterMessages(opts.Filter)
	}
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// SetFilter changes what is taken, without losing a packet that both filters
// take. After an error either may be in force. Call it from the goroutine that
// calls Receive, or when none does.
func (l *Live) SetFilter(f Filter) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.filterKnocks(l.knocks, f); err != nil {
		return fmt.Errorf("capture knocks: %w", err)
	}
	return l.filterMessages(f)
}

// Prepare makes what a filter needs and is not there yet: the ring of SPA
// messages, which takes nothing until SetFilter. After it, SetFilter fails only
// where the kernel has no memory left for a filter of any size. Call it as
// SetFilter is called.
func (l *Live) Prepare(f Filter) (err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(f.ports()) > 0 && l.spa == nil {
		l.spa, err = newRing("spa", messageFrame, l.messageBlocks, func(r *ring) error { return r.setFilter([]bpf.Instruction{drop()}) })
	}
	return err
}

// filterKnocks attaches a filter that fits into the memory that the kernel
// allows for one (net.core.optmem_max, 20 KiB before Linux 6.8). While a filter
// is exchanged, the present one counts too.
func (l *Live) filterKnocks(r *ring, f Filter) (err error) {
	for limit := maxIntervals; limit > 0; limit /= 2 {
		if err = r.setFilter(f.knocks(knockFrame-overhead, limit)); err == nil {
			l.unasked = f.TCP.unasked(f.TCP.intervals(limit)) + f.UDP.unasked(f.UDP.intervals(limit))
		}
		if !errors.Is(err, unix.ENOMEM) {
			break
		}
	}
	return err
}

// filterMessages makes, changes or removes the ring of SPA messages.
func (l *Live) filterMessages(f Filter) (err error) {
	attach := func(r *ring) error { return r.setFilter(f.messages(messageFrame - overhead)) }
	switch {
	case len(f.ports()) == 0 && l.spa != nil:
		err = l.retire(l.spa)
		l.spa = nil
	case len(f.ports()) > 0 && l.spa == nil:
		l.spa, err = newRing("spa", messageFrame, l.messageBlocks, attach)
	case len(f.ports()) > 0:
		if err = attach(l.spa); err != nil {
			err = fmt.Errorf("capture spa: %w", err)
		}
	}
	return err
}

// Unasked returns how many ports are captured although the filter does not
// name them: where it has more gaps between its ports than fit into the kernel,
// the smallest are filled. It costs processor time, nothing else. Any goroutine
// may call it.
func (l *Live) Unasked() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.unasked
}

// Receive is described at Source.
func (l *Live) Receive(handle Handler) error {
	if err := l.wait(); err != nil {
		return err
	}
	const rounds = 8
	for range rounds {
		now := time.Now()
		n := l.knocks.receive(batch, now, handle)
		if l.spa != nil {
			n += l.spa.receive(batch, time.Now(), handle)
		}
		if l.rate.add(now, n); n == 0 {
			break
		}
	}
	return nil
}

func (l *Live) ready() bool { return l.knocks.ready() || l.spa != nil && l.spa.ready() }

// wait blocks until a ring has a packet or Wake was called. While very many
// packets arrive it lets some gather first.
func (l *Live) wait() error {
	if l.rate.high && !l.ready() {
		pause := unix.NsecToTimespec(lull.Nanoseconds())
		_ = unix.Nanosleep(&pause, nil) // a signal may cut it short
	}
	if l.ready() {
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
	for _, fd := range fds[:n] {
		if fd.Revents&unix.POLLNVAL != 0 {
			return fmt.Errorf("wait for packets: %w", unix.EBADF)
		}
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
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.wake >= 0 {
		// It can fail only when the counter is full, and then Receive wakes anyway.
		_, _ = unix.Write(l.wake, binary.NativeEndian.AppendUint64(nil, 1))
	}
}

// Stats is described at Source.
func (l *Live) Stats() (Stats, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := maps.Clone(l.retired)
	var errs []error
	for _, r := range []*ring{l.knocks, l.spa} {
		if r != nil {
			errs = append(errs, r.addTo(all))
		}
	}
	return all, errors.Join(errs...)
}

// Close is described at Source.
func (l *Live) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.wake < 0 {
		return nil
	}
	errs := []error{unix.Close(l.wake)}
	for _, r := range []*ring{l.knocks, l.spa} {
		if r != nil {
			errs = append(errs, l.retire(r))
		}
	}
	l.wake, l.knocks, l.spa = -1, nil, nil
	return errors.Join(errs...)
}

// retire closes a ring and keeps its counters.
func (l *Live) retire(r *ring) error {
	return errors.Join(r.addTo(l.retired), r.close())
}
