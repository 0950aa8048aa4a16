//go:build linux && !client_only

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
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
	"sallyport/internal/lab/labtest"
)

// measureDials in the environment makes the test binary a client that measures
// connections with and without a door: "COUNT PLAIN-ADDRESS DOOR-ADDRESS".
const measureDials = "SALLYPORT_TEST_DIALS"

// dials is how long connections took, in milliseconds.
type dials struct {
	Plain  []float64 // without a door
	Door   []float64 // with a Dialer
	InTurn []float64 // begun when the knock had been answered
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
	inTurn := func(ctx context.Context, network, address string) (net.Conn, error) {
		if _, err := client.Knock(ctx, profile, client.Options{}); err != nil {
			return nil, err
		}
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	var d dials
	for range n {
		for _, way := range []struct {
			list    *[]float64
			dial    func(context.Context, string, string) (net.Conn, error)
			address string
		}{{&d.Plain, new(net.Dialer).DialContext, plain}, {&d.Door, (&client.Dialer{Profile: profile}).DialContext, door}, {&d.InTurn, inTurn, door}} {
			ms, err := took(way.dial, way.address)
			if err != nil {
				return err
			}
			*way.list = append(*way.list, ms)
			if _, err := client.Close(ctx, profile, client.Options{}); err != nil {
				return err
			}
		}
	}
	return json.NewEncoder(os.Stdout).Encode(d)
}

// farLine is a way for packets between two hosts.
type farLine struct {
	delay time.Duration // one way
	lost  float64       // the share of packets that never arrive
	late  float64       // the share that later ones overtake: they take 10 ms longer
}

// join joins client and gate by a line of its own, and returns the gate's address on it.
func (l farLine) join(w *world) netip.Addr {
	w.t.Helper()
	a := tun(w, w.Client, "198.18.0.2/24")
	b := tun(w, w.Gate, "198.18.0.1/24")
	go l.carry(a, b)
	go l.carry(b, a)
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
func (l farLine) carry(from, to *os.File) {
	type packet struct {
		bytes []byte
		due   time.Time
	}
	queue := make(chan packet, 10_000)
	defer close(queue)
	go func() {
		for p := range queue {
			time.Sleep(time.Until(p.due))
			to.Write(p.bytes)
		}
	}()
	buf := make([]byte, 1<<16)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		p := packet{bytes.Clone(buf[:n]), time.Now().Add(l.delay)}
		switch chance := rand.Float64(); {
		case chance < l.lost:
		case chance < l.lost+l.late:
			time.AfterFunc(l.delay+10*time.Millisecond, func() { to.Write(p.bytes) })
		default:
			queue <- p
		}
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

// farWorld is a client that has a long line to the gate, whose door tcp/22 counts
// its connections. tcp/2222 is open.
func farWorld(t *testing.T, l farLine) (w *clientWorld, gate netip.Addr, accepted *atomic.Int32) {
	t.Helper()
	w = newClientWorld(t, lab.Options{}, func(w *clientWorld) {
		gate = l.join(w.world)
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
// attempt leaves long before the answer to the knock, whatever the line loses or
// turns round. How long it took, beside a plain one, and one that waits for the
// answer to the knock, is in the log of the test
// (SALLYPORT_LONG=1 go test -v -run TestDialerConnectsOnce).
func TestDialerConnectsOnce(t *testing.T) {
	t.Parallel()
	n, lines := labtest.Rounds(5, 20), []farLine{{delay: 60 * time.Millisecond}}
	if labtest.Long() {
		lines = append(lines, farLine{delay: 60 * time.Millisecond, lost: 0.05}, farLine{delay: 60 * time.Millisecond, late: 0.25})
	}
	for _, l := range lines {
		t.Run(fmt.Sprintf("%.0f%% lost, %.0f%% late", 100*l.lost, 100*l.late), func(t *testing.T) {
			t.Parallel()
			w, gate, accepted := farWorld(t, l)
			d := w.dials(gate, n)
			if len(d.Door) != n || int(accepted.Load()) != 2*n {
				t.Errorf("%d connections for %d wishes", accepted.Load(), 2*n)
			}
			for _, way := range []struct {
				name string
				list []float64
			}{{"plain", d.Plain}, {"through a door", d.Door}, {"in turn", d.InTurn}} {
				t.Logf("%-14s  p50 %.1f ms, p90 %.1f ms", way.name, quantile(way.list, 0.5), quantile(way.list, 0.9))
			}
		})
	}
}

// An attempt that came before the door was open is dropped. Once the door is
// open there is another one, and the service sees that one alone.
func TestDialerTriesOnceMore(t *testing.T) {
	t.Parallel()
	w, gate, accepted := farWorld(t, farLine{delay: 60 * time.Millisecond})
	w.halt()
	daemon := w.daemon.Process
	time.AfterFunc(500*time.Millisecond, func() { daemon.Signal(syscall.SIGCONT) })
	d := w.dials(gate, 1)
	t.Logf("%+v", d)
	if accepted.Load() != 2 { // one is in turn
		t.Errorf("%d connections for two wishes", accepted.Load())
	}
}

func quantile(list []float64, q float64) float64 {
	list = slices.Sorted(slices.Values(list))
	return list[min(int(q*float64(len(list))), len(list)-1)]
}
