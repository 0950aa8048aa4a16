package client

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"
)

// silent knocks where nobody answers, and remembers what is given back.
type silent struct {
	touch bool

	mu   sync.Mutex
	back []*leg
	over chan struct{}
}

func (s *silent) addrs() []netip.Addr { return nil }
func (s *silent) touched() bool       { return s.touch }
func (s *silent) head() time.Duration { return time.Millisecond }
func (s *silent) done()               { close(s.over) }

func (s *silent) knock(ctx context.Context, l *leg) (Result, error) {
	l.hasLeft.Store(true)
	l.signal()
	<-ctx.Done()
	return Result{}, ctx.Err()
}

func (s *silent) giveBack(l *leg) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.back = append(s.back, l)
	left := make(chan struct{})
	close(left)
	return left
}

// Where the first family does not work, the second wins, and what the first may
// have opened is given back; but not where it has the same source.
func TestTheLoserGivesBack(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	here, other := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("2001:db8::1")
	to := func(l net.Listener, source netip.Addr) *leg {
		return &leg{source: source, target: l.Addr().(*net.TCPAddr).AddrPort(), left: make(chan struct{}, 1), dial: dialFrom}
	}
	for _, first := range []netip.Addr{other, here} {
		s := &silent{over: make(chan struct{})}
		lost, won := to(closed, first), to(listener, here)
		begun := time.Now()
		conn, err := race(t.Context(), s, []*leg{lost, won})
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
		if time.Since(begun) < stagger(1) {
			t.Error("the second family did not wait")
		}
		<-s.over // the loser has ended
		if want := first == other; want != (len(s.back) == 1) {
			t.Errorf("source %s: gave back %d", first, len(s.back))
		}
	}
}

// inTurn has IPv6 first, and no more than two of a family.
func TestInTurn(t *testing.T) {
	var addrs []netip.Addr
	for _, a := range []string{"192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::1"} {
		addrs = append(addrs, netip.MustParseAddr(a))
	}
	want := []string{"2001:db8::1", "192.0.2.1", "192.0.2.2"}
	got := inTurn(addrs)
	if len(got) != len(want) {
		t.Fatalf("got %v", got)
	}
	for i := range want {
		if got[i].String() != want[i] {
			t.Errorf("got %v, want %v", got, want)
		}
	}
}
