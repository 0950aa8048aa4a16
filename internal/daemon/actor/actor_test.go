//go:build linux

package actor

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"sallyport/internal/daemon/hub"
	"sallyport/internal/event"
	"sallyport/internal/gate"
	"sallyport/internal/grant"
	"sallyport/internal/replay/disk"
	"sallyport/internal/spa"
	"sallyport/internal/spent"
)

// broken is a firewall that takes nothing.
type broken struct{}

func (broken) Grant(event.Grant, time.Time) error         { return errors.New("no buffer space available") }
func (broken) Renew(event.Grant, time.Time) (bool, error) { return false, nil }
func (broken) Revoke(event.Grant) error                   { return nil }

// alone is an actor's surroundings in which nothing hears of anything.
func alone(r Recorder) Around {
	return Around{
		Recorder: r,
		Bans:     nobody{},
		Answer:   func(*gate.Reply, spa.Ack) error { return nil },
		Opened:   func(time.Duration) {},
		Ended:    func([]event.Grant) {},
		Cut:      func(func(event.Owner) bool) {},
		Asked:    func(time.Time, gate.Decision) {},
		Withdraw: func(string, event.Message) {},
		Undone:   func(error) {},
	}
}

// nobody is banned.
type nobody struct{}

func (nobody) Has(netip.Addr, time.Time) bool   { return false }
func (nobody) Pardon(time.Time, gate.Decision)  {}
func (nobody) Misused(time.Time, gate.Decision) {}

// sequences is a recorder for sequences.
type sequences struct{ *spent.Store }

func (s sequences) Record(what gate.Record) error { return s.Write(*what.Sequence) }

// heard takes out what has been put in.
func heard(h *hub.Hub) (list []event.Event) {
	h.Flush([]hub.Sink{func(e event.Event) { list = append(list, e) }})
	return list
}

func TestFailedGrantIsAnEvent(t *testing.T) {
	e := hub.New()
	a := New(grant.New(broken{}, nil), e, alone(nil))
	a.carryOut(order{at: time.Now(), decision: gate.Decision{Kind: event.KindGrant, Reason: event.BySequence, Source: netip.MustParseAddr("192.0.2.10"),
		Grants: []event.Grant{{Door: "ssh", Source: netip.MustParseAddr("192.0.2.10"), Until: time.Now().Add(time.Minute)}}}})
	if list := heard(e); len(list) != 1 || list[0].Kind != event.KindFailure || !strings.Contains(list[0].Detail, "no buffer space") {
		t.Errorf("%+v", list)
	}
}

// A queue that is full loses a grant and says so; the pump goes on.
func TestPumpNeverWaitsForTheFirewall(t *testing.T) {
	e := hub.New()
	a := New(grant.New(broken{}, nil), e, alone(nil))
	for range cap(a.anonymous) + 5 {
		a.Decided(time.Now(), gate.Decision{Kind: event.KindGrant, Source: netip.MustParseAddr("192.0.2.10")})
	}
	overloads := 0
	for _, e := range heard(e) {
		if e.Kind == event.KindOverload {
			overloads++
		}
	}
	if overloads != 5 {
		t.Errorf("%d overloads told, want 5", overloads)
	}
}

// unwritable is a store whose disk is full.
type unwritable struct{}

func (unwritable) Read(string) ([]byte, error)         { return nil, nil }
func (unwritable) Replace(string, []byte) error        { return errors.New("no space left") }
func (unwritable) WriteAt(string, []byte, int64) error { return errors.New("no space left") }
func (unwritable) Sync() error                         { return nil }

func TestNothingOpensUnrecorded(t *testing.T) {
	store, _, _ := spent.Open(unwritable{}, "", 1)
	e := hub.New()
	a := New(nil, e, alone(sequences{store})) // a book would be used by any grant
	record := spent.Step("bob", "ssh", 7)
	a.carryOut(order{at: time.Now(), decision: gate.Decision{Kind: event.KindGrant, Reason: event.ByRotating, Door: "ssh", Client: "bob", Authenticated: true,
		Source: netip.MustParseAddr("192.0.2.7"), Record: gate.Record{Sequence: &record}, Grants: []event.Grant{{Door: "ssh"}}}})
	if e := heard(e)[0]; e.Kind != event.KindRefusal || e.Reason != event.NoRecord || !strings.Contains(e.Detail, "no space left") {
		t.Errorf("%+v", e)
	}
}

// What a refused sequence has used is recorded too.
func TestRefusalsAreRecorded(t *testing.T) {
	files, err := disk.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer files.Close()
	store, _, _ := spent.Open(files, "", 1)
	e := hub.New()
	a := New(nil, e, alone(sequences{store}))
	record := spent.Step("bob", "ssh", 7)
	a.Decided(time.Now(), gate.Decision{Kind: event.KindRefusal, Reason: event.OutOfHours, Door: "ssh",
		Source: netip.MustParseAddr("192.0.2.7"), Record: gate.Record{Sequence: &record}})
	a.carryOut(<-a.queue)
	if e := heard(e)[0]; e.Kind != event.KindRefusal || e.Reason != event.OutOfHours {
		t.Errorf("%+v", e)
	}
	data, err := files.Read(spent.FileName)
	if err != nil || !spent.Read(data).Used(record) {
		t.Errorf("not recorded: %v", err)
	}
}
