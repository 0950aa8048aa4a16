//go:build linux

package capture

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"sallyport/internal/lab"
	"sallyport/internal/lab/labtest"
	"sallyport/internal/packet"
)

func TestMain(m *testing.M) { labtest.Main(m) }

const patience = 5 * time.Second

// watcher runs a capture on the gate and gathers what it delivers.
type watcher struct {
	*Live
	t    *testing.T
	seen chan packet.Packet
	stop chan struct{}
	done chan error
}

func watch(t *testing.T, l *lab.Lab, opts Options) *watcher {
	t.Helper()
	w := &watcher{t: t, seen: make(chan packet.Packet, 1000), stop: make(chan struct{}), done: make(chan error)}
	err := l.Gate.Do(func() (err error) { w.Live, err = Open(opts); return err })
	if err != nil {
		t.Fatal(err)
	}
	go w.run()
	t.Cleanup(func() {
		close(w.stop)
		w.Wake()
		if err := errors.Join(<-w.done, w.Close()); err != nil {
			t.Error(err)
		}
	})
	return w
}

func (w *watcher) run() {
	for {
		select {
		case <-w.stop:
			w.done <- nil
			return
		default:
		}
		err := w.Receive(func(_ time.Time, in int, ip []byte) {
			var p packet.Packet
			if p.Decode(ip) == nil {
				p.Length, p.In = len(ip), in
				p.Payload = slices.Clone(p.Payload)
				w.seen <- p
			}
		})
		if err != nil {
			w.done <- err
			return
		}
	}
}

// next waits for one packet.
func (w *watcher) next() packet.Packet {
	w.t.Helper()
	select {
	case p := <-w.seen:
		return p
	case <-time.After(patience):
		w.t.Fatal("no packet arrives")
		return packet.Packet{}
	}
}

func send(t *testing.T, h *lab.Host, port packet.Port, to netip.Addr, payload int) {
	t.Helper()
	conn, err := h.Dial(t.Context(), port.Proto.String(), netip.AddrPortFrom(to, port.Number).String())
	if err != nil {
		if port.Proto == packet.TCP && errors.Is(err, unix.ECONNREFUSED) {
			return
		}
		t.Fatal(err)
	}
	defer conn.Close()
	if port.Proto == packet.UDP {
		if _, err := conn.Write(make([]byte, payload)); err != nil {
			t.Fatal(err)
		}
	}
}

func tcp(n uint16) packet.Port { return packet.Port{Proto: packet.TCP, Number: n} }
func udp(n uint16) packet.Port { return packet.Port{Proto: packet.UDP, Number: n} }

func TestCapture(t *testing.T) {
	l := labtest.New(t, lab.Options{})
	w := watch(t, l, Options{Filter: Filter{TCP: portsOf(7000), UDP: portsOf(8000, 8001), SPAPort: 40321}})
	for _, h := range []*lab.Host{l.Client, l.Attacker} {
		link := index(t, l.Gate, "to-"+h.Name)
		for _, to := range []netip.Addr{h.Gate4, h.Gate6} {
			for _, port := range []packet.Port{tcp(7000), udp(8000)} {
				send(t, h, tcp(7001), to, 0) // not watched
				send(t, h, port, to, 3)
				if p := w.next(); p.Dst != to || p.Port() != port || p.In != link {
					t.Errorf("%s to %s, by interface %d: saw %+v", port, to, link, p)
				}
			}
		}
	}
	send(t, l.Client, udp(40321), l.Client.Gate6, 1232)
	if p := w.next(); len(p.Payload) != 1232 {
		t.Errorf("an SPA message of 1232 bytes arrives with %d", len(p.Payload))
	}
}

// index finds the number of a host's interface.
func index(t *testing.T, h *lab.Host, name string) (n int) {
	t.Helper()
	err := h.Do(func() error {
		link, err := net.InterfaceByName(name)
		if err == nil {
			n = link.Index
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestOwnTrafficIsNotCaptured(t *testing.T) {
	l := labtest.New(t, lab.Options{})
	w := watch(t, l, Options{Filter: Filter{UDP: portsOf(8000)}})
	send(t, l.Gate, udp(8000), l.Client.IP4, 1)               // outgoing
	send(t, l.Gate, udp(8000), netip.MustParseAddr("::1"), 1) // loopback
	send(t, l.Gate, udp(8000), l.Gate.IP4, 1)                 // to itself
	send(t, l.Gate, udp(8000), netip.MustParseAddr("127.0.0.1"), 1)
	send(t, l.Client, udp(8000), l.Client.Gate4, 1)
	if p := w.next(); p.Src != l.Client.IP4 {
		t.Errorf("saw %+v before what came from outside", p)
	}
}

func TestInterfacesThatComeAndGo(t *testing.T) {
	l := labtest.New(t, lab.Options{})
	w := watch(t, l, Options{Filter: Filter{UDP: portsOf(8000)}})
	for _, break_ := range []func(*lab.Host) error{l.Disconnect, l.Remove} {
		if err := break_(l.Client); err != nil {
			t.Fatal(err)
		}
		if err := l.Connect(l.Client); err != nil {
			t.Fatal(err)
		}
		send(t, l.Client, udp(8000), l.Client.Gate4, 1)
		if p := w.next(); p.Src != l.Client.IP4 {
			t.Errorf("saw %+v", p)
		}
	}
}

func TestSetFilter(t *testing.T) {
	l := labtest.New(t, lab.Options{})
	var live *Live
	if err := l.Gate.Do(func() (err error) { live, err = Open(Options{Filter: Filter{UDP: portsOf(8000)}}); return err }); err != nil {
		t.Fatal(err)
	}
	defer live.Close()
	receive := func() (ports []uint16) {
		t.Helper()
		live.Wake()
		if err := live.Receive(func(_ time.Time, _ int, ip []byte) {
			var p packet.Packet
			if p.Decode(ip) == nil {
				ports = append(ports, p.DstPort)
			}
		}); err != nil {
			t.Fatal(err)
		}
		return ports
	}
	for _, c := range []struct {
		filter Filter
		want   []uint16
	}{
		{Filter{UDP: portsOf(8001)}, []uint16{8001}},
		{Filter{UDP: portsOf(8001), SPAPort: 8002}, []uint16{8001, 8002}},
		{Filter{SPAPort: 8000}, []uint16{8000}},
		{Filter{}, nil},
		{Filter{UDP: portsOf(8000), SPAPort: 8001}, []uint16{8000, 8001}},
	} {
		err := l.Gate.Do(func() error { return live.SetFilter(c.filter) })
		if err != nil {
			t.Fatal(err)
		}
		for n := uint16(8000); n < 8003; n++ {
			send(t, l.Client, udp(n), l.Client.Gate4, 1)
		}
		if got := receive(); !slices.Equal(got, c.want) {
			t.Errorf("%+v: saw %v, want %v", c.want, got, c.want)
		}
	}
}

func TestLossIsCounted(t *testing.T) {
	l := labtest.New(t, lab.Options{})
	var live *Live
	if err := l.Gate.Do(func() (err error) {
		live, err = Open(Options{Filter: Filter{UDP: portsOf(8000)}, KnockBlocks: 1})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	defer live.Close()
	conn, err := l.Client.Dial(t.Context(), "udp", netip.AddrPortFrom(l.Client.Gate4, 8000).String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	const room = blockSize / knockFrame
	for range room + 100 {
		// The closed port answers with ICMP, which the next write reports.
		_, _ = conn.Write([]byte{0})
	}
	stats, err := live.Stats()
	if err != nil || stats["knocks"].Lost < 50 || stats["knocks"].Received-stats["knocks"].Lost > room {
		t.Errorf("%+v, %v", stats, err)
	}
	handled := 0
	for range room/batch + 1 {
		live.Wake()
		if err := live.Receive(func(time.Time, int, []byte) { handled++ }); err != nil {
			t.Fatal(err)
		}
	}
	if stats, err = live.Stats(); err != nil || handled+int(stats["knocks"].Late) != room {
		t.Errorf("handled %d packets, the ring holds %d (%+v, %v)", handled, room, stats, err)
	}
}

// A knock counts with the time at which it arrived, not with that at which the
// reader comes to it.
func TestTimeOfArrival(t *testing.T) {
	l := labtest.New(t, lab.Options{})
	var live *Live
	if err := l.Gate.Do(func() (err error) {
		live, err = Open(Options{Filter: Filter{UDP: portsOf(8000)}})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	defer live.Close()
	var arrived [2]time.Time // by when each was there
	sent := time.Now()
	for i := range arrived {
		send(t, l.Client, udp(8000), l.Client.Gate4, 1)
		for deadline := time.Now().Add(patience); ; {
			stats, err := live.Stats()
			if err != nil || time.Now().After(deadline) {
				t.Fatalf("%+v, %v", stats, err)
			}
			if stats["knocks"].Received > uint64(i) {
				break
			}
		}
		arrived[i] = time.Now()
		time.Sleep(50 * time.Millisecond) // so that a time of reading is seen to be none of these
	}
	var got []time.Time
	if err := live.Receive(func(now time.Time, _ int, _ []byte) { got = append(got, now) }); err != nil {
		t.Fatal(err)
	}
	const grain = 5 * time.Millisecond // of the kernel's clock, at worst
	if len(got) != 2 || got[0].After(arrived[0].Add(grain)) || got[1].After(arrived[1].Add(grain)) || got[0].Before(sent.Add(-grain)) || got[1].Before(arrived[0]) {
		t.Errorf("sent %v, there by %v, received with %v", sent, arrived, got)
	}
}

// What has waited for long does not count, and a clock that was set back, or a
// kernel without stamps, makes nothing old.
func TestStaleKnocks(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		name  string
		stamp time.Time
		timed bool
		age   time.Duration // -1: dropped
	}{
		{"just now", now, true, 0},
		{"a second ago", now.Add(-time.Second), true, time.Second},
		{"as old as may be", now.Add(-stale), true, stale},
		{"older", now.Add(-stale - time.Microsecond), true, -1},
		{"an hour ago", now.Add(-time.Hour), true, -1},
		{"in an hour", now.Add(time.Hour), true, 0},
		{"no stamp", time.Unix(0, 0), true, 0},
		{"time since the start", time.Unix(86_400, 0), true, 0},
		{"a message", now.Add(-time.Hour), false, 0},
	} {
		r := &ring{memory: make([]byte, blockSize), frameSize: knockFrame, timed: c.timed}
		f := r.frame(0)
		f[offStatus], f[offSnaplen], f[offNet] = statusUser, 40, overhead
		binary.NativeEndian.PutUint32(f[offSec:], uint32(c.stamp.Unix()))
		binary.NativeEndian.PutUint32(f[offNsec:], uint32(c.stamp.Nanosecond()))
		got := time.Duration(-1)
		if n := r.receive(batch, now, func(at time.Time, _ int, _ []byte) { got = now.Sub(at) }); n != 1 || f.ready() {
			t.Errorf("%s: the frame was not taken", c.name)
		}
		if got != c.age || r.count.Late != map[bool]uint64{true: 1}[c.age < 0] {
			t.Errorf("%s: %s old, want %s (%+v)", c.name, got, c.age, r.count)
		}
	}
}

func TestReceiveDoesNotAllocate(t *testing.T) {
	r := &ring{memory: make([]byte, blockSize), frameSize: knockFrame, timed: true}
	fill := func() {
		for i := range batch {
			f := r.frame((r.next + i) % r.frames())
			f[offStatus], f[offSnaplen], f[offNet] = statusUser, 40, overhead
		}
	}
	handle := func(time.Time, int, []byte) {}
	if n := testing.AllocsPerRun(100, func() { fill(); r.receive(batch, time.Time{}, handle) }); n != 0 {
		t.Errorf("%v allocations for a batch, want none", n)
	}
}

func TestWithoutTheRight(t *testing.T) {
	if _, err := newRing("knocks", 1, 1, func(r *ring) error { return r.setFilter([]bpf.Instruction{drop()}) }); err == nil {
		t.Error("a ring with frames of one byte was made")
	}
	if hint := remedy(unix.EPERM); hint == "" {
		t.Error("no remedy for a missing capability")
	}
}

func BenchmarkReceive(b *testing.B) {
	r := &ring{memory: make([]byte, blockSize), frameSize: knockFrame, timed: true}
	now := time.Now()
	var p packet.Packet
	ip := craft(a4, b4, packet.TCP, 7000, packet.SYN, 0)
	handle := func(_ time.Time, _ int, ip []byte) { _ = p.Decode(ip) }
	b.ReportAllocs()
	for i := 0; i < b.N; i += batch {
		for j := range batch {
			f := r.frame((r.next + j) % r.frames())
			f[offStatus], f[offSnaplen], f[offNet] = statusUser, 40, overhead
			binary.NativeEndian.PutUint32(f[offSec:], uint32(now.Unix()))
			copy(f[overhead:], ip)
		}
		r.receive(batch, now, handle)
	}
}
