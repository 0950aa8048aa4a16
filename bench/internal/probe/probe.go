//go:build linux

// Package probe knocks, and measures when a door opens: the time from the last
// packet of the knock to the first answer of a UDP service behind the door.
//
// Knocks are sent with ordinary sockets by the harness itself, so that the
// cost of nobody's client program is in the figures. What probing costs is the
// same for all systems: one small datagram at a fixed interval from one
// thread, until the first comes back or the time is up.
package probe

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/lab"
)

// Packet is one datagram of a knock.
type Packet struct {
	Port    uint16
	Payload []byte
	// Answers reports whether a datagram is the answer that says that the
	// door is open; nil: none comes.
	Answers func(reply []byte) bool
}

// Knock is the datagrams that open the door, in order.
type Knock []Packet

// Pace is how a door is probed.
type Pace struct {
	Gap   time.Duration // between the packets of the knock
	Every time.Duration // between probes
	Later time.Duration // between probes once the door has been closed for a while; 0: Every
	Limit time.Duration // for the door to open
}

// Paces: Quick is for measuring when nothing else goes on. It sleeps between
// probes too: on a machine with two cores, a thread that spins keeps those who
// are being measured waiting. Calm is for the time of a flood, and Crowded for
// many knocks at a time: probing must not become a flood of its own.
var (
	Quick = Pace{Gap: 5 * time.Millisecond, Every: 50 * time.Microsecond, Limit: 2 * time.Second}
	Calm  = Pace{Gap: 5 * time.Millisecond, Every: 200 * time.Microsecond, Limit: time.Second}

	Crowded = Pace{Gap: 5 * time.Millisecond, Every: 500 * time.Microsecond, Later: 20 * time.Millisecond, Limit: time.Second}
)

// while is how long a pace is kept before Later.
const while = 5 * time.Millisecond

// interval returns the time between probes when the door has been closed so long.
func (p Pace) interval(passed time.Duration) time.Duration {
	if p.Later > 0 && passed > while {
		return p.Later
	}
	return p.Every
}

// Prober knocks and probes from one host at one door. It may be used by several
// goroutines at a time.
type Prober struct {
	host  *lab.Host
	gate  netip.Addr
	door  uint16
	flows atomic.Uint32 // counts them, so that each has another source port
}

// New returns a Prober of a UDP door of the gate.
func New(host *lab.Host, door uint16) *Prober {
	return &Prober{host: host, gate: host.Gate4, door: door}
}

// firstPort begins a range from which every flow takes another port: a probe
// must never belong to a connection that the gate's kernel already knows.
const firstPort = 20000

// Open knocks from source and waits for the door to open. It returns the time
// from the last packet to the answer, or ok false if there was none in time.
func (p *Prober) Open(source netip.Addr, knock Knock, pace Pace) (took time.Duration, ok bool, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	// The kernel would make a sleep of 50 µs one of 100.
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0); err != nil {
		return 0, false, fmt.Errorf("ask for exact sleeps: %w", err)
	}
	sender, err := p.socket(source)
	if err != nil {
		return 0, false, err
	}
	defer unix.Close(sender)
	flow, err := p.flow(source)
	if err != nil {
		return 0, false, err
	}
	defer unix.Close(flow)

	last := len(knock) - 1
	for _, packet := range knock[:last] {
		if err := p.send(sender, packet); err != nil {
			return 0, false, err
		}
		time.Sleep(pace.Gap)
	}
	start := time.Now()
	if err := p.send(sender, knock[last]); err != nil {
		return 0, false, err
	}
	ok, err = await(flow, start, pace)
	return time.Since(start), ok, err
}

// Ask sends a knock of one packet from source and waits for its answer, without
// probing the door. It returns the time from the packet to the answer, or ok
// false if there was none within limit.
func (p *Prober) Ask(source netip.Addr, packet Packet, limit time.Duration) (took time.Duration, ok bool, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	fd, err := p.socket(source)
	if err != nil {
		return 0, false, err
	}
	defer unix.Close(fd)
	start := time.Now()
	if err := p.send(fd, packet); err != nil {
		return 0, false, err
	}
	for buf := make([]byte, 2048); time.Since(start) < limit; {
		waitReadable(fd, limit-time.Since(start))
		n, _, err := unix.Recvfrom(fd, buf, 0)
		took := time.Since(start)
		if err := ignoreRefusal(err); err != nil {
			return took, false, fmt.Errorf("receive the answer: %w", err)
		}
		if err == nil && packet.Answers(buf[:n]) {
			return took, true, nil
		}
	}
	return limit, false, nil
}

// Closed reports whether the door is closed to source: no probe is answered
// within the limit of pace.
func (p *Prober) Closed(source netip.Addr, pace Pace) (bool, error) {
	flow, err := p.flow(source)
	if err != nil {
		return false, err
	}
	defer unix.Close(flow)
	open, err := await(flow, time.Now(), pace)
	return !open, err
}

// await probes until the first answer or the limit.
func await(flow int, start time.Time, pace Pace) (bool, error) {
	message := []byte("probe")
	buf := make([]byte, 64)
	next := start
	for {
		now := time.Now()
		if now.Sub(start) > pace.Limit {
			return false, nil
		}
		if !now.Before(next) {
			next = now.Add(pace.interval(now.Sub(start)))
			if err := ignoreRefusal(unix.Send(flow, message, 0)); err != nil {
				return false, fmt.Errorf("send a probe: %w", err)
			}
		}
		waitReadable(flow, time.Until(next))
		n, _, err := unix.Recvfrom(flow, buf, 0)
		if n > 0 && err == nil {
			return true, nil
		}
		if err := ignoreRefusal(err); err != nil {
			return false, fmt.Errorf("receive an answer: %w", err)
		}
	}
}

func waitReadable(fd int, limit time.Duration) {
	timeout := unix.NsecToTimespec(max(limit, 0).Nanoseconds())
	// Whatever ends the wait, the caller looks for itself.
	_, _ = unix.Ppoll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, &timeout, nil)
}

// ignoreRefusal drops what a closed port, or an empty queue, tells a socket.
func ignoreRefusal(err error) error {
	if errors.Is(err, unix.ECONNREFUSED) || errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) || errors.Is(err, unix.ENOBUFS) {
		return nil
	}
	return err
}

func (p *Prober) send(fd int, packet Packet) error {
	to := &unix.SockaddrInet4{Port: int(packet.Port), Addr: p.gate.As4()}
	if err := ignoreRefusal(unix.Sendto(fd, packet.Payload, 0, to)); err != nil {
		return fmt.Errorf("knock at port %d: %w", packet.Port, err)
	}
	return nil
}

// flow returns a socket connected to the door, from a port not used before.
func (p *Prober) flow(source netip.Addr) (int, error) {
	fd, err := p.socket(source)
	if err != nil {
		return -1, err
	}
	if err := unix.Connect(fd, &unix.SockaddrInet4{Port: int(p.door), Addr: p.gate.As4()}); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("connect to the door: %w", err)
	}
	return fd, nil
}

// socket returns a socket bound to source and the next port.
func (p *Prober) socket(source netip.Addr) (fd int, err error) {
	port := firstPort + int(p.flows.Add(1)%(1<<16-firstPort))
	err = p.host.Do(func() error {
		fd, err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		return unix.Bind(fd, &unix.SockaddrInet4{Port: port, Addr: source.As4()})
	})
	if err != nil {
		return -1, fmt.Errorf("open a socket at %s: %w", source, err)
	}
	return fd, nil
}
