package crowded

import (
	"net"
	"sync/atomic"
	"testing"
	"time"
)

// room is a listener on loopback, with what has been accepted.
type room struct {
	t        *testing.T
	l        net.Listener
	accepted chan net.Conn
	full     atomic.Int64
}

func newRoom(t *testing.T, most, perSource int) *room {
	t.Helper()
	raw, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &room{t: t, accepted: make(chan net.Conn, 1000)}
	r.l = Listen(raw, Limits{Most: most, PerSource: perSource, Full: func() { r.full.Add(1) }})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := r.l.Accept()
			if err != nil {
				return
			}
			r.accepted <- c
		}
	}()
	t.Cleanup(func() { r.l.Close(); <-done })
	return r
}

// come connects from an address and returns both ends.
func (r *room) come(from string) (outside, inside net.Conn) {
	r.t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	outside, err := d.Dial("tcp", r.l.Addr().String())
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { outside.Close() })
	select {
	case inside = <-r.accepted:
		r.t.Cleanup(func() { inside.Close() })
	case <-time.After(patience):
		r.t.Fatal("it was not let in")
	}
	return outside, inside
}

// ended reports whether the other side has closed a connection.
func ended(c net.Conn, within time.Duration) bool {
	_ = c.SetReadDeadline(time.Now().Add(within))
	_, err := c.Read(make([]byte, 1))
	timeout, ok := err.(net.Error)
	return err != nil && !(ok && timeout.Timeout())
}

const (
	patience = 10 * time.Second
	moment   = 20 * time.Millisecond
)

func TestTheOldestSilentOneMakesRoom(t *testing.T) {
	r := newRoom(t, 3, 0)
	first, inside := r.come("127.0.0.1")
	Prove(inside)
	second, _ := r.come("127.0.0.1")
	third, _ := r.come("127.0.0.1")
	if r.full.Load() != 0 {
		t.Error("it is full with three of three")
	}
	r.come("127.0.0.1")
	if !ended(second, patience) || r.full.Load() != 1 {
		t.Errorf("the oldest silent one stayed, or it was reported %d times", r.full.Load())
	}
	if ended(first, moment) || ended(third, moment) {
		t.Error("another one than the oldest silent one had to go")
	}
}

func TestWhoHasProvedStays(t *testing.T) {
	r := newRoom(t, 2, 0)
	for range 2 {
		_, inside := r.come("127.0.0.1")
		Prove(inside)
	}
	late, err := net.Dial("tcp", r.l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer late.Close()
	if !ended(late, patience) || len(r.accepted) != 0 {
		t.Error("one too many got in")
	}
}

// Someone who may be there cannot keep out the others, by however many connections: not
// from the same address, as all have who come through one tunnel.
func TestWhoHasMostMakesRoom(t *testing.T) {
	for _, perSource := range []int{0, ofOwner + 4} {
		r := newRoom(t, ofOwner+4, perSource)
		var of [2][]net.Conn
		for n := range ofOwner + 4 {
			outside, inside := r.come("127.0.0.1")
			who := min(n/2, 1) // two of the one, and then those of the other
			ProveOf(inside, []string{"alice", "bob"}[who])
			of[who] = append(of[who], outside)
		}
		for n := range 2 {
			_, inside := r.come("127.0.0.1")
			ProveOf(inside, "carol")
			if !ended(of[1][n], patience) {
				t.Errorf("the oldest of bob's %d stayed", len(of[1]))
			}
		}
		for _, c := range append(of[0], of[1][2:]...) {
			if ended(c, moment) {
				t.Error("another one than the oldest of the one who has most had to go")
			}
		}
		late, err := net.Dial("tcp", r.l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer late.Close()
		if !ended(late, patience) || len(r.accepted) != 0 {
			t.Error("someone with few had to make room")
		}
	}
}

// One source can neither take all places nor push out others.
func TestOneSourceHasItsShare(t *testing.T) {
	r := newRoom(t, 100, 2)
	honest, _ := r.come("127.0.0.2")
	for range 20 {
		r.come("127.0.0.1")
	}
	if ended(honest, moment) {
		t.Error("another source had to go")
	}
	l := r.l.(*listener)
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.all) != 3 || len(l.from) != 2 {
		t.Errorf("%d connections of %d sources, want 3 of 2", len(l.all), len(l.from))
	}
}

func TestPlacesAreGivenBack(t *testing.T) {
	r := newRoom(t, 2, 1)
	for range 10 {
		_, inside := r.come("127.0.0.1")
		inside.Close()
		inside.Close() // once more does nothing
	}
	if l := r.l.(*listener); len(l.all) != 0 || len(l.from) != 0 || r.full.Load() != 0 {
		t.Errorf("%d connections, %d sources, full %d times", len(l.all), len(l.from), r.full.Load())
	}
}
