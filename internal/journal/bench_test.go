package journal

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"sallyport/internal/event"
)

// BenchmarkWrite measures from Put to the disk, with every row in the chain.
func BenchmarkWrite(b *testing.B) {
	j := New(filepath.Join(b.TempDir(), "journal.db"), Options{Chain: true, MaxSize: 4 << 30, Keep: 1e6 * time.Hour}, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- j.Run(ctx) }()
	i := 0
	for b.Loop() {
		for j.Stats().Queued > queueSize/4 {
			time.Sleep(time.Millisecond)
		}
		j.Put(million(i))
		i++
	}
	cancel()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	if s := j.Stats(); s.Lost > 0 || s.Written != uint64(i) {
		b.Fatalf("%+v after %d events", s, i)
	}
	b.ReportMetric(float64(i)/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkPut measures what the caller pays.
func BenchmarkPut(b *testing.B) {
	j := New("unused", Options{}, slog.New(slog.DiscardHandler))
	e := million(1)
	for b.Loop() {
		if len(j.queue) == cap(j.queue) {
			for len(j.queue) > 0 {
				<-j.queue
			}
		}
		j.Put(e)
	}
}

// million returns one event of a stream as gates have it: authenticated ones,
// so that none is summed up.
func million(i int) event.Event {
	e := event.Event{
		Time: noon.Add(time.Duration(i) * time.Second), Kind: event.KindGrant, Door: fmt.Sprintf("door-%d", i%20),
		Client: fmt.Sprintf("client-%d", i%500), Source: nth(i % 5000), Reason: event.BySPA, Detail: "for 30s", Authenticated: true,
	}
	switch i % 10 {
	case 0:
		e.Kind, e.Reason = event.KindRefusal, event.ForbiddenDoor
	case 1, 2, 3, 4:
		e.Kind, e.Reason = event.KindExpiry, ""
	}
	if i%100_000 == 7 {
		e = event.Event{Time: e.Time, Kind: event.KindReload, Detail: "20 doors"}
	}
	return e
}

// BenchmarkQuery asks a journal of a million events. Each has to answer in less
// than a second.
func BenchmarkQuery(b *testing.B) {
	path := filepath.Join(b.TempDir(), "journal.db")
	j := New(path, Options{MaxSize: 4 << 30, Keep: 1e6 * time.Hour}, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- j.Run(ctx) }()
	for i := range 1_000_000 {
		for j.Stats().Queued > queueSize/4 {
			time.Sleep(time.Millisecond)
		}
		j.Put(million(i))
	}
	cancel()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	late := noon.Add(999_000 * time.Second)
	for _, q := range []struct {
		name string
		Query
	}{
		{"newest", Query{Limit: 100}},
		{"since", Query{Since: late}},
		{"source", Query{Source: netip.PrefixFrom(nth(77), 32)}},
		{"prefix", Query{Source: netip.PrefixFrom(nth(0), 27)}},
		{"prefix-newest", Query{Source: netip.PrefixFrom(nth(0), 8), Limit: 100}},
		{"client", Query{Client: "client-77"}},
		{"door-newest", Query{Door: "door-7", Limit: 100}},
		{"rare-kind", Query{Kinds: []event.Kind{event.KindReload}}},
		{"reason-since", Query{Reasons: []event.Reason{event.ForbiddenDoor}, Since: late}},
		{"reason-newest", Query{Reasons: []event.Reason{event.ForbiddenDoor}, Limit: 100}},
		{"reason-nobody", Query{Reasons: []event.Reason{event.WrongKnock}}},
		{"client-nobody", Query{Client: "mallory"}},
		{"client-and-kind", Query{Client: "client-77", Kinds: []event.Kind{event.KindRefusal}}},
		{"source-door-reason", Query{Source: netip.PrefixFrom(nth(70), 32), Door: "door-10", Reasons: []event.Reason{event.ForbiddenDoor}}},
	} {
		b.Run(q.name, func(b *testing.B) {
			n := 0
			for b.Loop() {
				r, err := OpenReader(path)
				if err != nil {
					b.Fatal(err)
				}
				n = 0
				for _, err := range r.Events(b.Context(), q.Query) {
					if err != nil {
						b.Fatal(err)
					}
					n++
				}
				r.Close()
			}
			b.ReportMetric(float64(n), "events")
		})
	}
}
