//go:build linux

package daemon

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sallyport/internal/capture"
	"sallyport/internal/config"
	"sallyport/internal/event"
	"sallyport/internal/gate"
	"sallyport/internal/grant"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	alice = netip.MustParseAddr("192.0.2.10")
)

// An attacker decides how many refusals there are, but not how long the log gets.
func TestRefusalsAreAllCountedAndFewWritten(t *testing.T) {
	var log bytes.Buffer
	e := newEvents(slog.New(slog.NewTextHandler(&log, nil)))
	for i := range 10_000 {
		e.decided(start.Add(time.Duration(i)*time.Millisecond), gate.Decision{Kind: event.KindRefusal, Reason: event.WrongKnock, Source: alice})
	}
	e.flush()
	if n := e.refused()[event.WrongKnock]; n != 10_000 {
		t.Errorf("counted %d refusals, want 10,000", n)
	}
	if n := strings.Count(log.String(), "reason=wrong-knock"); n != refusalBurst {
		t.Errorf("wrote %d refusals in ten seconds, want %d", n, refusalBurst)
	}
	log.Reset()
	e.decided(start.Add(time.Minute), gate.Decision{Kind: event.KindRefusal, Reason: event.TooSlow, Source: alice})
	e.flush()
	if !strings.Contains(log.String(), "reason=too-slow") {
		t.Errorf("after a pause the log says %q", log.String())
	}
	if !strings.Contains(log.String(), "refusals_left_out=9950") {
		t.Error("it is not told that refusals were left out")
	}
}

// What names a client and a reason of those who have shown a key is in nobody's
// hand only if the gate says so: whoever has overheard a sequence, or a message,
// fills no log with it.
func TestNamesProveNothing(t *testing.T) {
	for _, d := range []gate.Decision{
		{Kind: event.KindRefusal, Reason: event.OutOfHours, Door: "ssh"},
		{Kind: event.KindRefusal, Reason: event.ForbiddenFrom, Client: "alice"},
		{Kind: event.KindClock, Reason: event.StaleTime, Client: "alice"},
		{Kind: event.KindRefusal, Reason: event.Replayed, Client: "alice", Bound: true},
	} {
		var log bytes.Buffer
		e := newEvents(slog.New(slog.NewTextHandler(&log, nil)))
		for range 3000 {
			d.Source = alice
			e.decided(start, d)
		}
		if len(e.queue) != 0 {
			t.Errorf("%s %s is among what only the authorised cause", d.Kind, d.Reason)
		}
		e.flush()
		if n := strings.Count(log.String(), "source="); n != refusalBurst {
			t.Errorf("%s %s: wrote %d, want %d", d.Kind, d.Reason, n, refusalBurst)
		}
		e.decided(start, gate.Decision{Kind: d.Kind, Reason: d.Reason, Authenticated: true})
		if len(e.queue) != 1 {
			t.Errorf("%s %s: what a client has signed is not", d.Kind, d.Reason)
		}
	}
}

// Those who can forge addresses cannot keep out of the log what comes from where
// it says.
func TestForgersLeaveRoomInTheLog(t *testing.T) {
	var log bytes.Buffer
	l := newLogbook(slog.New(slog.NewTextHandler(&log, nil)))
	for range 1000 {
		l.write(event.Event{Time: start, Kind: event.KindRefusal, Reason: event.BadTag, Source: alice})
	}
	log.Reset()
	for range 1000 {
		l.write(event.Event{Time: start, Kind: event.KindBan, Reason: event.Banned, Source: alice, Bound: true})
	}
	if n := strings.Count(log.String(), "msg=ban source=192.0.2.10 reason=banned bound=true"); n != refusalBurst {
		t.Errorf("wrote %d bans, want %d", n, refusalBurst)
	}
}

func TestGrantsAreAlwaysWritten(t *testing.T) {
	var log bytes.Buffer
	e := newEvents(slog.New(slog.NewTextHandler(&log, nil)))
	for range 1000 {
		e.put(event.Event{Kind: event.KindGrant, Door: "ssh"})
	}
	e.flush()
	if n := strings.Count(log.String(), "msg=grant"); n != 1000 {
		t.Errorf("wrote %d grants, want 1000", n)
	}
}

// When the log is slower than what happens, nothing waits for it.
func TestFullQueueIsTold(t *testing.T) {
	var log bytes.Buffer
	e := newEvents(slog.New(slog.NewTextHandler(&log, nil)))
	for range cap(e.queue) + 7 {
		e.put(event.Event{Kind: event.KindExpiry})
	}
	e.flush()
	if !strings.Contains(log.String(), `"7 events lost`) {
		t.Errorf("the loss of 7 events is not told")
	}
}

// Beyond what can be looked at one by one, refusals are summed up, and what
// authenticated clients do is never displaced by them.
func TestFloodOfRefusalsIsSummedUp(t *testing.T) {
	e := newEvents(slog.New(slog.DiscardHandler))
	var single, summed, clients uint64
	e.sinks = []sink{func(ev event.Event) {
		switch {
		case ev.Client != "":
			clients++
		case ev.Count.Packets > 0:
			summed += ev.Count.Packets
		default:
			single++
		}
	}}
	const n = 100_000
	for range n {
		e.decided(start, gate.Decision{Kind: event.KindRefusal, Reason: event.BadTag, Source: alice})
	}
	e.decided(start, gate.Decision{Kind: event.KindRefusal, Reason: event.ForbiddenDoor, Source: alice, Client: "alice", Authenticated: true})
	e.flush()
	if single > hostilePerSecond || single+summed != n || clients != 1 {
		t.Errorf("%d one by one, %d summed up, %d of a client; want at most %d, all %d in both, and 1", single, summed, clients, hostilePerSecond, n)
	}
}

func TestHostileTextStaysOnItsLine(t *testing.T) {
	var log bytes.Buffer
	e := newEvents(slog.New(slog.NewTextHandler(&log, nil)))
	e.put(event.Event{Kind: event.KindRefusal, Detail: "x\ntime=now msg=grant door=ssh\x1b[2J"})
	e.flush()
	if strings.Count(log.String(), "\n") != 1 || strings.Contains(log.String(), "\x1b") {
		t.Errorf("%q", log.String())
	}
}

// Refusals are logged again although the clock was a day ahead for a while.
func TestLogAfterTheClockWasSetBack(t *testing.T) {
	l, now := newLogbook(slog.New(slog.DiscardHandler)), time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	at := func(t time.Time) bool { return l.admit(event.Event{Kind: event.KindRefusal, Time: t}) }
	for range refusalBurst {
		at(now.AddDate(0, 0, 1))
	}
	if at(now) || !at(now.Add(refusalEvery)) {
		t.Error("want one more after a while, and not before")
	}
}

func TestNotifier(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	env := map[string]string{"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "3000000"}
	n := newNotifier(func(name string) string { return env[name] })
	if n.watchdog != 3*time.Second {
		t.Errorf("watchdog %s", n.watchdog)
	}
	if err := n.send(reloading()...); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 100)
	size, err := conn.Read(buf)
	if got := string(buf[:size]); err != nil || !strings.HasPrefix(got, "RELOADING=1\nMONOTONIC_USEC=") {
		t.Errorf("%q, %v", got, err)
	}
	if err := newNotifier(func(string) string { return "" }).send("READY=1"); err != nil {
		t.Errorf("without a service manager: %v", err)
	}
	env["WATCHDOG_PID"] = "1"
	if n := newNotifier(func(name string) string { return env[name] }); n.watchdog != 0 && os.Getpid() != 1 {
		t.Error("a watchdog meant for another process counts")
	}
}

// still is a capture to which nothing arrives.
type still struct{ woken chan struct{} }

func (s still) Receive(capture.Handler) error { <-s.woken; return nil }
func (s still) Wake() {
	select {
	case s.woken <- struct{}{}:
	default:
	}
}
func (s still) Stats() (capture.Stats, error) { return nil, nil }
func (s still) Close() error                  { return nil }

func TestPumpDoesWhatItIsTold(t *testing.T) {
	p := newPump(still{make(chan struct{}, 1)}, gate.New(&config.Config{}, gate.SPA{}, gate.Host{}, start), nil)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- p.Run(ctx) }()
	for i := range 100 {
		ran := false
		if err := p.do(t.Context(), func() { ran = true }); err != nil || !ran {
			t.Fatalf("command %d: ran %v, %v", i, ran, err)
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := p.do(ctx, func() { t.Error("ran after the end") }); err == nil {
		t.Error("no error after the end")
	}
}

// broken is a firewall that takes nothing.
type broken struct{}

func (broken) Grant(event.Grant, time.Time) error         { return errors.New("no buffer space available") }
func (broken) Renew(event.Grant, time.Time) (bool, error) { return false, nil }
func (broken) Revoke(event.Grant) error                   { return nil }

// alone is an actor's surroundings in which nothing hears of anything.
func alone(m *memory) around {
	return around{
		secrets: func() *secrets { return nil },
		memory:  func() *memory { return m },
		answers: func() bool { return false },
		opened:  func(time.Duration) {},
		ended:   func([]event.Grant) {},
		misused: func(time.Time, gate.Decision) {},
		banned:  func(netip.Addr, time.Time) bool { return false },
		cut:     func(func(event.Owner) bool) {},
		pardon:  func(time.Time, gate.Decision) {},
	}
}

func TestFailedGrantIsAnEvent(t *testing.T) {
	var log bytes.Buffer
	e := newEvents(slog.New(slog.NewTextHandler(&log, nil)))
	a := newActor(grant.New(broken{}, nil), e, alone(nil))
	a.carryOut(order{start, gate.Decision{Kind: event.KindGrant, Reason: event.BySequence, Source: alice,
		Grants: []event.Grant{{Door: "ssh", Source: alice, Until: start.Add(time.Minute)}}}})
	e.flush()
	if !strings.Contains(log.String(), "msg=failure") || !strings.Contains(log.String(), "no buffer space") {
		t.Errorf("%s", log.String())
	}
}

// A queue that is full loses a grant and says so; the pump goes on.
func TestPumpNeverWaitsForTheFirewall(t *testing.T) {
	e := newEvents(slog.New(slog.DiscardHandler))
	a := newActor(grant.New(broken{}, nil), e, alone(nil))
	for range cap(a.queue) + 5 {
		a.decided(start, gate.Decision{Kind: event.KindGrant, Source: alice})
	}
	overloads := 0
	for range len(e.queue) {
		if (<-e.queue).Kind == event.KindOverload {
			overloads++
		}
	}
	if overloads != 5 {
		t.Errorf("%d overloads told, want 5", overloads)
	}
}
