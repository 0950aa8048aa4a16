//go:build linux && !client_only

package main

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"

	"sallyport/internal/key"
	"sallyport/internal/keyfile"
	"sallyport/internal/lab"
	"sallyport/internal/spa"
	"sallyport/internal/sshauth"
)

const spaPort = 40321

// prover makes proofs with an SSH key of its own.
type prover struct{ ssh.Signer }

func (p prover) ProofSize() int                       { n, _ := sshauth.ProofSize(p.PublicKey()); return n }
func (p prover) Prove(message []byte) ([]byte, error) { return sshauth.Sign(p.Signer, message) }

func newProver(t *testing.T) prover {
	t.Helper()
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return prover{signer}
}

func (p prover) authorized() string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(p.PublicKey())))
}

// spaWorld is a world whose ssh door opens to SPA messages of one client.
type spaWorld struct {
	*world
	alice  prover
	server key.Public
}

func newSPAWorld(t *testing.T, gate string) *spaWorld {
	t.Helper()
	return newSPAWorldIn(t, "", newProver(t), gate)
}

// newSPAWorldIn is newSPAWorld with all files in a folder, which may have them from before.
func newSPAWorldIn(t *testing.T, dir string, alice prover, gate string) *spaWorld {
	t.Helper()
	w := &spaWorld{world: newWorld(t, lab.Options{}), alice: alice}
	if dir != "" {
		w.dir, w.socket, w.config = dir, filepath.Join(dir, "control.sock"), filepath.Join(dir, "sallyport.toml")
	}
	w.serve("tcp", 22)
	w.configure(fmt.Sprintf(`%s
[spa]
port = %d

[[door]]
name     = "ssh"
ports    = ["tcp/22"]
open_for = "1h"

[[door]]
name  = "other"
ports = ["tcp/23"]

[[client]]
name  = "alice"
doors = ["ssh"]
key   = %q
`, gate, spaPort, w.alice.authorized()))
	w.start()
	ring, err := keyfile.Load(filepath.Join(w.dir, "state", "server.key"))
	if err != nil {
		t.Fatal(err)
	}
	w.server = ring.Current().Public()
	return w
}

func (w *spaWorld) seal(p prover, bound netip.Addr, change func(*spa.Header)) *spa.Sealed {
	w.t.Helper()
	h := spa.Header{Op: spa.Open, Ack: true, Client: sshauth.ID(p.PublicKey()), Door: spa.DoorID("ssh"), Time: time.Now()}
	if change != nil {
		change(&h)
	}
	sealed, err := spa.Seal(w.server, h, bound, p)
	if err != nil {
		w.t.Fatal(err)
	}
	return sealed
}

// briefOpen asks for what is over by itself within a test.
func briefOpen(h *spa.Header) { h.Seconds = 2 }

// send sends a datagram to the SPA port and returns the socket.
func (w *world) send(h *lab.Host, to netip.Addr, datagram []byte) net.PacketConn {
	w.t.Helper()
	conn, err := h.ListenPacket("udp", ":0")
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { conn.Close() })
	if _, err := conn.WriteTo(datagram, net.UDPAddrFromAddrPort(netip.AddrPortFrom(to, spaPort))); err != nil {
		w.t.Fatal(err)
	}
	return conn
}

// ask sends a message and opens the acknowledgement.
func (w *spaWorld) ask(h *lab.Host, to netip.Addr, m *spa.Sealed) spa.Ack {
	w.t.Helper()
	conn := w.send(h, to, m.Datagram)
	conn.SetReadDeadline(time.Now().Add(patience))
	buf := make([]byte, 2000)
	for {
		n, _, err := conn.ReadFrom(buf)
		if err != nil {
			w.t.Fatalf("no acknowledgement: %v", err)
		}
		if ack, err := m.OpenAck(buf[:n]); err == nil {
			return ack
		}
	}
}

func TestMessageOpensTheDoor(t *testing.T) {
	t.Parallel()
	w := newSPAWorld(t, "")
	for _, to := range []netip.Addr{w.Client.Gate4, w.Client.Gate6} {
		door := netip.AddrPortFrom(to, 22)
		w.expires(w.Client, "tcp", door, func() { w.ask(w.Client, to, w.seal(w.alice, netip.Addr{}, briefOpen)) })
		m := w.seal(w.alice, netip.Addr{}, nil)
		if len(m.Datagram) != 1232 {
			t.Errorf("a message has %d bytes, want 1232", len(m.Datagram))
		}
		ack := w.ask(w.Client, to, m)
		source := w.Client.IP4
		if to.Is6() {
			source = w.Client.IP6
		}
		if ack.Status != spa.Opened || len(ack.Doors) != 1 || ack.Doors[0].For != time.Hour || ack.Source != source || time.Since(ack.Time).Abs() > time.Minute {
			t.Errorf("acknowledgement %+v", ack)
		}
		if w.probe(w.Client, "tcp", door) != lab.Open {
			t.Error("the door is not open when the acknowledgement has arrived")
		}
		w.closed(w.Attacker, "tcp", netip.AddrPortFrom(w.Attacker.Gate4, 22))
		w.ends(w.Client, "tcp", door)
	}
}

func TestMessageGivesTheGrantBack(t *testing.T) {
	t.Parallel()
	w := newSPAWorld(t, "")
	w.ask(w.Client, w.Client.Gate4, w.seal(w.alice, netip.Addr{}, nil))
	w.open(w.Client, "tcp", at(w.Client, 22))
	ack := w.ask(w.Client, w.Client.Gate4, w.seal(w.alice, netip.Addr{}, func(h *spa.Header) { h.Op = spa.Close }))
	if ack.Status != spa.Closed {
		t.Errorf("acknowledgement %+v", ack)
	}
	w.closed(w.Client, "tcp", at(w.Client, 22))
}

// A message works once: not from the same source, not from another, not after
// a restart, not after the daemon was killed, not with its memory damaged or gone.
func TestReplaysOpenNothing(t *testing.T) {
	t.Parallel()
	w := newSPAWorld(t, "")
	m := w.seal(w.alice, netip.Addr{}, nil)
	w.ask(w.Client, w.Client.Gate4, m)
	w.ends(w.Client, "tcp", at(w.Client, 22))

	replay := func(when string, reason string) {
		t.Helper()
		before := w.status().Refusals
		w.send(w.Client, w.Client.Gate4, m.Datagram)
		w.eventually("the replay is refused "+when, func() bool {
			for r, n := range w.status().Refusals {
				if n > before[r] && strings.Contains(reason, string(r)) {
					return true
				}
			}
			return false
		})
		if grants := w.status().Grants; len(grants) != 0 {
			t.Errorf("%s: a replay granted %+v", when, grants)
		}
	}
	store := filepath.Join(w.dir, "state", "replay")
	replay("at once", "replay")
	w.stop()
	w.start()
	replay("after a restart", "replay")
	w.kill()
	w.start()
	replay("after kill -9", "replay")
	w.kill()
	names, err := filepath.Glob(filepath.Join(store, "*"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no replay store: %v", err)
	}
	for _, name := range names {
		if err := os.WriteFile(name, []byte("damaged"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w.start()
	replay("with its memory damaged", "stale")
	w.kill()
	if err := os.RemoveAll(store); err != nil {
		t.Fatal(err)
	}
	w.start()
	replay("with its memory gone", "stale")
	if problems := strings.Join(w.status().Problems, "\n"); !strings.Contains(problems, "replay store") {
		t.Errorf("the loss is not told: %q", problems)
	}
}

func TestInterceptionEndsTheGrant(t *testing.T) {
	t.Parallel()
	w := newSPAWorld(t, "")
	m := w.seal(w.alice, netip.Addr{}, nil)
	w.ask(w.Client, w.Client.Gate4, m)
	w.open(w.Client, "tcp", at(w.Client, 22))
	w.send(w.Attacker, w.Attacker.Gate4, m.Datagram)
	w.eventually("the interception is refused", func() bool { return w.status().Refusals["interception"] == 1 })
	w.eventually("the grant is ended", func() bool { return len(w.status().Grants) == 0 })
	w.closed(w.Attacker, "tcp", at(w.Attacker, 22))
}

// A copy of a bound message ends nothing, and an interception ends what its own
// message has opened and nothing else.
func TestCopiesEndNoOtherGrants(t *testing.T) {
	t.Parallel()
	w := newSPAWorld(t, "")
	bound := w.seal(w.alice, w.Client.IP4, func(h *spa.Header) { h.Bound = true })
	w.ask(w.Client, w.Client.Gate4, bound)
	unbound := w.seal(w.alice, netip.Addr{}, nil)
	w.ask(w.Attacker, w.Attacker.Gate4, unbound)
	w.open(w.Attacker, "tcp", at(w.Attacker, 22))

	w.send(w.Attacker, w.Attacker.Gate4, bound.Datagram)
	w.eventually("the copy is refused", func() bool { return w.status().Refusals["replay"] == 1 })
	w.send(w.Client, w.Client.Gate4, unbound.Datagram)
	w.eventually("the interception ends what its message has opened", func() bool { return len(w.status().Grants) == 1 })
	if got := w.status(); got.Grants[0].Source != w.Client.IP4 || got.Refusals["interception"] != 1 {
		t.Errorf("left are %v after %v", got.Grants, got.Refusals)
	}
	w.open(w.Client, "tcp", at(w.Client, 22))
	w.closed(w.Attacker, "tcp", at(w.Attacker, 22))
}

// Clients can stand in a file in OpenSSH's format, with names as people have them there.
func TestClientsFromAuthorizedKeys(t *testing.T) {
	t.Parallel()
	w := newSPAWorld(t, "")
	bob := newProver(t)
	keys := filepath.Join(w.dir, "authorized_keys")
	if err := os.WriteFile(keys, []byte(`doors="ssh",max-open="1h" `+bob.authorized()+" Bob+work@laptop\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(w.config)
	if err != nil {
		t.Fatal(err)
	}
	os.WriteFile(w.config, bytes.Replace(text, []byte("[spa]\n"), []byte(fmt.Sprintf("[spa]\nauthorized_keys = %q\n", keys)), 1), 0o600)
	w.must(w.Gate, "reload", "-c", w.config)
	if ack := w.ask(w.Client, w.Client.Gate4, w.seal(bob, netip.Addr{}, func(h *spa.Header) { h.Seconds = 3600 })); ack.Status != spa.Opened {
		t.Fatalf("acknowledgement %+v", ack)
	}
	w.open(w.Client, "tcp", at(w.Client, 22))
	w.kill()
	w.start()
	if grants := w.status().Grants; len(grants) != 1 || grants[0].Client != "Bob+work@laptop" {
		t.Errorf("after a restart: %+v", grants)
	}
	os.WriteFile(keys, nil, 0o600)
	w.must(w.Gate, "reload", "-c", w.config)
	w.closed(w.Client, "tcp", at(w.Client, 22))
}

func TestReloadThatRemovesAClientEndsItsGrants(t *testing.T) {
	t.Parallel()
	w := newSPAWorld(t, "")
	text, err := os.ReadFile(w.config)
	if err != nil {
		t.Fatal(err)
	}
	w.ask(w.Client, w.Client.Gate4, w.seal(w.alice, netip.Addr{}, nil))
	w.open(w.Client, "tcp", at(w.Client, 22))
	os.WriteFile(w.config, text[:bytes.Index(text, []byte("[[client]]"))], 0o600)
	w.must(w.Gate, "reload", "-c", w.config)
	w.closed(w.Client, "tcp", at(w.Client, 22))
	w.send(w.Client, w.Client.Gate4, w.seal(w.alice, netip.Addr{}, nil).Datagram)
	w.eventually("a message of a removed client is refused", func() bool { return w.status().Refusals["unknown-client"] == 1 })
}

// Whatever a stranger sends, nothing comes back: everything that leaves the
// gate towards it is captured, with its other ports as silent as this one.
func TestNobodyElseIsAnswered(t *testing.T) {
	t.Parallel()
	w := newSPAWorld(t, "[gate]\npolicy = \"all\"\n")
	stranger := newProver(t)
	used := w.seal(w.alice, netip.Addr{}, nil)
	w.ask(w.Client, w.Client.Gate4, used)

	seen := w.sniff(w.Attacker)
	for name, m := range map[string][]byte{
		"garbage":             bytes.Repeat([]byte{0x5a}, 1232),
		"short":               {1},
		"empty":               {},
		"replay":              used.Datagram,
		"old":                 w.seal(w.alice, netip.Addr{}, func(h *spa.Header) { h.Time = time.Now().Add(-2 * time.Minute) }).Datagram,
		"hours off":           w.seal(w.alice, netip.Addr{}, func(h *spa.Header) { h.Time = time.Now().Add(-3 * time.Hour) }).Datagram,
		"wrongly signed":      w.seal(stranger, netip.Addr{}, func(h *spa.Header) { h.Client = sshauth.ID(w.alice.PublicKey()) }).Datagram,
		"unknown client":      w.seal(stranger, netip.Addr{}, nil).Datagram,
		"bound elsewhere":     w.seal(w.alice, netip.MustParseAddr("203.0.113.9"), nil).Datagram,
		"forbidden door":      w.seal(w.alice, netip.Addr{}, func(h *spa.Header) { h.Door = spa.DoorID("other") }).Datagram,
		"no such door":        w.seal(w.alice, netip.Addr{}, func(h *spa.Header) { h.Door = spa.DoorID("none") }).Datagram,
		"no answer asked for": w.seal(w.alice, netip.Addr{}, func(h *spa.Header) { h.Ack = false }).Datagram,
	} {
		for _, to := range []netip.Addr{w.Attacker.Gate4, w.Attacker.Gate6} {
			if name == "no answer asked for" && to.Is6() {
				continue // would be a replay
			}
			w.send(w.Attacker, to, m)
		}
	}
	w.eventually("all have been judged", func() bool {
		sum := uint64(0)
		for _, n := range w.status().Refusals {
			sum += n
		}
		return sum >= 17 // one of the 18 is told as a wrong clock; what has the length of no message is not even captured
	})
	for deadline := time.Now().Add(300 * time.Millisecond); time.Now().Before(deadline); {
		select {
		case packet := <-seen:
			t.Fatalf("the gate sent %d bytes to a stranger: %x", len(packet), packet)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// sniff reports every IP packet that arrives at a host, but neighbour discovery.
func (w *world) sniff(h *lab.Host) <-chan []byte {
	w.t.Helper()
	var fd int
	err := h.Do(func() (err error) {
		const all = unix.ETH_P_ALL<<8&0xff00 | unix.ETH_P_ALL>>8
		fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, all)
		if err != nil {
			return err
		}
		return unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 50_000})
	})
	if err != nil {
		w.t.Fatal(err)
	}
	seen, stop := make(chan []byte, 100), make(chan struct{})
	go func() {
		defer unix.Close(fd)
		buf := make([]byte, 2000)
		for {
			select {
			case <-stop:
				return
			default:
			}
			n, from, err := unix.Recvfrom(fd, buf, 0)
			link, ok := from.(*unix.SockaddrLinklayer)
			if err != nil || !ok || link.Pkttype == unix.PACKET_OUTGOING || n < 20 {
				continue
			}
			const icmp6 = 58
			if v := buf[0] >> 4; v == 4 || v == 6 && buf[6] != icmp6 && buf[6] != 0 {
				seen <- bytes.Clone(buf[:n])
			}
		}
	}()
	w.t.Cleanup(func() { close(stop) })
	return seen
}

func TestClockErrorIsDiagnosed(t *testing.T) {
	t.Parallel()
	w := newSPAWorld(t, "")
	w.send(w.Client, w.Client.Gate4, w.seal(w.alice, netip.Addr{}, func(h *spa.Header) { h.Time = time.Now().Add(-3 * time.Hour) }).Datagram)
	w.eventually("the clock is told", func() bool { return strings.Contains(w.log.String(), "the clock of this source is 3h behind") })
	w.eventually("two minutes are refused and told", func() bool { // not more than two a second are looked at
		w.send(w.Client, w.Client.Gate4, w.seal(w.alice, netip.Addr{}, func(h *spa.Header) { h.Time = time.Now().Add(2 * time.Minute) }).Datagram)
		return strings.Contains(w.log.String(), "2m ahead")
	})
	if grants := w.status().Grants; len(grants) != 0 {
		t.Errorf("granted %+v", grants)
	}
}

// On a link with the smallest MTU of IPv6 a message is one packet.
func TestSmallestMTU(t *testing.T) {
	t.Parallel()
	w := &spaWorld{world: newWorld(t, lab.Options{MTU: 1280}), alice: newProver(t)}
	w.serve("tcp", 22)
	w.configure(fmt.Sprintf("[spa]\nport = %d\n[[door]]\nname = \"ssh\"\nports = [\"tcp/22\"]\n[[client]]\nname = \"alice\"\ndoors = [\"ssh\"]\nkey = %q\n", spaPort, w.alice.authorized()))
	w.start()
	ring, err := keyfile.Load(filepath.Join(w.dir, "state", "server.key"))
	if err != nil {
		t.Fatal(err)
	}
	w.server = ring.Current().Public()
	for _, to := range []netip.Addr{w.Client.Gate4, w.Client.Gate6} {
		if ack := w.ask(w.Client, to, w.seal(w.alice, netip.Addr{}, nil)); ack.Status != spa.Opened {
			t.Errorf("%s: %+v", to, ack)
		}
	}
}
