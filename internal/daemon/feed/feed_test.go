//go:build linux

package feed

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"sallyport/internal/control"
	"sallyport/internal/event"
)

var now = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

func grant(n int) event.Event {
	return event.Event{Time: now, Kind: event.KindGrant, Door: fmt.Sprint(n)}
}

func knock(at time.Time) event.Event {
	return event.Event{Time: at, Kind: event.KindRefusal, Reason: event.WrongKnock, Source: netip.MustParseAddr("198.51.100.1")}
}

// follower reads as someone who resumes does.
type follower struct {
	t      *testing.T
	feed   *Feed
	after  string
	doors  []string
	knocks int
	missed uint64
}

func (r *follower) read(batches int) {
	r.t.Helper()
	for range batches {
		ctx, end := context.WithCancel(r.t.Context())
		end() // what is there is returned all the same
		list, err := r.feed.Notices(ctx, control.NoticesRequest{After: r.after})
		if err != nil {
			r.t.Fatal(err)
		}
		for _, n := range list {
			if n.Event != nil && n.Event.Kind == event.KindGrant {
				r.doors = append(r.doors, n.Event.Door)
			} else if n.Event != nil {
				r.knocks++
			}
			r.missed += n.Missed
			r.after = n.ID
		}
	}
}

func TestEveryFollowerHasAPlaceOfItsOwn(t *testing.T) {
	f := New(now)
	f.Put(grant(0)) // before anyone follows
	a, b := &follower{t: t, feed: f}, &follower{t: t, feed: f}
	a.read(1)
	b.read(1)
	for n := range 600 {
		f.Put(grant(n))
		if n%7 == 0 {
			a.read(1)
		}
	}
	a.read(3)
	b.read(2)
	if len(b.doors) != 2*batch {
		t.Errorf("a batch is of %d", len(b.doors)/2)
	}
	b.read(1)
	if len(a.doors) != 600 || !slices.Equal(a.doors, b.doors) || a.missed+b.missed != 0 {
		t.Errorf("%d and %d, missed %d and %d", len(a.doors), len(b.doors), a.missed, b.missed)
	}
}

// A slow follower is given the exact number that it has missed, in bounded memory.
func TestSlowFollowersKnowWhatTheyMissed(t *testing.T) {
	f := New(now)
	r := &follower{t: t, feed: f}
	r.read(1)
	const all = 3 * ownKept
	for n := range all {
		f.Put(grant(n))
	}
	r.read(ownKept/batch + 2)
	if len(r.doors) != ownKept || r.missed != all-ownKept || r.doors[len(r.doors)-1] != fmt.Sprint(all-1) {
		t.Errorf("%d were read, %d missed", len(r.doors), r.missed)
	}
	if len(f.own.items) != ownKept || cap(f.own.items) != ownKept {
		t.Errorf("%d are kept", len(f.own.items))
	}
}

// However much strangers cause, no grant is lost, and what is not kept is counted.
func TestStrangersDisplaceNoGrant(t *testing.T) {
	f := New(now)
	r := &follower{t: t, feed: f}
	r.read(1)
	const seconds, each = 30, 2000
	for s := range seconds {
		f.Put(grant(s))
		for range each {
			f.Put(knock(now.Add(time.Duration(s) * time.Second)))
		}
	}
	f.Put(grant(seconds))
	r.read(20)
	if len(r.doors) != seconds+1 || r.knocks > hostileKept || r.knocks < hostilePerSecond {
		t.Errorf("%d grants, %d knocks", len(r.doors), r.knocks)
	}
	if got := uint64(r.knocks) + r.missed; got != seconds*each {
		t.Errorf("%d knocks and %d missed are %d, want %d", r.knocks, r.missed, got, seconds*each)
	}
}

// Who waits is woken by the next event, and by the end of the context.
func TestWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := New(now)
		first, err := f.Notices(t.Context(), control.NoticesRequest{})
		if err != nil || len(first) != 1 || first[0].Restarted {
			t.Fatalf("%+v %v", first, err)
		}
		time.AfterFunc(time.Minute, func() { f.Changed("problems") })
		list, err := f.Notices(t.Context(), control.NoticesRequest{After: first[0].ID})
		if err != nil || len(list) != 1 || list[0].Event != nil || !slices.Equal(list[0].Changes, []string{"problems"}) {
			t.Errorf("%+v %v", list, err)
		}
		ctx, end := context.WithTimeout(t.Context(), time.Hour)
		defer end()
		if list, err := f.Notices(ctx, control.NoticesRequest{After: list[0].ID}); err != nil || len(list) != 0 {
			t.Errorf("%+v %v", list, err)
		}
	})
}

// The ids of another run of the daemon mean nothing; what is no id is refused.
func TestAfterARestart(t *testing.T) {
	before, f := New(now), New(now.Add(time.Second))
	before.Put(grant(1))
	list, err := before.Notices(t.Context(), control.NoticesRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{list[0].ID, f.id(77)} {
		again, err := f.Notices(t.Context(), control.NoticesRequest{After: id})
		if err != nil || len(again) != 1 || !again[0].Restarted {
			t.Fatalf("%s: %+v %v", id, again, err)
		}
		f.Put(grant(2))
		if since, err := f.Notices(t.Context(), control.NoticesRequest{After: again[0].ID}); err != nil || len(since) == 0 || since[0].Missed != 0 {
			t.Errorf("what happened since the restart is missing: %+v %v", since, err)
		}
	}
	for _, id := range []string{"x", "-", "-1", "a-b", "a--1", "a-99999999999999999999999"} {
		if _, err := f.Notices(t.Context(), control.NoticesRequest{After: id}); err == nil {
			t.Errorf("%q is an id", id)
		}
	}
}

// Every kind of event is kept, and what changes state says so.
func TestChanges(t *testing.T) {
	for _, k := range []event.Kind{event.KindGrant, event.KindExpiry, event.KindRevocation, event.KindBan, event.KindFinding, event.KindAck, event.KindReload} {
		if len(changes(k)) == 0 {
			t.Errorf("%s changes nothing", k)
		}
	}
}

func BenchmarkPut(b *testing.B) {
	f := New(now)
	e := grant(1)
	b.ReportAllocs()
	for b.Loop() {
		f.Put(e)
	}
}
