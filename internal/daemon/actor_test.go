//go:build linux

package daemon

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
)

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
	e := hub.New()
	a := newActor(grant.New(broken{}, nil), e, alone(nil))
	a.carryOut(order{start, gate.Decision{Kind: event.KindGrant, Reason: event.BySequence, Source: alice,
		Grants: []event.Grant{{Door: "ssh", Source: alice, Until: start.Add(time.Minute)}}}})
	if list := heard(e); len(list) != 1 || list[0].Kind != event.KindFailure || !strings.Contains(list[0].Detail, "no buffer space") {
		t.Errorf("%+v", list)
	}
}

// A queue that is full loses a grant and says so; the pump goes on.
func TestPumpNeverWaitsForTheFirewall(t *testing.T) {
	e := hub.New()
	a := newActor(grant.New(broken{}, nil), e, alone(nil))
	for range cap(a.queue) + 5 {
		a.decided(start, gate.Decision{Kind: event.KindGrant, Source: alice})
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
