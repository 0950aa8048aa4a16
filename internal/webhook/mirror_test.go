package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/event"
	"sallyport/internal/siem"
)

// gate is what is open, and who is told when that changes.
type gate struct {
	mu     sync.Mutex
	grants map[string]event.Grant
	err    error
	s      *Sender
}

func (g *gate) list(context.Context) (list []event.Grant, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, one := range g.grants {
		list = append(list, one)
	}
	return list, g.err
}

// set opens a door for an address until a time; the zero time closes it.
func (g *gate) set(n int, until time.Time) {
	source := netip.AddrFrom4([4]byte{192, 0, 2, byte(n)})
	kind := event.KindGrant
	g.mu.Lock()
	if g.grants[source.String()] = (event.Grant{Door: "ssh", Source: source, Until: until}); until.IsZero() {
		delete(g.grants, source.String())
		kind = event.KindExpiry
	}
	g.mu.Unlock()
	g.s.Put(event.Event{Kind: kind, Source: source, Door: "ssh"})
}

func (g *gate) open() []Open {
	list, _ := g.list(context.Background())
	return opens(list)
}

// edge is a receiver that keeps what it is sent, as docs/API.md says.
type edge struct {
	*httptest.Server
	mu       sync.Mutex
	answer   func(n int) int  // the status of the n-th message; nil: 200
	lose     func(n int) bool // it takes the message, and its answer is lost
	n        int
	has      map[string]Open
	run      string
	sequence uint64
	log      []change
}

func newEdge(t *testing.T) *edge {
	e := &edge{has: make(map[string]Open)}
	e.Server = httptest.NewServer(e)
	t.Cleanup(e.Close)
	return e
}

func (e *edge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	text, _ := io.ReadAll(r.Body)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.n++
	if e.answer != nil {
		if status := e.answer(e.n); status != http.StatusOK {
			w.WriteHeader(status)
			return
		}
	}
	var c change
	if json.Unmarshal(text, &c) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if !c.Full && (c.Run != e.run || c.Sequence != e.sequence+1) {
		w.WriteHeader(http.StatusConflict)
		return
	}
	e.log = append(e.log, c)
	if c.Full {
		e.has = make(map[string]Open)
	}
	for _, o := range c.Open {
		e.has[o.Door+" "+o.Source] = o
	}
	for _, o := range c.Closed {
		delete(e.has, o.Door+" "+o.Source)
	}
	e.run, e.sequence = c.Run, c.Sequence
	if e.lose != nil && e.lose(e.n) {
		w.WriteHeader(http.StatusBadGateway)
	}
}

func (e *edge) open() (list []Open) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, o := range e.has {
		list = append(list, o)
	}
	slices.SortFunc(list, byPlace)
	return list
}

func (e *edge) restart() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.has, e.run, e.sequence = make(map[string]Open), "", 0
}

// mirroring keeps an edge at what is open at a gate until the test ends.
func mirroring(t *testing.T, e *edge) (*gate, chan event.Event) {
	t.Helper()
	g, failures := &gate{grants: make(map[string]event.Grant)}, make(chan event.Event, 1000)
	g.s = New(t.TempDir(), siem.Product{}, g.list, func(e event.Event) { failures <- e }, slog.New(slog.DiscardHandler))
	g.s.first, g.s.look = time.Millisecond, 20*time.Millisecond
	g.s.Set([]config.Webhook{{URL: e.URL, Reconcile: true, Timeout: 200 * time.Millisecond}})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- g.s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return g, failures
}

func agree(t *testing.T, g *gate, e *edge, what string) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		want, got := g.open(), e.open()
		if slices.Equal(want, got) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s: at the gate %v, there %v", what, want, got)
		}
	}
}

var later1 = time.Unix(2_000_000_000, 0)

// A receiver has what is open: everything first, then what changes.
func TestMirror(t *testing.T) {
	e := newEdge(t)
	g, failures := mirroring(t, e)
	g.set(1, later1)
	agree(t, g, e, "opened")
	g.set(2, later1)
	g.set(1, later1.Add(time.Minute))
	agree(t, g, e, "longer")
	g.set(1, time.Time{})
	agree(t, g, e, "closed")
	e.mu.Lock()
	defer e.mu.Unlock()
	for i, c := range e.log {
		if c.Sequence != uint64(i+1) || c.Full != (i == 0) {
			t.Errorf("message %d is number %d, full %v", i+1, c.Sequence, c.Full)
		}
	}
	if len(failures) != 0 {
		t.Errorf("%+v", <-failures)
	}
}

// After a failure of any kind the first that a receiver takes is everything, and before
// that nothing; and it is said once that it may be wrong.
func TestMirrorAfterFailures(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(int) int
		lose   func(int) bool
	}{
		"it is away":               {func(n int) int { return map[bool]int{true: 503, false: 200}[n > 2 && n < 9] }, nil},
		"it says that it is wrong": {func(n int) int { return map[bool]int{true: 400, false: 200}[n > 2 && n < 9] }, nil},
		"it wants a password":      {func(n int) int { return map[bool]int{true: 401, false: 200}[n > 2 && n < 9] }, nil},
		"its answers are lost":     {nil, func(n int) bool { return n > 2 && n < 9 }},
		"it was away at first":     {func(n int) int { return map[bool]int{true: 500, false: 200}[n < 9] }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEdge(t)
			e.answer, e.lose = c.answer, c.lose
			g, failures := mirroring(t, e)
			for n := range 20 {
				g.set(n%5, later1.Add(time.Duration(n)*time.Second))
				if n%3 == 0 {
					g.set((n+1)%5, time.Time{})
				}
				for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) { // one message at least for each
					e.mu.Lock()
					seen := e.n > n/2
					e.mu.Unlock()
					if seen {
						break
					}
				}
			}
			agree(t, g, e, name)
			if f := <-failures; f.Part != event.PartWebhook || len(failures) > 1 {
				t.Errorf("%+v, and %d more", f, len(failures))
			}
		})
	}
}

// A receiver that was restarted asks for everything, and has it.
func TestMirrorOfAReceiverThatRestarts(t *testing.T) {
	e := newEdge(t)
	g, _ := mirroring(t, e)
	g.set(1, later1)
	agree(t, g, e, "before")
	e.restart()
	g.set(2, later1)
	agree(t, g, e, "after")
}

// A receiver that is slow holds nothing up, and misses nothing in the end.
func TestMirrorOfASlowReceiver(t *testing.T) {
	e := newEdge(t)
	e.answer = func(n int) int { time.Sleep(20 * time.Millisecond); return 200 }
	g, _ := mirroring(t, e)
	for n := range 2000 {
		g.set(n%200, later1.Add(time.Duration(n)*time.Second))
	}
	for n := range 100 {
		g.set(n, time.Time{})
	}
	agree(t, g, e, "slow")
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.n > 500 {
		t.Errorf("%d messages for what could be said in a few", e.n)
	}
}

// Until the daemon knows what is open, it says nothing: an empty list would close all.
func TestMirrorWaitsUntilItKnows(t *testing.T) {
	e := newEdge(t)
	e.has["ssh 192.0.2.1"] = Open{Door: "ssh", Source: "192.0.2.1"}
	g := &gate{grants: make(map[string]event.Grant), err: errors.New("not known yet")}
	m := newMirror(g.list, time.Now())
	p := &place{mirror: m, first: time.Millisecond, failed: func(event.Event) {}, log: slog.New(slog.DiscardHandler)}
	p.step(t.Context())
	if len(e.has) != 1 || !m.behind || p.next.IsZero() {
		t.Error("something was sent")
	}
}

// What the difference says makes of one list the other.
func TestDifference(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	some := func() []Open {
		var grants []event.Grant
		for n := range r.IntN(12) {
			if r.IntN(2) == 0 {
				continue
			}
			grants = append(grants, event.Grant{Door: fmt.Sprint("d", n%3), Source: netip.AddrFrom4([4]byte{10, 0, 0, byte(n)}), Prefix: []int{0, 24}[r.IntN(2)], Single: r.IntN(3) == 0, Until: later1.Add(time.Duration(r.IntN(3)) * time.Second)})
		}
		return opens(grants)
	}
	for range 5000 {
		was, is := some(), some()
		open, closed := difference(was, is)
		got := slices.DeleteFunc(slices.Clone(was), func(o Open) bool {
			return slices.ContainsFunc(slices.Concat(closed, open), func(c Open) bool { return byPlace(o, c) == 0 })
		})
		got = append(got, open...)
		slices.SortFunc(got, byPlace)
		if !slices.Equal(got, is) && len(got)+len(is) > 0 {
			t.Fatalf("%v to %v: +%v -%v", was, is, open, closed)
		}
	}
}
