//go:build linux

package conntrack

import (
	"context"
	"net/netip"
	"os"
	"testing"
	"time"

	"sallyport/internal/lab"
	"sallyport/internal/lab/labtest"
	"sallyport/internal/packet"
)

// watched begins to watch on the gate.
func watched(t *testing.T, l *lab.Lab, ports ...packet.Port) (*Watcher, <-chan Flow) {
	t.Helper()
	var w *Watcher
	err := l.Gate.Do(func() (err error) {
		w, err = NewWatcher(ports)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	flows := make(chan Flow, 100)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx, func(f Flow) { flows <- f }, func() {}) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w, flows
}

func next(t *testing.T, flows <-chan Flow) Flow {
	t.Helper()
	select {
	case f := <-flows:
		return f
	case <-time.After(10 * time.Second):
		t.Fatal("nothing is told")
		return Flow{}
	}
}

func TestWatch(t *testing.T) {
	l := labtest.New(t, lab.Options{})
	if err := l.Gate.Do(track); err != nil {
		t.Fatal(err)
	}
	counted := l.Gate.Do(func() error { return os.WriteFile("/proc/sys/net/netfilter/nf_conntrack_acct", []byte("1"), 0) }) == nil
	for _, at := range []string{"[::]:22", "[::]:80"} {
		if _, err := l.Gate.Greet(netip.MustParseAddrPort(at)); err != nil {
			t.Fatal(err)
		}
	}
	ssh := packet.Port{Proto: packet.TCP, Number: 22}
	w, flows := watched(t, l, packet.Port{Proto: packet.UDP, Number: 53}, ssh)

	// What nobody asked for comes first, and is not told.
	if _, err := l.Client.Probe("tcp", netip.AddrPortFrom(l.Client.Gate4, 80), time.Second); err != nil {
		t.Fatal(err)
	}
	for _, to := range []netip.Addr{l.Client.Gate4, l.Client.Gate6} {
		conn, _ := connect(t, l.Client, to)
		f := next(t, flows)
		if f.Ended || f.Port != ssh || f.Source != l.Client.IP4 && f.Source != l.Client.IP6 {
			t.Fatalf("told %+v", f)
		}
		if is := next(t, flows); !is.Answered || is.Name() != f.Name() {
			t.Fatalf("told %+v of an established connection", is)
		}
		conn.Close()
		// A flow that is over is forgotten after a while; this makes it now.
		if err := l.Gate.Do(func() error {
			_, err := Cut(func(Flow) bool { return true })
			return err
		}); err != nil {
			t.Fatal(err)
		}
		end := next(t, flows)
		for end.Answered { // once more, whenever something has happened
			end = next(t, flows)
		}
		if !end.Ended || end.ID != f.ID || end.Source != f.Source || end.Port != f.Port || counted && end.Bytes < 100 {
			t.Fatalf("told %+v after %+v", end, f)
		}
	}
	if err := w.SetPorts([]packet.Port{{Proto: packet.TCP, Number: 80}}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Client.Probe("tcp", netip.AddrPortFrom(l.Client.Gate4, 80), time.Second); err != nil {
		t.Fatal(err)
	}
	if f := next(t, flows); f.Port.Number != 80 {
		t.Errorf("after the ports have changed: %+v", f)
	}
}

// With more ports than the kernel is asked to look for, all is told.
func TestWatchManyPorts(t *testing.T) {
	l := labtest.New(t, lab.Options{})
	if err := l.Gate.Do(track); err != nil {
		t.Fatal(err)
	}
	var ports []packet.Port
	for i := range maxFiltered - 1 {
		ports = append(ports, packet.Port{Proto: packet.TCP, Number: uint16(1000 + 2*i)})
	}
	for n := range 900 { // one run, the last that the kernel is asked to look for
		ports = append(ports, packet.Port{Proto: packet.UDP, Number: uint16(n)})
	}
	w, flows := watched(t, l, ports...)
	for _, at := range []string{"[::]:22", "[::]:1001"} {
		if _, err := l.Gate.Greet(netip.MustParseAddrPort(at)); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		ports []packet.Port
		told  []uint16
	}{
		{ports, []uint16{22}},
		{append(ports, packet.Port{Proto: packet.TCP, Number: 2000}), []uint16{1001, 22}},
	} {
		if err := w.SetPorts(c.ports); err != nil {
			t.Fatal(err)
		}
		for _, port := range []uint16{1001, 22} {
			if _, err := l.Client.Probe("tcp", netip.AddrPortFrom(l.Client.Gate4, port), 10*time.Second); err != nil {
				t.Fatal(err)
			}
		}
		for _, want := range c.told {
			f := next(t, flows)
			for f.Ended || f.Answered { // of the case before
				f = next(t, flows)
			}
			if f.Port.Number != want {
				t.Errorf("told %+v, want port %d", f, want)
			}
		}
	}
}

// What does not fit is missed, and that is told, so that someone can look again.
func TestWatchTellsOfWhatItHasMissed(t *testing.T) {
	l := labtest.New(t, lab.Options{})
	if err := l.Gate.Do(track); err != nil {
		t.Fatal(err)
	}
	var w *Watcher
	err := l.Gate.Do(func() (err error) {
		if w, err = NewWatcher([]packet.Port{{Proto: packet.UDP, Number: 53}}); err == nil {
			err = w.conn.SetReadBuffer(1) // the kernel's least
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for range 200 { // nobody reads yet
		conn, err := l.Client.Dial(t.Context(), "udp", netip.AddrPortFrom(l.Client.Gate4, 53).String())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = conn.Write([]byte("x"))
		conn.Close()
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	lost := false
	if err := w.Run(ctx, func(Flow) {}, func() { lost = true; cancel() }); err != nil || !lost {
		t.Errorf("lost %t, error %v", lost, err)
	}
}

// Only what both sides want is answered: for TCP more than the answer to a first
// packet, which anybody can send in another's name.
func TestWatchTellsOfAnswers(t *testing.T) {
	l := labtest.New(t, lab.Options{})
	if err := l.Gate.Do(track); err != nil {
		t.Fatal(err)
	}
	tcp := func(n uint16) packet.Port { return packet.Port{Proto: packet.TCP, Number: n} }
	dns := packet.Port{Proto: packet.UDP, Number: 53}
	_, flows := watched(t, l, tcp(22), tcp(23), dns)
	if _, err := l.Gate.Greet(netip.MustParseAddrPort("[::]:22")); err != nil {
		t.Fatal(err)
	}
	server, err := l.Gate.ListenPacket("udp4", l.Client.Gate4.String()+":53")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	client, err := l.Client.Dial(t.Context(), "udp4", l.Client.Gate4.String()+":53")
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := client.Write([]byte("?")); err != nil {
		t.Fatal(err)
	}
	if f := next(t, flows); f.Port != dns || f.Answered {
		t.Errorf("told %+v of a datagram", f)
	}
	if _, err := l.Client.Probe("tcp", netip.AddrPortFrom(l.Client.Gate4, 23), 10*time.Second); err != nil { // is refused
		t.Fatal(err)
	}
	if f := next(t, flows); f.Port != tcp(23) || f.Answered {
		t.Errorf("told %+v of a SYN", f)
	}
	if _, err := l.Client.Probe("tcp", netip.AddrPortFrom(l.Client.Gate4, 22), 10*time.Second); err != nil {
		t.Fatal(err)
	}
	f := next(t, flows)
	for f.Ended || f.Port == tcp(22) && !f.Answered {
		f = next(t, flows)
	}
	if f.Port != tcp(22) {
		t.Errorf("told %+v, want the connection", f)
	}
	question := make([]byte, 1)
	_, from, err := server.ReadFrom(question)
	if err == nil {
		_, err = server.WriteTo(question, from)
	}
	if err != nil {
		t.Fatal(err)
	}
	for f = next(t, flows); f.Port != dns; f = next(t, flows) {
	}
	if !f.Answered {
		t.Errorf("told %+v of the answer", f)
	}
}
