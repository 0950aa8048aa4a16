//go:build unix

package client

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/key"
	"sallyport/internal/spa"
	"sallyport/internal/sshauth"
)

// told is a connected UDP socket that hears of each message what a test says,
// and never an answer.
type told struct {
	net.Conn
	read, write error // what the network says after each message; why messages do not leave
	failing     int   // from this message on they do not; 0: never

	pending  bool
	sent     []time.Time
	deadline time.Time
}

func (c *told) Write(b []byte) (int, error) {
	if c.failing > 0 && len(c.sent)+1 >= c.failing {
		return 0, &net.OpError{Op: "write", Err: os.NewSyscallError("write", c.write)}
	}
	c.sent, c.pending = append(c.sent, time.Now()), c.read != nil
	return len(b), nil
}

func (c *told) Read([]byte) (int, error) {
	if c.pending {
		c.pending = false
		return 0, &net.OpError{Op: "read", Err: os.NewSyscallError("read", c.read)}
	}
	time.Sleep(time.Until(c.deadline))
	return 0, os.ErrDeadlineExceeded
}

func (c *told) SetDeadline(t time.Time) error     { c.deadline = t; return nil }
func (c *told) SetReadDeadline(t time.Time) error { c.deadline = t; return nil }

// newFlight is the flight of a client with a new key to a new server.
func newFlight(t *testing.T, timeout time.Duration) *flight {
	t.Helper()
	private, err := key.Generate(key.X25519)
	if err != nil {
		t.Fatal(err)
	}
	_, secret, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	size, err := sshauth.ProofSize(signer.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	return &flight{
		request: &request{
			profile: &Profile{Name: "office"},
			server:  private.Public(),
			id:      &identity{signer: signer, size: size},
			opts:    Options{Timeout: timeout, Now: time.Now},
		},
		header: spa.Header{Op: spa.Open, Ack: true, Client: sshauth.ID(signer.PublicKey())},
		to:     netip.MustParseAddrPort("192.0.2.1:40321"),
	}
}

// Whatever ICMP makes of a connected socket, a client sends all its messages,
// at the pace of the protocol, and reports what it heard last.
func TestNoErrorOfTheNetworkEndsAKnock(t *testing.T) {
	for _, errno := range []syscall.Errno{
		syscall.ECONNREFUSED, syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EACCES, syscall.EPERM, syscall.EPROTO,
		syscall.ENOPROTOOPT, syscall.EMSGSIZE, syscall.EHOSTDOWN, syscall.EOPNOTSUPP, syscall.ENETDOWN, syscall.ENOBUFS,
	} {
		t.Run(errno.Error(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, conn := newFlight(t, 0), &told{read: errno}
				f.exchange(t.Context(), conn)
				if f.tries != spa.Tries || len(conn.sent) != spa.Tries || f.err != nil {
					t.Errorf("sent %d messages: %v, %v", f.tries, f.err, f.problem)
				}
				err := f.doorFailure([]*flight{f})
				if !errors.Is(err, errno) || !strings.Contains(err.Error(), errno.Error()) {
					t.Errorf("reports %v", err)
				}
				none := err.(*NoAnswerError)
				if none.Waited != time.Since(conn.sent[0]) {
					t.Errorf("waited %v, says %v", time.Since(conn.sent[0]), none.Waited)
				}
				for i, at := range conn.sent[1:] {
					if d := at.Sub(conn.sent[i]); d < 600*time.Millisecond || d > 2*time.Second {
						t.Errorf("message %d came %v after the one before", i+2, d)
					}
				}
			})
		})
	}
}

// A message that this host cannot send, after one that has left, is passed
// over; a first one that it cannot send is the end.
func TestWriteErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, begun := newFlight(t, 0), time.Now()
		f.exchange(t.Context(), &told{write: syscall.ENETUNREACH, failing: 2})
		if f.tries != 1 || time.Since(begun) < 7*600*time.Millisecond {
			t.Errorf("gave up after %v and %d messages", time.Since(begun), f.tries)
		}
		f, begun = newFlight(t, 0), time.Now()
		f.exchange(t.Context(), &told{write: syscall.EPERM, failing: 1})
		if f.tries != 0 || time.Since(begun) > time.Second || !errors.Is(f.doorFailure([]*flight{f}), syscall.EPERM) {
			t.Errorf("went on for %v: %d messages, %v", time.Since(begun), f.tries, f.problem)
		}
	})
}

// What is heard of the size of messages has a remedy, and is not forgotten for
// something that has none.
func TestSizeIsRemembered(t *testing.T) {
	f := newFlight(t, 0)
	f.heard(syscall.EMSGSIZE)
	f.heard(syscall.ECONNREFUSED)
	if !isTooLarge(f.problem) {
		t.Errorf("remembers %v", f.problem)
	}
}

func TestWaits(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct {
		timeout time.Duration
		random  float64
		want    []time.Duration
	}{
		{0, 0, []time.Duration{600 * ms, 600 * ms, 600 * ms, 600 * ms, 600 * ms, 600 * ms, 600 * ms, lastWait}},
		{0, 0.5, []time.Duration{600 * ms, 1300 * ms, 1300 * ms, 1300 * ms, 1300 * ms, 1300 * ms, 1300 * ms, lastWait}},
		{50 * ms, 0.5, []time.Duration{50 * ms}},
		{600 * ms, 0.5, []time.Duration{600 * ms}},
		{2000 * ms, 0.5, []time.Duration{600 * ms, 1300 * ms, 100 * ms}},
	} {
		got := waits(c.timeout, func() float64 { return c.random })
		if len(got) != len(c.want) {
			t.Errorf("%v: got %v", c.timeout, got)
			continue
		}
		for i := range got {
			if got[i] != c.want[i] {
				t.Errorf("%v: got %v, want %v", c.timeout, got, c.want)
				break
			}
		}
	}
	if n := len(waits(time.Minute, func() float64 { return 0.999 })); n < 30 {
		t.Errorf("%d tries in a minute", n)
	}
}
