//go:build linux

package console

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/control"
	"sallyport/internal/event"
	"sallyport/internal/lab/labtest"
)

// source is a daemon's stream that a test writes.
type source struct {
	asked chan string // the ids from which was followed
	out   chan control.Notice
	lose  chan struct{}
}

func newSource() *source {
	return &source{asked: make(chan string, 16), out: make(chan control.Notice), lose: make(chan struct{})}
}

func (s *source) follow(ctx context.Context, after string, began func(), each func(control.Notice) error) error {
	began()
	s.asked <- after
	for {
		select {
		case n := <-s.out:
			if err := each(n); err != nil {
				return err
			}
		case <-s.lose:
			return errors.New("lost")
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func notice(n int) control.Notice {
	h := control.Happened(event.Event{Kind: event.KindGrant, Door: "ssh"})
	return control.Notice{ID: fmt.Sprintf("a-%d", n), Event: &h}
}

// followed is a stream as a browser reads it.
type followed struct {
	t     *testing.T
	lines *bufio.Scanner
	body  interface{ Close() error }
}

func (x *running) stream(b *browser, after string) *followed {
	x.t.Helper()
	r, err := http.NewRequest("GET", "http://"+x.address+"/v1/events"+after, nil)
	if err != nil {
		x.t.Fatal(err)
	}
	r.Host = "127.0.0.1:9479"
	r.AddCookie(b.cookie)
	r.Header.Set(sessionHeader, b.token)
	response, err := http.DefaultClient.Do(r)
	for end := time.Now().Add(labtest.Patience); err == nil && response.StatusCode == http.StatusBadGateway && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		response.Body.Close() // what the daemon has just said is not known yet
		response, err = http.DefaultClient.Do(r)
	}
	if err != nil {
		x.t.Fatal(err)
	}
	x.t.Cleanup(func() { response.Body.Close() })
	if response.StatusCode != http.StatusOK || response.Header.Get("Content-Type") != "text/event-stream" {
		x.t.Fatalf("%d %v", response.StatusCode, response.Header)
	}
	return &followed{x.t, bufio.NewScanner(response.Body), response.Body}
}

// next is the next notice; ok is false at the end.
func (f *followed) next() (n control.Notice, ok bool) {
	f.t.Helper()
	for f.lines.Scan() {
		if data, found := strings.CutPrefix(f.lines.Text(), "data: "); found {
			if err := json.Unmarshal([]byte(data), &n); err != nil {
				f.t.Fatal(err)
			}
			return n, true
		}
	}
	return n, false
}

func (f *followed) wants(id string) control.Notice {
	f.t.Helper()
	n, ok := f.next()
	if !ok || n.ID != id {
		f.t.Fatalf("%+v, %v; want %s", n, ok, id)
	}
	return n
}

func withSource(s *source) func(c *Console) {
	return func(c *Console) { c.feed.follow = s.follow }
}

// Browsers follow the daemon by one stream of the console, resume, and are cut off when the
// daemon is away or their session is over.
func TestEvents(t *testing.T) {
	s := newSource()
	x := newRunning(t, func(_ *config.Console, c *Console) { withSource(s)(c) })
	if after := <-s.asked; after != "" {
		t.Errorf("asked after %q", after)
	}
	s.out <- control.Notice{ID: "a-0"}
	alice, bob := x.loggedIn("alice", ""), x.loggedIn("bob", "view")
	first, second := x.stream(alice, ""), x.stream(bob, "")
	first.wants("a-0")
	second.wants("a-0")
	for i := range 3 {
		s.out <- notice(i + 1)
	}
	for _, f := range []*followed{first, second} {
		for i := range 3 {
			if n := f.wants(fmt.Sprintf("a-%d", i+1)); n.Event == nil || n.Event.Door != "ssh" || n.Restarted || n.Missed != 0 {
				t.Errorf("%+v", n)
			}
		}
	}
	again := x.stream(alice, "?after=a-1")
	again.wants("a-2")
	again.wants("a-3")
	unknown := x.stream(alice, "?after=z-9")
	if n := unknown.wants("a-3"); !n.Restarted {
		t.Errorf("%+v", n)
	}
	for _, wrong := range []string{"?after=", "?after=a&after=b", "?before=a", "?after=a&x=y"} {
		if w := alice.send("GET", "/v1/events"+wrong, ""); w.Code != http.StatusBadRequest {
			t.Errorf("%s: %d %s", wrong, w.Code, w.Body)
		}
	}
	alice.wants(http.StatusOK, "DELETE", "/session", "")
	if n, ok := first.next(); ok {
		t.Errorf("after the logout: %+v", n)
	}
	s.lose <- struct{}{}
	if n, ok := second.next(); ok {
		t.Errorf("without a daemon: %+v", n)
	}
	if after := <-s.asked; after != "a-3" {
		t.Errorf("asked after %q", after)
	}
	s.out <- control.Notice{ID: "b-0", Restarted: true}
	s.out <- notice(7)
	resumed := x.stream(bob, "?after=a-3")
	if n := resumed.wants("b-0"); !n.Restarted {
		t.Errorf("%+v", n)
	}
	resumed.wants("a-7")
	x.clock.pass(x.cfg.Idle)
	x.sessions.tidy(x.clock.get())
	if n, ok := resumed.next(); ok {
		t.Errorf("after the session: %+v", n)
	}
}

// Who logs in, and who fails to, is in the journal of the gate, by the console's own word.
func TestNotes(t *testing.T) {
	x := newRunning(t, nil)
	var seen []string
	got := make(chan string, 16)
	x.daemon.do = func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == notePath {
			_, text, _ := x.daemon.last()
			got <- r.Header.Get(control.OnBehalf) + " " + r.Header.Get(control.NoMoreThan) + " " + text
		}
		fmt.Fprint(w, "{}")
	}
	b := x.loggedIn("alice", "view")
	seen = append(seen, <-got)
	x.browser().enter("wrong")
	seen = append(seen, <-got)
	b.wants(http.StatusOK, "DELETE", "/session", "")
	seen = append(seen, <-got)
	for i, want := range []string{
		`alice view {"what":"login","source":"127.0.0.1","text":"by link, to view"}`,
		` view {"what":"failed","source":"127.0.0.1"}`,
		`alice view {"what":"logout"}`,
	} {
		if seen[i] != want {
			t.Errorf("%s, want %s", seen[i], want)
		}
	}
}

// Who is too slow gets to know how much he has missed, and costs nothing.
func TestMissed(t *testing.T) {
	f := newFeed(newDaemon("/nowhere"))
	f.found()
	if _, _, ok := f.begin(""); ok {
		t.Error("nothing is known, and is begun with")
	}
	f.put(notice(0))
	next, text, ok := f.begin("")
	if !ok || string(text) != "id: a-0\ndata: {\"id\":\"a-0\"}\n\n" {
		t.Fatalf("%s, %v", text, ok)
	}
	for i := range keptNotices + 10 {
		n := notice(i + 1)
		if i == 10 {
			n.Missed = 5
		}
		f.put(n)
	}
	got, count := control.Notice{}, 0
	for next < f.count {
		text, next, _, _ = f.after(next)
		if len(text) > batchBytes+1000 {
			t.Errorf("a batch has %d bytes", len(text))
		}
		for line := range strings.Lines(string(text)) {
			if data, ok := strings.CutPrefix(line, "data: "); ok {
				var n control.Notice
				if err := json.Unmarshal([]byte(data), &n); err != nil {
					t.Fatal(err)
				}
				if count++; count == 1 {
					got = n
				} else if n.Missed != 0 {
					t.Errorf("%+v", n)
				}
			}
		}
	}
	if got.ID != "a-11" || got.Missed != 15 || count != keptNotices {
		t.Errorf("%+v, %d", got, count)
	}
	if len(f.items) != keptNotices {
		t.Errorf("%d are kept", len(f.items))
	}
	next, _, ok = f.begin(fmt.Sprintf("a-%d", keptNotices+9))
	if text, _, _, _ := f.after(next); !ok || !strings.HasPrefix(string(text), fmt.Sprintf("id: a-%d\n", keptNotices+10)) {
		t.Errorf("%d, %v: %s", next, ok, text)
	}
	f.lose()
	if _, _, ok := f.begin(""); ok {
		t.Error("the daemon is away, and a stream begins")
	}
}

// A session has so many streams, and all together; without a daemon there is none.
func TestStreamsAreBounded(t *testing.T) {
	x := newTested(t, "")
	b := x.loggedIn("alice", "")
	b.wants(http.StatusBadGateway, "GET", "/v1/events", "")
	s := x.sessions.find(x.clock.get(), b.cookie.Value, b.token, true)
	for range streamsOfUser {
		s.use.streams.enter()
	}
	b.wants(http.StatusConflict, "GET", "/v1/events", "")
	s.use.streams.leave()
	b.wants(http.StatusBadGateway, "GET", "/v1/events", "")
	x.feed.readers.n = maxStreams
	b.wants(http.StatusConflict, "GET", "/v1/events", "")
	if s.use.streams.n != streamsOfUser-1 {
		t.Errorf("%d streams", s.use.streams.n)
	}
}

// A stream whose reader does not read ends, and holds nothing up.
func TestSlowStream(t *testing.T) {
	s := newSource()
	x := newRunning(t, func(_ *config.Console, c *Console) { withSource(s)(c); c.feed.sendWithin = 200 * time.Millisecond })
	<-s.asked
	s.out <- control.Notice{ID: "a-0"}
	b := x.loggedIn("alice", "")
	slow := x.dial()
	fmt.Fprintf(slow, "GET /v1/events HTTP/1.1\r\nHost: 127.0.0.1:9479\r\nCookie: %s=%s\r\n%s: %s\r\n\r\n", b.cookie.Name, b.cookie.Value, sessionHeader, b.token)
	quick := x.stream(b, "")
	quick.wants("a-0")
	deadline := time.Now().Add(labtest.Patience)
	for i := 1; ; i++ {
		n := notice(i)
		n.Event.Detail = strings.Repeat("x", 8000)
		s.out <- n
		quick.wants(n.ID)
		x.feed.readers.mu.Lock()
		readers := x.feed.readers.n
		x.feed.readers.mu.Unlock()
		if readers == 1 && i > 100 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the slow one is not cut off")
		}
	}
}

// BenchmarkFanOut is what one notice costs with a hundred browsers that read.
func BenchmarkFanOut(b *testing.B) {
	f := newFeed(newDaemon("/nowhere"))
	f.found()
	f.put(notice(0))
	places := make([]uint64, 100)
	for i := range places {
		places[i], _, _ = f.begin("")
	}
	for i := 0; b.Loop(); i++ {
		f.put(notice(i))
		for j := range places {
			_, places[j], _, _ = f.after(places[j])
		}
	}
}
