//go:build linux && !client_only

package main

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"sallyport/internal/key"
	"sallyport/internal/keyfile"
	"sallyport/internal/lab"
	"sallyport/internal/spa"
	"sallyport/internal/stun/stuntest"
)

// newSTUNWorld is a world whose client knocks as a browser does.
func newSTUNWorld(t *testing.T, more string) *spaWorld {
	t.Helper()
	w := &spaWorld{world: newWorld(t, lab.Options{}), alice: newProver(t)}
	w.serve("tcp", 22)
	w.configure(`[spa]
port = 40321
stun = true

[[door]]
name     = "ssh"
ports    = ["tcp/22"]
open_for = "1h"

[[client]]
name  = "alice"
doors = ["ssh"]
stun  = true
key   = "` + w.alice.authorized() + "\"\n" + more)
	w.start()
	ring, err := keyfile.Load(filepath.Join(w.dir, "state", "server.key"))
	if err != nil {
		t.Fatal(err)
	}
	small, ok := ring.Of(key.X25519)
	if _, both := ring.Of(key.Hybrid); !ok || !both {
		t.Fatal("the server has not both keys")
	}
	w.server = small.Current.Public()
	return w
}

// answered waits for an answer to any of the requests.
func answered(conn net.PacketConn, wait time.Duration) []byte {
	_ = conn.SetReadDeadline(time.Now().Add(wait))
	buf := make([]byte, 2000)
	n, _, err := conn.ReadFrom(buf)
	if err != nil {
		return nil
	}
	return buf[:n]
}

func (w *spaWorld) sealSTUN(change func(*spa.Header)) (m *spa.Sealed, password string) {
	w.t.Helper()
	m = w.seal(w.alice, netip.Addr{}, change)
	password, err := m.ICEPassword()
	if err != nil {
		w.t.Fatal(err)
	}
	return m, password
}

func TestBrowsersRequestOpensTheDoor(t *testing.T) {
	t.Parallel()
	w := newSTUNWorld(t, "")
	for _, browser := range []stuntest.Browser{stuntest.Chromium, stuntest.Firefox} {
		for _, to := range []netip.Addr{w.Client.Gate4, w.Client.Gate6} {
			door := netip.AddrPortFrom(to, 22)
			w.closed(w.Client, "tcp", door)
			m, password := w.sealSTUN(nil)
			request := browser.Request(m.Datagram, password)
			if len(request) != 284 {
				t.Errorf("a request has %d bytes, want 284", len(request))
			}
			conn := w.send(w.Client, to, request)
			answer := answered(conn, patience)
			if want := 64; !stuntest.IsSuccess(answer, request, password) || to.Is4() && len(answer) != want || to.Is6() && len(answer) != want+12 {
				t.Fatalf("answer %x", answer)
			}
			if w.probe(w.Client, "tcp", door) != lab.Open {
				t.Error("the door is not open when the answer has arrived")
			}
			w.closed(w.Attacker, "tcp", netip.AddrPortFrom(w.Attacker.Gate4, 22))
			// A repetition with another id gets an answer of its own, and no second grant.
			again := browser.Request(m.Datagram, password)
			if _, err := conn.WriteTo(again, net.UDPAddrFromAddrPort(netip.AddrPortFrom(to, spaPort))); err != nil {
				t.Fatal(err)
			}
			if answer := answered(conn, patience); !stuntest.IsSuccess(answer, again, password) {
				t.Errorf("a repetition: %x", answer)
			}
			if s := w.status(); len(s.Grants) != 1 || s.Copies == 0 || s.Refusals["replay"] != 0 {
				t.Errorf("%d grants, %d copies, refusals %v", len(s.Grants), s.Copies, s.Refusals)
			}
			w.ends(w.Client, "tcp", door)
		}
	}
	// By itself the message opens as well, and with the other server key.
	w.ask(w.Client, w.Client.Gate4, w.seal(w.alice, netip.Addr{}, nil))
	w.ends(w.Client, "tcp", at(w.Client, 22))
	ring, err := keyfile.Load(filepath.Join(w.dir, "state", "server.key"))
	if err != nil {
		t.Fatal(err)
	}
	w.server = ring.Current().Public()
	if m := w.seal(w.alice, netip.Addr{}, nil); len(m.Datagram) != 1232 {
		t.Errorf("%d bytes", len(m.Datagram))
	} else {
		w.ask(w.Client, w.Client.Gate4, m)
	}
	w.ends(w.Client, "tcp", at(w.Client, 22))
}

// Who has not made the message gets no answer and no door; a copy from elsewhere ends
// what the message has opened.
func TestSTUNOfOthersIsNotAnswered(t *testing.T) {
	t.Parallel()
	w := newSTUNWorld(t, "")
	m, password := w.sealSTUN(nil)
	request := stuntest.Firefox.Request(m.Datagram, password)
	damaged := append([]byte(nil), request...)
	damaged[100] ^= 1
	for name, raw := range map[string][]byte{
		"a stranger":       stuntest.Chromium.Text("abcd", "0123456789012345678901"),
		"another password": stuntest.Firefox.Request(m.Datagram, "0123456789012345678901"),
		"damaged":          damaged,
	} {
		if got := answered(w.send(w.Attacker, w.Attacker.Gate4, raw), 300*time.Millisecond); got != nil {
			t.Errorf("%s is answered: %x", name, got)
		}
	}
	w.closed(w.Attacker, "tcp", at(w.Attacker, 22))
	w.closed(w.Client, "tcp", at(w.Client, 22))
	if got := answered(w.send(w.Client, w.Client.Gate4, request), patience); !stuntest.IsSuccess(got, request, password) {
		t.Fatalf("the client: %x", got)
	}
	w.open(w.Client, "tcp", at(w.Client, 22))
	if got := answered(w.send(w.Attacker, w.Attacker.Gate4, request), 300*time.Millisecond); got != nil {
		t.Errorf("a copy from elsewhere is answered: %x", got)
	}
	w.eventually("the copy is refused as one of a device that moves", func() bool { return w.status().Refusals["roamed"] == 1 })
	w.closed(w.Attacker, "tcp", at(w.Attacker, 22))
	w.closed(w.Client, "tcp", at(w.Client, 22))
}

// After an answer the port is as silent as before, where closed ports are: a copy
// that is not answered meets no port of the host that answers by itself.
func TestSTUNAnswersLeaveNoTrace(t *testing.T) {
	t.Parallel()
	w := newSTUNWorld(t, "[gate]\npolicy = \"all\"\n")
	for _, to := range []netip.Addr{w.Client.Gate4, w.Client.Gate6} {
		m, password := w.sealSTUN(nil)
		request := stuntest.Chromium.Request(m.Datagram, password)
		conn, err := w.Client.Dial(t.Context(), "udp", netip.AddrPortFrom(to, spaPort).String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		exchange := func(payload []byte) (int, error) {
			_ = conn.SetDeadline(time.Now().Add(patience))
			if _, err := conn.Write(payload); err != nil {
				return 0, err
			}
			if string(payload) != string(request) {
				_ = conn.SetReadDeadline(time.Now().Add(400 * time.Millisecond))
			}
			return conn.Read(make([]byte, 2000))
		}
		if n, err := exchange(request); err != nil || n < 64 {
			t.Fatalf("answered with %d bytes, %v", n, err)
		}
		if _, err := exchange(stuntest.Chromium.Request(m.Datagram, "not the password of it")); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%v: a copy is answered: %v", to, err)
		}
		w.ends(w.Client, "tcp", netip.AddrPortFrom(to, 22))
	}
}

// Without STUN nothing of it is even captured.
func TestSTUNIsOffByDefault(t *testing.T) {
	t.Parallel()
	w := newSPAWorld(t, "")
	sealed := w.seal(w.alice, netip.Addr{}, nil)
	password, err := sealed.ICEPassword()
	if err != nil {
		t.Fatal(err)
	}
	if got := answered(w.send(w.Client, w.Client.Gate4, stuntest.Firefox.Request(make([]byte, 144), password)), 300*time.Millisecond); got != nil {
		t.Errorf("answered: %x", got)
	}
	if n := w.status().Refusals["stun-form"] + w.status().Refusals["tag"]; n != 0 {
		t.Errorf("%d requests were looked at", n)
	}
}
