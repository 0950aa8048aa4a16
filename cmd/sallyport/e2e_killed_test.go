//go:build linux && !client_only

package main

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"os"
	"testing"
	"time"

	"sallyport/internal/lab/labtest"
	"sallyport/internal/spa"
)

// refusals is how many messages the daemon has refused, for whatever reason.
func (w *world) refusals() (n uint64) {
	for c := range maps.Values(w.status().Refusals) {
		n += c
	}
	return n
}

// used requires that a message which has been answered is refused for ever.
func (w *spaWorld) used(datagram []byte) {
	w.t.Helper()
	before, grants := w.refusals(), len(w.status().Grants)
	w.send(w.Client, w.Client.Gate4, datagram)
	w.eventually("a message that was answered is refused", func() bool { return w.refusals() > before })
	if now := len(w.status().Grants); now > grants {
		w.t.Errorf("a message that was answered opens again")
	}
}

// tryAsk is ask where the daemon may die meanwhile: it reports whether there was an answer.
func (w *spaWorld) tryAsk(m *spa.Sealed, wait time.Duration) bool {
	conn := w.send(w.Client, w.Client.Gate4, m.Datagram)
	defer conn.Close()
	conn.SetReadDeadline(time.Now().Add(wait))
	buf := make([]byte, 2000)
	for {
		n, _, err := conn.ReadFrom(buf)
		if err != nil {
			return false
		}
		if _, err := m.OpenAck(buf[:n]); err == nil {
			return true
		}
	}
}

// The daemon is killed at any moment while it writes all that it keeps: messages,
// bans, the configuration in force and the journal. It starts again with what is
// there, and nothing that was used can be used again, nothing that was closed is open.
func TestKilledWhileItWrites(t *testing.T) {
	t.Parallel()
	w := newSPAWorld(t, "")
	config, err := os.ReadFile(w.config)
	if err != nil {
		t.Fatal(err)
	}
	rounds := labtest.Rounds(2, 8)
	random := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1))
	for round := range rounds {
		ctx, cancel := context.WithCancel(t.Context())
		others := make(chan struct{})
		go func() {
			defer close(others)
			for n := 0; ctx.Err() == nil; n++ {
				w.run(w.Gate, "ban", "add", "-c", w.config, fmt.Sprintf("198.51.100.%d", n%250+1), "--for", "1h")
				changed := fmt.Sprintf("%s\n# %d\n", config, n)
				if os.WriteFile(w.config, []byte(changed), 0o600) == nil {
					w.run(w.Gate, "reload", "-c", w.config)
				}
			}
		}()
		killer := time.AfterFunc(time.Duration(random.Int64N(int64(600*time.Millisecond))), func() { w.daemon.Process.Kill() })
		var answered [][]byte
		for {
			m := w.seal(w.alice, netip.Addr{}, nil)
			if !w.tryAsk(m, 300*time.Millisecond) {
				break
			}
			answered = append(answered, m.Datagram)
		}
		killer.Stop()
		cancel()
		<-others
		w.kill()
		w.closed(w.Attacker, "tcp", at(w.Attacker, 22))
		w.start()
		w.closed(w.Attacker, "tcp", at(w.Attacker, 22))
		for _, datagram := range answered {
			w.used(datagram)
		}
		t.Logf("round %d: %d messages were answered", round+1, len(answered))
	}
}
