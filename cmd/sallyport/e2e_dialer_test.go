//go:build linux && !client_only

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"sallyport/client"
	"sallyport/internal/lab"
)

// measureDials in the environment makes the test binary a client that measures
// connections with and without a door: "COUNT PLAIN-ADDRESS DOOR-ADDRESS".
const measureDials = "SALLYPORT_TEST_DIALS"

// dials is how long connections took, in milliseconds.
type dials struct {
	Plain, Door []float64
}

// measure is the client. It uses the profile "slow".
func measure(task string) error {
	var n int
	var plain, door string
	if _, err := fmt.Sscan(task, &n, &plain, &door); err != nil {
		return err
	}
	profile, err := client.Load("slow")
	if err != nil {
		return err
	}
	ctx := context.Background()
	took := func(dial func(context.Context, string, string) (net.Conn, error), address string) (float64, error) {
		begun := time.Now()
		conn, err := dial(ctx, "tcp", address)
		if err != nil {
			return 0, err
		}
		return time.Since(begun).Seconds() * 1000, conn.Close()
	}
	var d dials
	for range n {
		ms, err := took(new(net.Dialer).DialContext, plain)
		if err != nil {
			return err
		}
		d.Plain = append(d.Plain, ms)
		if ms, err = took((&client.Dialer{Profile: profile}).DialContext, door); err != nil {
			return err
		}
		d.Door = append(d.Door, ms)
		if _, err := client.Close(ctx, profile, client.Options{}); err != nil {
			return err
		}
	}
	return json.NewEncoder(os.Stdout).Encode(d)
}

// slowLine joins client and gate by a line of its own that takes so long one
// way, and returns the gate's address on it.
func slowLine(w *world, oneWay time.Duration) netip.Addr {
	w.t.Helper()
	a := tun(w, w.Client, "198.18.0.2/24")
	b := tun(w, w.Gate, "198.18.0.1/24")
	go carry(a, b, oneWay)
	go carry(b, a, oneWay)
	return netip.MustParseAddr("198.18.0.1")
}

// tun makes an interface whose packets are read and written here.
func tun(w *world, h *lab.Host, address string) *os.File {
	w.t.Helper()
	var fd int
	err := h.Do(func() (err error) {
		if fd, err = unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0); err != nil {
			return err
		}
		request, err := unix.NewIfreq("slow")
		if err != nil {
			return err
		}
		request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); err != nil {
			return err
		}
		link, err := netlink.LinkByName("slow")
		if err != nil {
			return err
		}
		return netlink.LinkSetUp(link)
	})
	if err == nil {
		err = h.AddAddress("slow", netip.MustParsePrefix(address))
	}
	if err != nil {
		w.t.Skipf("no tun interfaces here: %v", err)
	}
	file := os.NewFile(uintptr(fd), "tun")
	w.t.Cleanup(func() { file.Close() })
	return file
}

// carry moves packets, each as long after it came.
func carry(from, to *os.File, delay time.Duration) {
	type late struct {
		packet []byte
		due    time.Time
	}
	queue := make(chan late, 10_000)
	defer close(queue)
	go func() {
		for p := range queue {
			time.Sleep(time.Until(p.due))
			to.Write(p.packet)
		}
	}()
	buf := make([]byte, 1<<16)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		queue <- late{bytes.Clone(buf[:n]), time.Now().Add(delay)}
	}
}

// count counts the connections that a service on the gate gets.
func (w *world) count(port uint16) *atomic.Int32 {
	w.t.Helper()
	listener, err := w.Gate.Listen("tcp", fmt.Sprintf(":%d", port))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { listener.Close() })
	var n atomic.Int32
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			n.Add(1)
			conn.Close()
		}
	}()
	return &n
}

// farWorld is a client that has a line of 120 ms, there and back, to the gate,
// whose door tcp/22 counts its connections. tcp/2222 is open.
func farWorld(t *testing.T) (w *clientWorld, gate netip.Addr, accepted *atomic.Int32) {
	t.Helper()
	w = newClientWorld(t, lab.Options{}, func(w *clientWorld) {
		gate = slowLine(w.world, 60*time.Millisecond)
		accepted = w.count(22)
		w.count(2222)
	})
	w.profile("slow", gate.String())
	return w, gate, accepted
}

// dials runs the client that measures.
func (w *clientWorld) dials(gate netip.Addr, n int) (d dials) {
	w.t.Helper()
	self, err := os.Executable()
	if err != nil {
		w.t.Fatal(err)
	}
	cmd := w.Client.Command(w.t.Context(), self)
	cmd.Env = append(append(os.Environ(), w.env...), fmt.Sprintf("%s=%d %s:2222 %s:22", measureDials, n, gate, gate))
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err == nil {
		err = json.Unmarshal(out, &d)
	}
	if err != nil {
		w.t.Fatalf("%v\n%s", err, &errs)
	}
	return d
}

// A connection through a door is one connection, over a line on which the
// attempt leaves long before the answer to the knock. How long it took, beside
// a plain one, is in the log of the test (go test -v -run TestDialerConnectsOnce).
func TestDialerConnectsOnce(t *testing.T) {
	t.Parallel()
	const n = 20
	w, gate, accepted := farWorld(t)
	d := w.dials(gate, n)
	if len(d.Door) != n || accepted.Load() != n {
		t.Errorf("%d connections for %d wishes", accepted.Load(), len(d.Door))
	}
	for name, list := range map[string][]float64{"plain": d.Plain, "through a door": d.Door} {
		t.Logf("%-14s  p50 %.1f ms, p90 %.1f ms", name, quantile(list, 0.5), quantile(list, 0.9))
	}
}

// An attempt that came before the door was open is dropped. Once the door is
// open there is another one, and the service sees that one alone.
func TestDialerTriesOnceMore(t *testing.T) {
	t.Parallel()
	w, gate, accepted := farWorld(t)
	if err := w.daemon.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	daemon := w.daemon.Process
	time.AfterFunc(500*time.Millisecond, func() { daemon.Signal(syscall.SIGCONT) })
	d := w.dials(gate, 1)
	t.Logf("%+v", d)
	if accepted.Load() != 1 {
		t.Errorf("%d connections for one wish", accepted.Load())
	}
}

func quantile(list []float64, q float64) float64 {
	list = slices.Sorted(slices.Values(list))
	return list[min(int(q*float64(len(list))), len(list)-1)]
}
