//go:build linux && !client_only

package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/lab"
)

const largeDoors, largeClients = 200, 500

// newLarge builds a gate with many doors and clients, each in a file of its
// own, without starting the daemon.
func newLarge(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, lab.Options{})
	w.configure("[spa]\nport = 23000\n")
	dir := filepath.Join(w.dir, "conf.d")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	put := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for i := range largeDoors {
		put(fmt.Sprintf("door-%d.toml", i), largeDoor(i, "1h"))
	}
	for i := range largeClients {
		public, _, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		key, err := ssh.NewPublicKey(public)
		if err != nil {
			t.Fatal(err)
		}
		put(fmt.Sprintf("client-%d.toml", i), fmt.Sprintf("[[client]]\nname = \"c%d\"\ndoors = [\"d%d\"]\nkey = %q\n", i, i%largeDoors, strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))))
	}
	return w
}

// largeKnocks are the knocks of one of many doors: all first knocks differ.
func largeKnocks(i int) []uint16 {
	return []uint16{uint16(2000 + i), uint16(20000 + 7*i), uint16(5000 + 3*i), uint16(12000 + 11*i), uint16(8000 + 2*i)}
}

func largeDoor(i int, openFor string) string {
	var knocks []string
	for _, k := range largeKnocks(i) {
		knocks = append(knocks, fmt.Sprintf("%q", fmt.Sprintf("udp/%d", k)))
	}
	return fmt.Sprintf("[[door]]\nname = \"d%d\"\nports = [\"tcp/%d\"]\nopen_for = %q\nsequence = [%s]\n", i, 100+i, openFor, strings.Join(knocks, ", "))
}

// 200 doors and 500 clients in as many files are no obstacle. How long an
// administrator waits for them is in the log (go test -v -run TestManyFiles).
func TestManyFiles(t *testing.T) {
	t.Parallel()
	w := newLarge(t)
	w.start()
	if s := w.status(); len(s.Doors) != largeDoors {
		t.Fatalf("%d doors", len(s.Doors))
	}
	for _, command := range []string{"check", "reload", "status"} {
		began := time.Now()
		w.must(w.Gate, command, "-c", w.config)
		t.Logf("sallyport %s: %v", command, time.Since(began).Round(time.Millisecond))
	}
}

// While a thousand knocks a second arrive, reloads lose none: each source that
// sends a whole sequence is let in.
func TestReloadLosesNoKnock(t *testing.T) {
	w := newLarge(t)
	w.start()
	// Any address of this prefix is the client's own, to send from.
	const sources = 600 // in one go
	if out, err := w.Client.Command(t.Context(), "ip", "route", "add", "local", "10.77.0.0/16", "dev", "lo").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var reloads atomic.Int32
	ended := make(chan struct{})
	go func() { defer close(ended); w.reloadUntil(ctx, &reloads) }()
	began, sent := time.Now(), 0
	for deadline := began.Add(patience); sent == 0 || reloads.Load() < 2 && time.Now().Before(deadline); sent += sources {
		if err := w.Client.Do(func() error { return knockFromMany(w.Client.Gate4, sent, sources) }); err != nil {
			t.Fatal(err)
		}
	}
	n := reloads.Load()
	cancel()
	<-ended
	t.Logf("%d knocks in %v during %d reloads", sent*len(largeKnocks(0)), time.Since(began).Round(time.Millisecond), n)
	if n < 2 {
		t.Errorf("only %d reloads while %d sources knocked", n, sent)
	}
	var granted int
	w.eventually("a grant for each source", func() bool { granted = len(w.status().Grants); return granted >= sent })
	if granted != sent {
		t.Errorf("%d grants for %d sources", granted, sent)
	}
}

// reloadUntil reloads a configuration that differs each time in a door that
// nobody knocks at, and counts how often.
func (w *world) reloadUntil(ctx context.Context, n *atomic.Int32) {
	extra := filepath.Join(w.dir, "conf.d", "extra.toml")
	for ; ctx.Err() == nil; n.Add(1) {
		text := fmt.Sprintf("[[door]]\nname = \"extra\"\nports = [\"tcp/%d\"]\n", 10+n.Load()%2)
		if err := os.WriteFile(extra, []byte(text), 0o600); err != nil {
			w.t.Error(err)
			return
		}
		if out, err := w.sallyport(w.Gate, "reload", "-c", w.config).CombinedOutput(); err != nil {
			w.t.Errorf("reload: %v\n%s", err, out)
			return
		}
	}
}

// knockFromMany sends a sequence from each of n sources, beginning with one of
// them, a thousand knocks a second on average: what is late is made up for.
func knockFromMany(gate netip.Addr, first, n int) error {
	due := time.Now()
	for i := first; i < first+n; i++ {
		from := &net.UDPAddr{IP: net.IPv4(10, 77, byte(i>>8), byte(i))}
		conn, err := net.ListenUDP("udp4", from)
		if err != nil {
			return err
		}
		for _, port := range largeKnocks(i % largeDoors) {
			due = due.Add(time.Millisecond)
			<-time.After(time.Until(due))
			if _, err := conn.WriteToUDPAddrPort([]byte{0}, netip.AddrPortFrom(gate, port)); err != nil {
				return err
			}
		}
		if err := conn.Close(); err != nil {
			return err
		}
	}
	return nil
}
