//go:build linux

package actor

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sallyport/internal/daemon/hub"
	"sallyport/internal/event"
	"sallyport/internal/gate"
	"sallyport/internal/grant"
)

// stuck is a firewall that ends nothing for a while.
type stuck struct {
	mu    sync.Mutex
	fails int
	tries int
}

func (s *stuck) Grant(event.Grant, time.Time) error         { return nil }
func (s *stuck) Renew(event.Grant, time.Time) (bool, error) { return true, nil }
func (s *stuck) Revoke(event.Grant) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tries++; s.tries <= s.fails {
		return errors.New("no buffer space available")
	}
	return nil
}

// A revocation is tried again, ever more rarely, until book and kernel agree; what
// an interception ends is then cut once more.
func TestARevocationIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &stuck{fails: 4}
		e := hub.New()
		book := grant.New(f, nil)
		var undone []error
		cuts, ended := 0, 0
		around := alone(nil)
		around.Undone = func(err error) { undone = append(undone, err) }
		around.Cut = func(func(event.Owner) bool) { cuts++ }
		around.Ended = func(list []event.Grant) { ended += len(list) }
		a := New(book, e, around)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- a.Run(ctx) }()

		message := event.Message{1}
		g := event.Grant{Door: "ssh", Source: netip.MustParseAddr("192.0.2.10"), Client: "alice", Message: message, Until: time.Now().Add(time.Hour)}
		if _, err := book.Open(g, time.Now()); err != nil {
			t.Fatal(err)
		}
		a.Decided(time.Now(), gate.Decision{Kind: event.KindRefusal, Reason: event.Intercepted, Client: "alice", Message: message, Authenticated: true})
		time.Sleep(16 * time.Second) // tries after 0, 1, 3, 7 and 15 s
		synctest.Wait()
		if f.tries != 5 || book.Owes() || len(book.Live(time.Now())) != 0 || ended != 1 || cuts != 2 {
			t.Errorf("%d tries, owes %v, live %v, %d told, %d cuts", f.tries, book.Owes(), book.Live(time.Now()), ended, cuts)
		}
		if n := len(undone); n != 5 || undone[0] == nil || undone[4] != nil {
			t.Errorf("noted %v, want four failures and their end", undone)
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		var told []event.Kind
		for _, ev := range heard(e) {
			if ev.Kind != event.KindFailure || strings.Contains(ev.Detail, "tried again") {
				told = append(told, ev.Kind)
			}
		}
		if len(told) != 3 || told[1] != event.KindFailure || told[2] != event.KindRevocation {
			t.Errorf("events %v: want the interception, one failure and the end", told)
		}
	})
}

// Anyone who has overheard a static sequence keeps no message of a client waiting.
func TestStrangersGrantsAreInNobodysWay(t *testing.T) {
	a := New(grant.New(broken{}, nil), hub.New(), alone(nil))
	for range cap(a.anonymous) + 5 {
		a.Decided(time.Now(), gate.Decision{Kind: event.KindGrant, Reason: event.BySequence, Source: netip.MustParseAddr("192.0.2.10")})
	}
	a.Decided(time.Now(), gate.Decision{Kind: event.KindRefusal, Reason: event.Intercepted, Client: "alice", Authenticated: true})
	if len(a.queue) != 1 {
		t.Error("an interception was lost: the grants of strangers fill the queue")
	}
}
