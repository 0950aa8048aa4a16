//go:build linux

package hub

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"sallyport/internal/event"
	"sallyport/internal/gate"
)

var (
	start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	alice = netip.MustParseAddr("192.0.2.10")
)

// logged is a hub whose events are written to a log.
func logged(log *bytes.Buffer) (*Hub, []Sink) {
	return New(), []Sink{NewLogbook(slog.New(slog.NewTextHandler(log, nil))).Write}
}

// An attacker decides how many refusals there are, but not how long the log gets.
func TestRefusalsAreAllCountedAndFewWritten(t *testing.T) {
	var log bytes.Buffer
	e, sinks := logged(&log)
	for i := range 10_000 {
		e.Decided(start.Add(time.Duration(i)*time.Millisecond), gate.Decision{Kind: event.KindRefusal, Reason: event.WrongKnock, Source: alice})
	}
	e.Flush(sinks)
	if n := e.Refused()[event.WrongKnock]; n != 10_000 {
		t.Errorf("counted %d refusals, want 10,000", n)
	}
	if n := strings.Count(log.String(), "reason=wrong-knock"); n != refusalBurst {
		t.Errorf("wrote %d refusals in ten seconds, want %d", n, refusalBurst)
	}
	log.Reset()
	e.Decided(start.Add(time.Minute), gate.Decision{Kind: event.KindRefusal, Reason: event.TooSlow, Source: alice})
	e.Flush(sinks)
	if !strings.Contains(log.String(), "reason=too-slow") {
		t.Errorf("after a pause the log says %q", log.String())
	}
	if !strings.Contains(log.String(), "refusals_left_out=9950") {
		t.Error("it is not told that refusals were left out")
	}
}

// What names a client and a reason of those who have shown a key is in nobody's
// hand only if the gate says so: anyone who has overheard a sequence, or a message,
// fills no log with it.
func TestNamesProveNothing(t *testing.T) {
	for _, d := range []gate.Decision{
		{Kind: event.KindRefusal, Reason: event.OutOfHours, Door: "ssh"},
		{Kind: event.KindRefusal, Reason: event.ForbiddenFrom, Client: "alice"},
		{Kind: event.KindClock, Reason: event.StaleTime, Client: "alice"},
		{Kind: event.KindRefusal, Reason: event.Replayed, Client: "alice", Bound: true},
	} {
		var log bytes.Buffer
		e, sinks := logged(&log)
		for range 3000 {
			d.Source = alice
			e.Decided(start, d)
		}
		if len(e.queue) != 0 {
			t.Errorf("%s %s is among what only the authorised cause", d.Kind, d.Reason)
		}
		e.Flush(sinks)
		if n := strings.Count(log.String(), "source="); n != refusalBurst {
			t.Errorf("%s %s: wrote %d, want %d", d.Kind, d.Reason, n, refusalBurst)
		}
		e.Decided(start, gate.Decision{Kind: d.Kind, Reason: d.Reason, Authenticated: true})
		if len(e.queue) != 1 {
			t.Errorf("%s %s: what a client has signed is not", d.Kind, d.Reason)
		}
	}
}

// Those who can forge addresses cannot keep out of the log what comes from where
// it says.
func TestForgersLeaveRoomInTheLog(t *testing.T) {
	var log bytes.Buffer
	l := NewLogbook(slog.New(slog.NewTextHandler(&log, nil)))
	for range 1000 {
		l.Write(event.Event{Time: start, Kind: event.KindRefusal, Reason: event.BadTag, Source: alice})
	}
	log.Reset()
	for range 1000 {
		l.Write(event.Event{Time: start, Kind: event.KindBan, Reason: event.Banned, Source: alice, Bound: true})
	}
	if n := strings.Count(log.String(), "msg=ban source=192.0.2.10 reason=banned bound=true"); n != refusalBurst {
		t.Errorf("wrote %d bans, want %d", n, refusalBurst)
	}
}

// Those who have overheard a static sequence decide how many grants there are, but
// not how long the log gets, nor whether it has those of clients.
func TestGrantsOfClientsAreAlwaysWritten(t *testing.T) {
	var log bytes.Buffer
	l := NewLogbook(slog.New(slog.NewTextHandler(&log, nil)))
	for range 1000 {
		for _, kind := range []event.Kind{event.KindGrant, event.KindUse, event.KindExpiry} {
			l.Write(event.Event{Time: start, Kind: kind, Door: "ssh", Source: alice})
			l.Write(event.Event{Time: start, Kind: kind, Door: "ssh", Source: alice, Client: "alice"})
		}
		l.Write(event.Event{Time: start, Kind: event.KindFailure, Door: "ssh", Source: alice, Reason: event.NotOpened})
		l.Write(event.Event{Time: start, Kind: event.KindGrant, Door: "ssh", Source: alice, Reason: event.ByOperator})
	}
	if n := strings.Count(log.String(), "client=alice"); n != 3000 {
		t.Errorf("wrote %d events of a client's grants, want 3000", n)
	}
	if n := strings.Count(log.String(), "reason=operator"); n != 1000 {
		t.Errorf("wrote %d grants of an operator, want 1000", n)
	}
	lines, told, left := 0, 0, 0
	for line := range strings.Lines(log.String()) {
		if n := 0; strings.Contains(line, "events_left_out") {
			if _, err := fmt.Sscanf(line[strings.Index(line, "events_left_out"):], "events_left_out=%d", &n); err != nil {
				t.Fatal(err)
			}
			told, left = told+1, left+n
		}
		if strings.Contains(line, "door=ssh") && !strings.Contains(line, "client=") && !strings.Contains(line, "reason=operator") {
			lines++
		}
	}
	if lines != anonymousBurst || told == 0 || lines+left != 4000 {
		t.Errorf("wrote %d events of nobody's grants, and that %d were left out (%d times)", lines, left, told)
	}
}

// When the log is slower than what happens, nothing waits for it.
func TestFullQueueIsTold(t *testing.T) {
	var log bytes.Buffer
	e, sinks := logged(&log)
	for range cap(e.queue) + 7 {
		e.Put(event.Event{Kind: event.KindExpiry})
	}
	e.Flush(sinks)
	if !strings.Contains(log.String(), `"7 events lost`) {
		t.Errorf("the loss of 7 events is not told")
	}
}

// Beyond what can be looked at one by one, refusals are summed up, and what
// authenticated clients do is never displaced by them.
func TestFloodOfRefusalsIsSummedUp(t *testing.T) {
	e := New()
	var single, summed, clients uint64
	sinks := []Sink{func(ev event.Event) {
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
		e.Decided(start, gate.Decision{Kind: event.KindRefusal, Reason: event.BadTag, Source: alice})
	}
	e.Decided(start, gate.Decision{Kind: event.KindRefusal, Reason: event.ForbiddenDoor, Source: alice, Client: "alice", Authenticated: true})
	e.Flush(sinks)
	if single > hostilePerSecond || single+summed != n || clients != 1 {
		t.Errorf("%d one by one, %d summed up, %d of a client; want at most %d, all %d in both, and 1", single, summed, clients, hostilePerSecond, n)
	}
}

func TestHostileTextStaysOnItsLine(t *testing.T) {
	var log bytes.Buffer
	e, sinks := logged(&log)
	e.Put(event.Event{Kind: event.KindRefusal, Detail: "x\ntime=now msg=grant door=ssh\x1b[2J"})
	e.Flush(sinks)
	if strings.Count(log.String(), "\n") != 1 || strings.Contains(log.String(), "\x1b") {
		t.Errorf("%q", log.String())
	}
}

// Refusals are logged again although the clock was a day ahead for a while.
func TestLogAfterTheClockWasSetBack(t *testing.T) {
	l, now := NewLogbook(slog.New(slog.DiscardHandler)), time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	at := func(t time.Time) bool { return l.admit(event.Event{Kind: event.KindRefusal, Time: t}) }
	for range refusalBurst {
		at(now.AddDate(0, 0, 1))
	}
	if at(now) || !at(now.Add(refusalEvery)) {
		t.Error("want one more after a while, and not before")
	}
}
