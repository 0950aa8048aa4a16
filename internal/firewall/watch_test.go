//go:build linux

package firewall

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sallyport/internal/conntrack"
	"sallyport/internal/lab"
	"sallyport/internal/lab/labtest"
	"sallyport/internal/packet"
)

func (w *world) watch(changed func()) *atomic.Int64 {
	w.t.Helper()
	var n atomic.Int64
	ctx, stop := context.WithCancel(w.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.f.Watch(ctx, func() { changed(); n.Add(1) }) }()
	w.t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			w.t.Errorf("watch: %v", err)
		}
	})
	return &n
}

func TestFlushedTableComesBackWithinASecond(t *testing.T) {
	t.Parallel()
	labtest.Need(t, "peers", "nft")
	w := newWorld(t, lab.Options{})
	w.f = w.newFirewall(Options{Unowned: true})
	cfg := guarding(doorTo("ssh", "tcp/22"))
	w.apply(cfg)
	w.grant("ssh", w.Client, time.Hour)
	s := w.connect(w.Client, at(w.Client.Gate4, 22))
	live := w.grants()
	w.watch(func() {
		if present, err := w.f.Present(); present || err != nil {
			t.Errorf("the table is present: %t, %v", present, err)
		}
		if err := w.tryApply(cfg); err != nil {
			t.Error(err)
		}
		if err := w.f.GrantAll(live, time.Now()); err != nil {
			t.Error(err)
		}
	})
	w.closed(w.Attacker, "tcp", at(w.Attacker.Gate4, 22))
	w.nft("flush", "ruleset")
	deadline := time.Now().Add(time.Second)
	for w.probe(w.Attacker, "tcp", at(w.Attacker.Gate4, 22), silence) == lab.Open {
		if time.Now().After(deadline) {
			t.Fatal("the door is still open after a second")
		}
	}
	w.open(w.Client, "tcp", at(w.Client.Gate4, 22))
	w.lives(s, "after the flush")
}

func TestSessionsBegunWithoutTheTableEndWithItsReturn(t *testing.T) {
	t.Parallel()
	labtest.Need(t, "peers", "nft")
	w := newWorld(t, lab.Options{})
	old := w.connect(w.Client, at(w.Client.Gate4, 22)) // before tracking
	w.f = w.newFirewall(Options{Unowned: true})
	cfg := guarding(doorTo("ssh", "tcp/22"))
	w.apply(cfg)
	w.nft("flush", "ruleset")
	// Whom others track the table lets in, and the daemon cuts. Older kernels go on
	// tracking for a moment after the last table that wants it (5.10 destroys rules later).
	var intruder *dialogue
	w.eventually("nothing tracks connections", func() bool {
		intruder = w.connect(w.Attacker, at(w.Attacker.Gate4, 22))
		return !w.tracked(intruder)
	})
	w.apply(cfg)
	if _, err := fmt.Fprintln(intruder, "hello"); err != nil {
		t.Fatal(err)
	}
	w.do(func() error { return intruder.SetDeadline(time.Now().Add(2 * silence)) })
	if line, err := intruder.r.ReadString('\n'); err == nil {
		t.Errorf("the intruder is still in: %q", line)
	}
	w.lives(old, "after the table came back")
}

// tracked reports whether the gate's connection tracking knows a connection.
func (w *world) tracked(s *dialogue) (known bool) {
	w.t.Helper()
	from := s.LocalAddr().(*net.TCPAddr).AddrPort()
	w.do(func() error {
		return w.Gate.Do(func() error {
			flows, err := conntrack.List(func(p packet.Port) bool { return p.Number == 22 })
			known = slices.ContainsFunc(flows, func(f conntrack.Flow) bool { return netip.AddrPortFrom(f.Source, f.From) == from })
			return err
		})
	})
	return known
}

func TestWatchTellsOfOthersOnly(t *testing.T) {
	t.Parallel()
	labtest.Need(t, "peers", "nft")
	w := newWorld(t, lab.Options{})
	w.f = w.newFirewall(Options{Unowned: true})
	cfg := guarding(doorTo("ssh", "tcp/22"))
	n := w.watch(func() {})
	w.apply(cfg)
	for range 100 {
		w.grant("ssh", w.Client, time.Hour)
	}
	w.apply(cfg)
	w.nft("add", "table", "inet", "other")
	w.nft("add", "table", "ip", tableName)
	for i, change := range []string{
		"add rule inet sallyport own accept",
		"add element inet sallyport granted4 { 192.0.2.99 . tcp . 22 }",
		"flush chain inet sallyport door",
		"delete table inet sallyport",
	} {
		w.nft(strings.Fields(change)...)
		w.eventually(change, func() bool { return n.Load() == int64(i+1) })
	}
}

func TestForeignElementsAreNoGrants(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{})
	w.f = w.newFirewall(Options{Unowned: true})
	w.apply(guarding(doorTo("ssh", "tcp/22")))
	for _, element := range []string{
		`192.0.2.90 . tcp . 22`,
		`192.0.2.91 . tcp . 22 timeout 1h`,
		`192.0.2.92 . tcp . 22 timeout 1h comment "Not A Name"`,
		`192.0.2.93 . tcp . 80 timeout 1h comment "ssh alice"`,
		`192.0.2.94 . tcp . 22 timeout 1h comment "web alice"`,
	} {
		w.nft("add", "element", "inet", tableName, "granted4", "{", element, "}")
	}
	if grants := w.grants(); len(grants) != 0 {
		t.Errorf("grants %+v", grants)
	}
	if !strings.Contains(w.log.String(), "elements=3") {
		t.Errorf("the log does not tell: %s", &w.log)
	}
}
