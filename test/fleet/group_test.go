//go:build linux

package fleet

import (
	"crypto/ed25519"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/fleet/roll"
	"sallyport/internal/keyfile"
	"sallyport/internal/lab"
	"sallyport/internal/lab/labtest"
	"sallyport/internal/spa"
	"sallyport/internal/sshauth"
)

// Knocked at one gate of a group, a door opens at all of them; a revocation closes all.
func TestDoorOfAGroup(t *testing.T) {
	w := newShaped(t, shape{without: "24h", lines: `shared = "edge"`, group: "edge"}, "berlin", "paris", "tokyo")
	w.gates[0].opens()
	for _, g := range w.gates {
		w.Open(w.Client, "tcp", g.at())
	}
	w.sign(roll.Revoke{Name: "alice"})
	for _, g := range w.gates {
		w.Closes(w.Client, "tcp", g.at())
		g.refuses()
	}
}

// BenchmarkGroup measures how long after the client knows that one gate has opened the
// door is open at the last of three.
//
//	SALLYPORT_REQUIRE=netns,peers go test -run '^$' -bench Group -benchtime 100x ./test/fleet
func BenchmarkGroup(b *testing.B) {
	w := newShaped(b, shape{without: "24h", lines: `shared = "edge"`, group: "edge"}, "berlin", "paris", "tokyo")
	var list []time.Duration
	for b.Loop() {
		w.sallyport(w.Client, "knock", "berlin")
		began := time.Now()
		for _, g := range w.gates[1:] {
			for w.Probe(w.Client, "tcp", g.at(), 10*time.Millisecond) != lab.Open {
				if time.Since(began) > labtest.Patience {
					b.Fatal("it does not open at " + g.Name)
				}
			}
		}
		list = append(list, time.Since(began))
		for _, g := range w.gates {
			_, err := g.try("revoke", "--client", "alice", "-c", g.served.Config)
			must(b, err)
			w.Closed(w.Client, "tcp", g.at())
		}
	}
	report(b, "open-at-all", list)
}

type prover struct{ ssh.Signer }

func (prover) ProofSize() int                         { return ed25519.SignatureSize }
func (p prover) Prove(message []byte) ([]byte, error) { return sshauth.Sign(p.Signer, message) }

// message is one of alice's for all gates, which have one key. It names no address.
func (w *world) message() []byte {
	w.t.Helper()
	text, err := os.ReadFile(filepath.Join(w.dir, ".ssh", "id_ed25519"))
	must(w.t, err)
	signer, err := ssh.ParsePrivateKey(text)
	must(w.t, err)
	ring, err := keyfile.Load(w.gates[0].serverKey())
	must(w.t, err)
	sealed, err := spa.Seal(ring.Current().Public(), spa.Header{Op: spa.Open, Client: sshauth.ID(signer.PublicKey()), Door: spa.DoorID("hello"), Time: time.Now()}, netip.Addr{}, prover{signer})
	must(w.t, err)
	return sealed.Datagram
}

// Two gates of one address get the same messages at the same moment: each opens at one of
// them.
func TestOneMessageAtTwoGates(t *testing.T) {
	const messages = 40
	w := newShaped(t, shape{without: "24h", fleet: `address = "front"`, oneKey: true}, "berlin", "paris")
	var conns []net.PacketConn
	for range w.gates {
		conn, err := w.Client.ListenPacket("udp", netip.AddrPortFrom(w.Client.IP4, 0).String())
		must(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		conns = append(conns, conn)
	}
	count := func(what string) (n int) {
		for _, g := range w.gates {
			n += strings.Count(g.log.String(), what)
		}
		return n
	}
	granted, decided := count("msg=grant "), 0
	opened := 0
	for range messages {
		before := count("msg=grant ") + count("msg=refusal ")
		m := w.message()
		var both sync.WaitGroup
		for i, g := range w.gates {
			both.Go(func() {
				_, _ = conns[i].WriteTo(m, net.UDPAddrFromAddrPort(netip.AddrPortFrom(g.IP4, spaPort)))
			})
		}
		both.Wait()
		w.Eventually("both gates have decided", func() bool { return count("msg=grant ")+count("msg=refusal ") >= before+2 })
		now := count("msg=grant ")
		if now-granted > 1 {
			t.Fatalf("message %d opens %d times", decided, now-granted)
		}
		opened, decided, granted = opened+now-granted, decided+1, now
	}
	if opened < messages/10 { // on a busy machine etcd may need longer than a gate waits
		t.Errorf("hardly a message opens anything:\n%s", w.gates[0].log)
	}
	t.Logf("%d of %d messages have opened, each once; others were refused as replayed %d times, and for want of etcd's answer %d times", opened, messages, count("reason=replayed"), count("reason=no-record"))
}
