//go:build linux

package probe

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/lab"
)

// Echo is a UDP service that sends every datagram back. It sits in a blocking
// system call on a thread of its own, so that it answers without the detour
// through Go's network poller.
type Echo struct {
	fd      int
	closing atomic.Bool
	wg      sync.WaitGroup
}

// NewEcho serves at a port of all IPv4 addresses of the host.
func NewEcho(host *lab.Host, port uint16) (*Echo, error) {
	e := new(Echo)
	err := host.Do(func() (err error) {
		e.fd, err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		// Close is noticed when a wait ends.
		wait := unix.NsecToTimeval((100 * time.Millisecond).Nanoseconds())
		if err := unix.SetsockoptTimeval(e.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait); err != nil {
			return err
		}
		return unix.Bind(e.fd, &unix.SockaddrInet4{Port: int(port)})
	})
	if err != nil {
		return nil, fmt.Errorf("echo at port %d of host %q: %w", port, host.Name, err)
	}
	e.wg.Go(e.serve)
	return e, nil
}

func (e *Echo) serve() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	buf := make([]byte, 2048)
	for !e.closing.Load() {
		n, from, err := unix.Recvfrom(e.fd, buf, 0)
		if err == nil {
			_ = unix.Sendto(e.fd, buf[:n], 0, from) // lost, as datagrams are
		}
	}
}

// Close ends the service.
func (e *Echo) Close() error {
	e.closing.Store(true)
	e.wg.Wait()
	return unix.Close(e.fd)
}
