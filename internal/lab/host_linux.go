package lab

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// Host is one machine of the lab: a network namespace. Its methods may be
// called by several goroutines at once, until the lab is closed.
type Host struct {
	Name         string
	IP4, IP6     netip.Addr // its addresses; at the gate those of the link to the client
	Gate4, Gate6 netip.Addr // the gate's addresses on this host's link

	lab  *Lab
	ns   *os.File
	jobs chan func() // run by the host's keeper, one after another
	done chan struct{}
}

// newHost makes a namespace and the thread that keeps it.
func newHost(l *Lab, name string) (*Host, error) {
	h := &Host{Name: name, lab: l, jobs: make(chan func()), done: make(chan struct{})}
	ready := make(chan error)
	go func() {
		defer close(h.done)
		onOwnThread(func() { h.keep(ready) })
	}()
	if err := <-ready; err != nil {
		return nil, fmt.Errorf("make host %q: %w", name, err)
	}
	return h, nil
}

// keep is the life of the keeper: one thread that stays in the namespace for
// as long as the lab exists. Programs are started from it, because the kernel
// kills them (Pdeathsig) when the thread that started them ends.
func (h *Host) keep(ready chan<- error) {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		ready <- fmt.Errorf("make a network namespace (has the program called Enter?): %w", err)
		return
	}
	ns, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		ready <- err
		return
	}
	h.ns = ns
	if err := loopbackUp(); err != nil {
		ns.Close()
		ready <- err
		return
	}
	ready <- nil
	for job := range h.jobs {
		job()
	}
}

// close ends the keeper, and with it the programs started from this host.
func (h *Host) close() {
	close(h.jobs)
	<-h.done
	h.ns.Close()
}

// Do runs f in the host's namespace and returns its error. Everything that f
// itself does with the network happens there: sockets it makes, netlink, and
// /proc/sys/net. What does not: goroutines that f starts, and /proc/net (use
// /proc/thread-self/net). Do not call t.FailNow in f: it is another goroutine.
func (h *Host) Do(f func() error) error {
	err := errors.New("function ended without returning")
	onOwnThread(func() {
		if e := unix.Setns(int(h.ns.Fd()), unix.CLONE_NEWNET); e != nil {
			err = fmt.Errorf("enter host %q: %w", h.Name, e)
			return
		}
		err = f()
	})
	return err
}

// onOwnThread runs f on a thread that ends with it. The thread is never
// unlocked, so the runtime destroys it, in whatever namespace it then is,
// instead of giving it to another goroutine.
func onOwnThread(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			// The main thread cannot end, and /proc/self speaks of it: hold
			// it here while another one is moved.
			onOwnThread(f)
			runtime.UnlockOSThread()
			return
		}
		f()
	}()
	<-done
}

// Sysctl sets a kernel setting of this host, such as "net.ipv4.ip_forward".
// A name with slashes is taken as it is, for interfaces with dots.
func (h *Host) Sysctl(name, value string) error {
	if !strings.Contains(name, "/") {
		name = strings.ReplaceAll(name, ".", "/")
	}
	err := h.Do(func() error {
		return os.WriteFile(filepath.Join("/proc/sys", name), []byte(value), 0)
	})
	if err != nil {
		return fmt.Errorf("host %q: set %s to %q: %w", h.Name, name, value, err)
	}
	return nil
}
