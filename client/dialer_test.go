package client_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sallyport/client"
	"sallyport/internal/spa"
)

// service is what is behind the door: it counts its connections.
type service struct {
	address  string
	accepted atomic.Int32
}

// listen starts it at an address of loopback.
func (s *service) listen(t *testing.T, address string) {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Error(err)
		return
	}
	t.Cleanup(func() { listener.Close() })
	s.address = listener.Addr().String()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			s.accepted.Add(1)
			conn.Close()
		}
	}()
}

// freePort is an address where nothing listens.
func freePort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func dial(t *testing.T, s *server, address string, opts client.Options) (client.Result, error) {
	t.Helper()
	var answered client.Result
	d := client.Dialer{Profile: s.profile(), Options: opts, Answered: func(r client.Result) { answered = r }}
	conn, err := d.DialContext(t.Context(), "tcp", address)
	if err == nil {
		err = conn.Close()
	}
	return answered, err
}

func TestDialerConnects(t *testing.T) {
	s := known(t)
	var door service
	door.listen(t, "127.0.0.1:0")
	for _, address := range []string{door.address, strings.Replace(door.address, "127.0.0.1", "office", 1), strings.Replace(door.address, "127.0.0.1", "localhost", 1)} {
		if _, err := dial(t, s, address, client.Options{Network: "ip4"}); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
	if n := door.accepted.Load(); n > 3 {
		t.Errorf("%d connections", n)
	}
}

// A server that does not answer has opened the door all the same.
func TestDialerDoesNotWaitForAnAnswer(t *testing.T) {
	s := known(t)
	s.answer(func(int, *spa.Message, netip.AddrPort) [][]byte { return nil })
	var door service
	door.listen(t, "127.0.0.1:0")
	if _, err := dial(t, s, door.address, client.Options{Timeout: time.Hour}); err != nil {
		t.Error(err)
	}
}

// A door that is closed may answer as a closed port. What was refused before
// the answer is tried again after it, once.
func TestDialerTriesAgainWhenTheDoorIsOpen(t *testing.T) {
	s := known(t)
	var door service
	address := freePort(t)
	s.answer(func(n int, m *spa.Message, source netip.AddrPort) [][]byte {
		time.Sleep(100 * time.Millisecond) // the first attempt is refused meanwhile
		door.listen(t, address)
		return s.grant(n, m, source)
	})
	r, err := dial(t, s, address, client.Options{})
	if err != nil || len(r.Grants) != 1 {
		t.Fatalf("got %+v, %v", r, err)
	}
	for _, m := range s.messages() {
		if m.Nonce != s.messages()[0].Nonce {
			t.Errorf("more than one message")
		}
	}
}

// The first message leaves twice, since the connection begins before anybody knows
// that it has arrived. What is sent after that is another message.
func TestDialerSendsTheFirstMessageTwice(t *testing.T) {
	s := known(t)
	var door service
	address := freePort(t)
	s.answer(func(n int, m *spa.Message, source netip.AddrPort) [][]byte {
		if n < 3 {
			return nil
		}
		door.listen(t, address)
		return s.grant(n, m, source)
	})
	if _, err := dial(t, s, address, client.Options{Timeout: time.Hour}); err != nil {
		t.Fatal(err)
	}
	m := s.messages()
	if m[0].Nonce != m[1].Nonce || m[1].Nonce == m[2].Nonce {
		t.Errorf("of the first three messages the second is no copy, or the third is one")
	}
}

// While nobody answers, refused attempts are made again: the server may be one
// that does not answer, and late.
func TestDialerTriesAgainWithoutAnAnswer(t *testing.T) {
	s := known(t)
	var door service
	address := freePort(t)
	s.answer(func(n int, _ *spa.Message, _ netip.AddrPort) [][]byte {
		if n == 3 { // the second is the first once more
			door.listen(t, address)
		}
		return nil
	})
	if _, err := dial(t, s, address, client.Options{Timeout: time.Hour}); err != nil {
		t.Error(err)
	}
}

func TestDialerFails(t *testing.T) {
	s := known(t)
	address := freePort(t)
	if _, err := dial(t, s, address, client.Options{Timeout: time.Hour}); err == nil || !strings.Contains(err.Error(), "the door is open, but connecting fails") || hint(err) == "" {
		t.Errorf("no service: %v (%s)", err, hint(err))
	}
	s.answer(func(_ int, m *spa.Message, source netip.AddrPort) [][]byte {
		return [][]byte{s.ack(m, spa.Ack{Status: spa.Refused, Reason: spa.ForbiddenDoor, Time: time.Now(), Source: source.Addr()})}
	})
	if _, err := dial(t, s, address, client.Options{Timeout: time.Hour}); !errors.As(err, new(*client.RefusedError)) {
		t.Errorf("refused: %v", err)
	}
	s.answer(func(int, *spa.Message, netip.AddrPort) [][]byte { return nil })
	if _, err := dial(t, s, address, client.Options{Timeout: 300 * time.Millisecond}); !errors.As(err, new(*client.NoAnswerError)) || !strings.Contains(hint(err), "sallyport doctor office") {
		t.Errorf("silence: %v (%s)", err, hint(err))
	}
	for _, wrong := range [][2]string{{"udp", address}, {"tcp", "127.0.0.1"}, {"tcp", "127.0.0.1:0"}, {"tcp", "127.0.0.1:ssh"}, {"tcp", "no-such-host.invalid:22"}, {"tcp6", "127.0.0.1:22"}} {
		d := client.Dialer{Profile: s.profile()}
		if _, err := d.DialContext(t.Context(), wrong[0], wrong[1]); err == nil {
			t.Errorf("%q: connected", wrong)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	s.answer(func(int, *spa.Message, netip.AddrPort) [][]byte { cancel(); return nil })
	d := client.Dialer{Profile: s.profile()}
	if _, err := d.DialContext(ctx, "tcp", address); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}

// With a rotating sequence nobody answers. One that was used up a moment ago
// may have opened the door.
func TestDialerWithARotatingSequence(t *testing.T) {
	home(t)
	p := rotating(t)
	p.Host = "127.0.0.1"
	if err := client.Save(p); err != nil {
		t.Fatal(err)
	}
	var door service
	door.listen(t, "127.0.0.1:0")
	for range 2 {
		d := client.Dialer{Profile: p}
		conn, err := d.DialContext(t.Context(), "tcp", door.address)
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
	}
	if n := door.accepted.Load(); n > 2 {
		t.Errorf("%d connections", n)
	}
}
