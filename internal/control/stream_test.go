//go:build linux

package control

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"sallyport/internal/event"
	"sallyport/internal/lab/labtest"
)

// A stream outlives the time that a request may take, shows that it is alive, and ends
// with the daemon.
func TestStream(t *testing.T) {
	f := &fake{notices: make(chan []Notice)}
	path := filepath.Join(t.TempDir(), "control.sock")
	s, err := Listen(path, f, nobody, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s.reading, s.beat = 20*time.Millisecond, 10*time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	got := make(chan Notice)
	ended := make(chan error, 1)
	go func() {
		ended <- Dial(path).Follow(t.Context(), "", func(n Notice) error { got <- n; return nil })
	}()
	happened := Happened(event.Event{Kind: event.KindGrant, Door: "ssh", Source: netip.MustParseAddr("192.0.2.7"), Count: event.Contacts{Packets: 3}})
	for _, want := range []Notice{{ID: "a-1"}, {ID: "a-2", Event: &happened, Changes: []string{"grants"}}, {ID: "a-9", Missed: 6}} {
		time.Sleep(3 * s.reading) // only that much later than a request may take: nothing is measured
		f.notices <- []Notice{want}
		if n := <-got; n.ID != want.ID || n.Missed != want.Missed || !reflect.DeepEqual(n.Changes, want.Changes) || (n.Event == nil) != (want.Event == nil) {
			t.Errorf("%+v, want %+v", n, want)
		} else if n.Event != nil && (n.Event.Door != "ssh" || n.Event.Packets != 3) {
			t.Errorf("%+v", n.Event)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := <-ended; !errors.Is(err, ErrStreamEnded) {
		t.Errorf("the stream ended with %v", err)
	}
	s.Close()
}

// Who resumes hears at once that the stream is there, though nothing has happened since.
func TestResumedStreamBegins(t *testing.T) {
	path := serve(t, &fake{notices: make(chan []Notice)})
	ctx, end := context.WithTimeout(t.Context(), labtest.Patience)
	defer end()
	response, err := Dial(path).send(ctx, http.MethodGet, version+"/events?after=a-5", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	first := make([]byte, 3)
	if _, err := io.ReadFull(response.Body, first); err != nil || string(first) != ":\n\n" {
		t.Errorf("%q, %v", first, err)
	}
}

// Users and tokens have so many streams in all, and no administrator is kept out by them.
func TestStreamsAreBounded(t *testing.T) {
	for rights, want := range map[Rights]int{Viewer: http.StatusConflict, Actor: http.StatusConflict, Administrator: http.StatusOK} {
		s := &Server{handler: &fake{notices: make(chan []Notice)}, prove: func(*http.Request) {}, log: slog.New(slog.DiscardHandler), beat: heartbeat}
		s.knows = func(*http.Request) asker { return asker{name: "eve", rights: rights} }
		s.streams.Store(maxStreams)
		ctx, end := context.WithCancel(t.Context())
		end() // a stream that is admitted ends at once
		w := httptest.NewRecorder()
		s.routes(t.Context(), ctx).ServeHTTP(w, httptest.NewRequest("GET", "/v1/events", nil))
		if w.Code != want || s.streams.Load() != maxStreams {
			t.Errorf("%s: %d %s, %d streams", rights, w.Code, w.Body, s.streams.Load())
		}
	}
}

// What is asked in the address is read as it was written, and strictly.
func TestQueries(t *testing.T) {
	f := &fake{}
	c := Dial(serve(t, f))
	q := JournalRequest{Since: time.Date(2026, 3, 1, 2, 3, 4, 5, time.UTC), Source: "2001:db8::/32", Door: `s sh&"`, Kinds: []event.Kind{event.KindGrant, event.KindBan}, Limit: 7, After: 1 << 40}
	if _, err := c.Journal(t.Context(), q); err != nil || len(f.asks) != 1 || !reflect.DeepEqual(f.asks[0], q) {
		t.Errorf("%v: arrived as %+v", err, f.asks)
	}
	f.asks = nil
	for _, wrong := range []string{"limit=x", "limit=1&limit=2", "since=yesterday", "colour=red", "limit=%zz", "limit=99999999999999999999"} {
		w := httptest.NewRecorder()
		asking(t, f, "root", Administrator).ServeHTTP(w, httptest.NewRequest("GET", "/v1/journal?"+wrong, nil))
		if w.Code != http.StatusBadRequest || len(f.asks) != 0 {
			t.Errorf("%s: %d %s", wrong, w.Code, w.Body)
		}
	}
}

// Lists are lines of text, and those who know one do not get it again.
func TestSourcesAreLines(t *testing.T) {
	f := &fake{sources: []netip.Prefix{netip.MustParsePrefix("192.0.2.7/32"), netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("2001:db8::1/128")}}
	get := func(known string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "/v1/doors/ssh/sources", nil)
		r.Header.Set("If-None-Match", known)
		asking(t, f, "", Lists).ServeHTTP(w, r)
		return w
	}
	w := get("")
	if want := "192.0.2.7\n198.51.100.0/24\n2001:db8::1\n"; w.Body.String() != want || f.asks[0] != (SourcesRequest{"ssh"}) {
		t.Errorf("%q, asked %+v", w.Body, f.asks)
	}
	tag := w.Header().Get("ETag")
	if w := get(tag); w.Code != http.StatusNotModified || w.Body.Len() != 0 {
		t.Errorf("%d %q", w.Code, w.Body)
	}
	if w := get(`"x", W/` + tag); w.Code != http.StatusNotModified {
		t.Errorf("%d", w.Code)
	}
	f.sources = f.sources[:1]
	if w := get(tag); w.Code != http.StatusOK || !strings.HasPrefix(w.Body.String(), "192.0.2.7\n") {
		t.Errorf("%d %q", w.Code, w.Body)
	}
}
