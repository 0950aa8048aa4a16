package client_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"sallyport/client"
	"sallyport/internal/key"
	"sallyport/internal/spa"
)

// known starts a server and an agent with the key of a client that it knows.
func known(t testing.TB) *server {
	t.Helper()
	home(t)
	private, public := newKey(t)
	runAgent(t, holding(t, private))
	return newServer(t, key.Hybrid, public)
}

func hint(err error) string {
	var hinted interface{ Hint() string }
	if errors.As(err, &hinted) {
		return hinted.Hint()
	}
	return ""
}

func TestKnock(t *testing.T) {
	s := known(t)
	before := time.Now()
	r, err := client.Knock(t.Context(), s.profile(), client.Options{For: 20 * time.Second, Single: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Grants) != 1 {
		t.Fatalf("got %+v", r)
	}
	g := r.Grants[0]
	if g.Door != "ssh" || g.Source.String() != "127.0.0.1" || g.For != 20*time.Second || !g.Single || g.Server.Addr().String() != "127.0.0.1" {
		t.Errorf("got %+v", g)
	}
	if g.Until.Before(before.Add(g.For)) || g.Until.After(time.Now().Add(g.For)) {
		t.Errorf("until %v", g.Until)
	}
	if r.Took <= 0 || r.Took > 2*time.Second || r.Clock.Abs() > 2*time.Second {
		t.Errorf("took %v, clock %v", r.Took, r.Clock)
	}
	if m := s.messages(); len(m) != 1 || m[0].Header.Bound || m[0].Header.Seconds != 20 {
		t.Errorf("the server got %+v", m)
	}
}

func TestCloseGivesTheGrantBack(t *testing.T) {
	s := known(t)
	r, err := client.Close(t.Context(), s.profile(), client.Options{For: time.Minute, Single: true})
	if err != nil || len(r.Grants) != 1 || r.Grants[0].Door != "ssh" || r.Grants[0].For != 0 {
		t.Fatalf("got %+v, %v", r, err)
	}
	if h := s.messages()[0].Header; h.Op != spa.Close {
		t.Errorf("sent %+v", h)
	}
}

// A server is silent about doors that a client may not open, so the client
// says what it knows.
func TestKnockAtADoorThatTheProfileDoesNotHave(t *testing.T) {
	s := known(t)
	_, err := client.Knock(t.Context(), s.profile(), client.Options{Doors: []string{"nosuch"}})
	if h := (interface{ Hint() string })(nil); err == nil || !errors.As(err, &h) || !strings.Contains(h.Hint(), "fetch the profile again") {
		t.Errorf("%v", err)
	}
	if n := len(s.messages()); n != 0 {
		t.Errorf("sent %d messages", n)
	}
}

func TestKnockAtSeveralDoors(t *testing.T) {
	s := known(t)
	p := s.profile()
	p.Doors = []string{"ssh", "db", "web"}
	r, err := client.Knock(t.Context(), p, client.Options{Doors: []string{"db", "web"}})
	if err != nil || len(r.Grants) != 2 {
		t.Fatalf("got %+v, %v", r, err)
	}
	if names := []string{r.Grants[0].Door, r.Grants[1].Door}; !slices.Equal(names, []string{"db", "web"}) {
		t.Errorf("opened %q", names)
	}
}

func TestDefaultDoorsAreUpToTheServer(t *testing.T) {
	s := known(t)
	p := s.profile()
	p.Doors = nil
	r, err := client.Knock(t.Context(), p, client.Options{})
	if err != nil || len(r.Grants) != 1 || len(r.Grants[0].Door) != 8 { // in hex: nobody has told its name
		t.Fatalf("got %+v, %v", r, err)
	}
	if s.messages()[0].Header.Door != [4]byte{} {
		t.Error("a door was named")
	}
}

// Anyone who is on the way can send datagrams; none of them is an answer, and none
// keeps the real one from being heard.
func TestJunkIsNoAnswer(t *testing.T) {
	s := known(t)
	s.answer(func(n int, m *spa.Message, source netip.AddrPort) [][]byte {
		real := s.grant(n, m, source)[0]
		bent := slices.Clone(real)
		bent[40] ^= 1
		return [][]byte{{}, {0}, make([]byte, len(real)), bent, slices.Concat(real, []byte{0}), make([]byte, 60000), real}
	})
	if _, err := client.Knock(t.Context(), s.profile(), client.Options{}); err != nil {
		t.Fatal(err)
	}
	s.answer(func(n int, m *spa.Message, source netip.AddrPort) [][]byte {
		return s.grant(n, m, source)[:0]
	})
	if _, err := client.Knock(t.Context(), s.profile(), client.Options{Timeout: 50 * time.Millisecond}); !errors.As(err, new(*client.NoAnswerError)) {
		t.Errorf("got %v", err)
	}
}

func TestRetriesAreNewMessages(t *testing.T) {
	s := known(t)
	s.answer(func(n int, m *spa.Message, source netip.AddrPort) [][]byte {
		if n == 1 {
			return nil // lost
		}
		return s.grant(n, m, source)
	})
	if _, err := client.Knock(t.Context(), s.profile(), client.Options{}); err != nil {
		t.Fatal(err)
	}
	if m := s.messages(); len(m) != 2 || m[0].Nonce == m[1].Nonce {
		t.Errorf("the server got %d messages: want two different ones", len(m))
	}
}

// The answer to the first try is as good when it comes after the second.
func TestLateAnswer(t *testing.T) {
	s := known(t)
	var late []byte
	s.answer(func(n int, m *spa.Message, source netip.AddrPort) [][]byte {
		if n == 1 {
			late = s.grant(n, m, source)[0]
			return nil
		}
		return [][]byte{late}
	})
	r, err := client.Knock(t.Context(), s.profile(), client.Options{})
	if err != nil || r.Took < 200*time.Millisecond {
		t.Errorf("got %+v, %v", r, err)
	}
}

func TestRefusal(t *testing.T) {
	s := known(t)
	for _, reason := range []spa.Reason{spa.UnknownDoor, spa.ForbiddenDoor, spa.ForbiddenFrom, spa.KeyExpired, spa.WrongAddress, spa.NotOpened} {
		s.answer(func(_ int, m *spa.Message, source netip.AddrPort) [][]byte {
			return [][]byte{s.ack(m, spa.Ack{Status: spa.Refused, Reason: reason, Time: time.Now(), Source: source.Addr()})}
		})
		r, err := client.Knock(t.Context(), s.profile(), client.Options{})
		var refused *client.RefusedError
		if !errors.As(err, &refused) || refused.Reason != string(reason) || refused.Door != "ssh" || len(r.Grants) > 0 {
			t.Errorf("%s: got %+v, %v", reason, r, err)
		} else if strings.Contains(err.Error(), string(reason)) || hint(err) == "ask the administrator" {
			t.Errorf("%s has no words of its own: %v", reason, err)
		}
	}
}

// A closed port answers with ICMP on loopback. So does a server's port on many
// hosts, and it still takes messages: the answer ends nothing.
func TestNoAnswer(t *testing.T) {
	s := known(t)
	p := s.profile()
	s.conn.Close()
	start := time.Now()
	_, err := client.Knock(t.Context(), p, client.Options{Timeout: 700 * time.Millisecond})
	var none *client.NoAnswerError
	if !errors.As(err, &none) || none.Tries != 2 || len(none.Asked) != 1 || !errors.Is(err, syscall.ECONNREFUSED) {
		t.Fatalf("got %+v", err)
	}
	if waited := time.Since(start); waited < 700*time.Millisecond || none.Waited < 700*time.Millisecond || none.Waited > waited {
		t.Errorf("gave up after %v, says %v", waited, none.Waited)
	}
	for _, word := range []string{"closed port", "clock", "new key", "does not know", "sallyport doctor office"} {
		if !strings.Contains(hint(err), word) {
			t.Errorf("the hint does not speak of %q:\n%s", word, hint(err))
		}
	}
}

func TestUnreachable(t *testing.T) {
	s := known(t)
	tests := map[string]struct {
		host, want string
	}{
		"does not resolve": {"no-such-host.invalid", "does not resolve"},
		"no route":         {"2001:db8::1", "nothing could be sent"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if name == "no route" {
				if conn, err := net.Dial("udp", "[2001:db8::1]:9"); err == nil {
					conn.Close()
					t.Skip("this host has an IPv6 route")
				}
			}
			p := s.profile()
			p.Host = test.host
			_, err := client.Knock(t.Context(), p, client.Options{Timeout: 50 * time.Millisecond})
			if err == nil || !strings.Contains(err.Error(), test.want) || hint(err) == "" {
				t.Errorf("got %v (hint: %s)", err, hint(err))
			}
		})
	}
}

func TestBinding(t *testing.T) {
	s := known(t)
	p := s.profile()
	p.Bind = []netip.Addr{netip.MustParseAddr("192.0.2.99"), netip.MustParseAddr("2001:db8::1")}
	if _, err := client.Knock(t.Context(), p, client.Options{Timeout: 50 * time.Millisecond}); !errors.As(err, new(*client.NoAnswerError)) {
		t.Errorf("bound to another address: got %v", err)
	}
	p.Bind[0] = netip.MustParseAddr("127.0.0.1")
	if _, err := client.Knock(t.Context(), p, client.Options{}); err != nil {
		t.Error(err)
	}
	p.Bind, p.BindLocal = nil, true
	if _, err := client.Knock(t.Context(), p, client.Options{}); err != nil {
		t.Error(err)
	}
	for _, m := range s.messages() {
		if !m.Header.Bound {
			t.Error("a message was not bound")
		}
	}
}

func TestClock(t *testing.T) {
	s := known(t)
	fast := func() time.Time { return time.Now().Add(30 * time.Second) }
	r, err := client.Knock(t.Context(), s.profile(), client.Options{Now: fast})
	if err != nil || r.Clock < -31*time.Second || r.Clock > -29*time.Second {
		t.Errorf("30s fast: got %v, %v", r.Clock, err)
	}
	wrong := func() time.Time { return time.Now().Add(3 * time.Minute) }
	if _, err := client.Knock(t.Context(), s.profile(), client.Options{Now: wrong, Timeout: 50 * time.Millisecond}); err == nil {
		t.Error("3m fast: answered")
	}
}

func TestBadOptions(t *testing.T) {
	s := known(t)
	for _, o := range []client.Options{
		{For: -time.Second},
		{For: 1500 * time.Millisecond},
		{For: 19 * time.Hour},
		{Doors: []string{""}},
		{Doors: []string{"SSH"}},
		{Doors: []string{"ssh", "ssh"}},
	} {
		if _, err := client.Knock(t.Context(), s.profile(), o); err == nil {
			t.Errorf("%+v: accepted", o)
		}
	}
	if len(s.messages()) > 0 {
		t.Error("something was sent")
	}
}

func TestKnockEndsWithItsContext(t *testing.T) {
	s := known(t)
	ctx, cancel := context.WithCancel(t.Context())
	s.answer(func(int, *spa.Message, netip.AddrPort) [][]byte { cancel(); return nil })
	start := time.Now()
	if _, err := client.Knock(ctx, s.profile(), client.Options{Timeout: time.Minute}); err == nil || !strings.Contains(err.Error(), "canceled") {
		t.Errorf("got %v", err)
	}
	if time.Since(start) > 10*time.Second {
		t.Error("it went on")
	}
}

// From profile to acknowledgement, with the key in an agent.
func BenchmarkKnock(b *testing.B) {
	s := known(b)
	p := s.profile()
	for b.Loop() {
		if _, err := client.Knock(b.Context(), p, client.Options{First: true}); err != nil {
			b.Fatal(err)
		}
	}
}
