//go:build linux

package firewall

import (
	"bufio"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/event"
	"sallyport/internal/lab"
	"sallyport/internal/packet"
)

// Packets that begin no connection use nothing up: late ones of an earlier
// session, and forged ones. Neither does a SYN by itself: a forged one, which
// the client's kernel answers with a reset when the service's answer arrives, is
// no connection either.
func TestOnlyAConnectionUsesUpASingleGrant(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{})
	w.apply(guarding(doorTo("ssh", "tcp/22"), doorTo("both", "tcp/80", "udp/53")))
	for to, door := range map[netip.AddrPort]string{
		at(w.Client.Gate4, 22): "ssh", at(w.Client.Gate6, 22): "ssh", at(w.Client.Gate4, 80): "both", at(w.Client.Gate6, 80): "both",
	} {
		w.closed(w.Client, "tcp", to)
		w.once(door, to)
		for i, flags := range []byte{packet.ACK, packet.FIN | packet.ACK, packet.RST, packet.RST | packet.ACK, packet.SYN | packet.ACK, packet.SYN | packet.FIN, packet.SYN | packet.RST, 0, packet.SYN, packet.SYN, packet.SYN} {
			w.segment(w.Client, to, uint16(50_000+i), flags)
		}
		w.byHand(to, 50_100+to.Port()+uint16(len(to.String()))).syn("data in a SYN\n")
		s := w.connect(w.Client, to)
		w.closed(w.Client, "tcp", to)
		w.closed(w.Client, "udp", at(to.Addr(), 53))
		w.lives(s, "after a second was refused")
	}
}

// Of two connections that a single grant has let begin, the one whose handshake
// is completed first goes on, and nothing of the other one arrives, even if the
// grant had time left.
func TestSecondHandshakeFindsNoGrant(t *testing.T) {
	for name, mode := range map[string]string{"drop": "drop", "reject": "reject"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, lab.Options{})
			cfg := guarding(doorTo("ssh", "tcp/22"))
			if mode == "reject" {
				cfg.Gate.Closed = "reject"
			}
			w.apply(cfg)
			for _, to := range []netip.AddrPort{at(w.Client.Gate4, 22), at(w.Client.Gate6, 22)} {
				w.closedOrRefused(w.Client, to)
				w.once("ssh", to)
				loser := w.halfOpen(to)
				s := w.connect(w.Client, to)
				w.nftOn(w.Client, "delete table inet hold")
				w.unheard(loser, to)
				w.lives(s, "after the other one went on")
			}
		})
	}
}

// A handshake that has begun ends in vain when its grant was revoked meanwhile,
// and goes on where the grant has become a lasting one.
func TestGrantChangesDuringHandshake(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{})
	w.apply(guarding(doorTo("ssh", "tcp/22")))
	to := at(w.Client.Gate4, 22)
	w.once("ssh", to)
	conn := w.halfOpen(to)
	for _, g := range w.grants() {
		w.do(func() error { return w.f.Revoke(g) })
	}
	w.nftOn(w.Client, "delete table inet hold")
	w.unheard(conn, to)

	w.once("ssh", to)
	conn = w.halfOpen(to)
	w.grant("ssh", w.Client, time.Hour)
	w.nftOn(w.Client, "delete table inet hold")
	w.do(func() error { return conn.SetDeadline(time.Now().Add(patience)) })
	if _, err := fmt.Fprintln(conn, "hello"); err != nil {
		t.Fatal(err)
	}
	s := &dialogue{conn, bufio.NewReader(conn)}
	for range 2 { // the greeting, and the echo
		if _, err := s.r.ReadString('\n'); err != nil {
			t.Fatalf("with a lasting grant the connection does not go on: %v", err)
		}
	}
	for _, g := range w.grants() {
		w.do(func() error { return w.f.Revoke(g) })
	}
	w.lives(s, "after the lasting grant")
}

// once gives the client a single grant for the family of an address.
func (w *world) once(door string, to netip.AddrPort) {
	w.t.Helper()
	now, source := time.Now(), w.Client.IP4
	if to.Addr().Is6() {
		source = w.Client.IP6
	}
	w.do(func() error {
		return w.f.Grant(event.Grant{Door: door, Source: source, Until: now.Add(time.Hour), Single: true}, now)
	})
}

// halfOpen begins a connection from the client and holds back all that follows
// its SYN, until the table hold is removed there.
func (w *world) halfOpen(to netip.AddrPort) net.Conn {
	w.t.Helper()
	w.nftOn(w.Client, fmt.Sprintf("table inet hold { chain out { type filter hook output priority 0; tcp dport %d tcp sport 40404 tcp flags & syn == 0 drop; }; }", to.Port()))
	var conn net.Conn
	w.do(func() error {
		return w.Client.Do(func() (err error) {
			dialer := net.Dialer{LocalAddr: &net.TCPAddr{Port: 40404}, Timeout: patience, Control: reuse}
			conn, err = dialer.Dial("tcp", to.String())
			return err
		})
	})
	w.t.Cleanup(func() { conn.Close() })
	return conn
}

// unheard requires that nothing the connection sends reaches the service, and
// ends it without a word.
func (w *world) unheard(conn net.Conn, to netip.AddrPort) {
	w.t.Helper()
	w.do(func() error { return conn.SetDeadline(time.Now().Add(4 * silence)) })
	_, _ = fmt.Fprintln(conn, "let me in")
	if n, err := conn.Read(make([]byte, 64)); n > 0 {
		w.t.Errorf("%s: a second connection got in (%v)", to, err)
	}
	_ = conn.(*net.TCPConn).SetLinger(0)
	_ = conn.Close()
}

func (w *world) closedOrRefused(h *lab.Host, to netip.AddrPort) {
	w.t.Helper()
	if got := w.probe(h, "tcp", to, silence); got == lab.Open {
		w.t.Errorf("%s is open, want closed", to)
	}
}

func reuse(_, _ string, c syscall.RawConn) (err error) {
	return c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1) })
}

// segment sends one bare TCP segment from a host's own address.
func (w *world) segment(h *lab.Host, to netip.AddrPort, from uint16, flags byte) {
	w.t.Helper()
	source, network := h.IP4, "ip4:tcp"
	if to.Addr().Is6() {
		source, network = h.IP6, "ip6:tcp"
	}
	raw, err := h.Dial(w.t.Context(), network, to.Addr().String())
	if err != nil {
		w.t.Fatal(err)
	}
	defer raw.Close()
	b := []byte{byte(from >> 8), byte(from), byte(to.Port() >> 8), byte(to.Port()), 1, 2, 3, 4, 5, 6, 7, 8, 5 << 4, flags, 16, 0, 0, 0, 0, 0}
	checksum(b, source, to.Addr())
	if _, err := raw.Write(b); err != nil {
		w.t.Fatal(err)
	}
}
