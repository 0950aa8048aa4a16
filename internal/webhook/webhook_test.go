package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sallyport/internal/config"
	"sallyport/internal/event"
	"sallyport/internal/siem"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 10 * time.Second

// chat is a place that answers with the statuses it is told, then with 200.
type chat struct {
	*httptest.Server
	mu       sync.Mutex
	statuses []int
	got      chan *http.Request
	texts    chan string
}

func newChat(t *testing.T, statuses ...int) *chat {
	c := &chat{statuses: statuses, got: make(chan *http.Request, 5000), texts: make(chan string, 5000)}
	c.Server = httptest.NewServer(c)
	t.Cleanup(c.Close)
	return c
}

func (c *chat) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	text, _ := io.ReadAll(r.Body)
	c.mu.Lock()
	status := http.StatusOK
	if len(c.statuses) > 0 {
		status, c.statuses = c.statuses[0], c.statuses[1:]
	}
	c.mu.Unlock()
	if status == http.StatusFound {
		w.Header().Set("Location", "/elsewhere")
	}
	w.WriteHeader(status)
	c.got <- r
	c.texts <- string(text)
}

func (c *chat) next(t *testing.T) (r *http.Request, text string) {
	t.Helper()
	select {
	case r := <-c.got:
		return r, <-c.texts
	case <-time.After(patience):
		t.Fatal("nothing is sent")
		return nil, ""
	}
}

// running sends until the returned function is called, or the test ends.
func running(t *testing.T, dir string, hooks ...config.Webhook) (s *Sender, failures chan event.Event, stop func()) {
	t.Helper()
	failures = make(chan event.Event, 2000)
	s = New(dir, siem.Product{Version: "v1", Host: "gate"}, nil, func(e event.Event) { failures <- e }, slog.New(slog.DiscardHandler))
	s.first = time.Millisecond
	s.Set(hooks)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		s.Close()
	})
	t.Cleanup(stop)
	return s, failures, stop
}

func at(url string) config.Webhook {
	return config.Webhook{URL: url, Format: "json", On: []event.Kind{"finding", "grant"}, MinSeverity: "medium", Timeout: patience}
}

func grant(n int) event.Event {
	return event.Event{Time: time.Unix(1e9, 0).UTC(), Kind: event.KindGrant, Door: "ssh", Client: "alice", Source: netip.MustParseAddr("192.0.2.10"), Reason: event.BySPA, Detail: fmt.Sprint(n)}
}

func TestEventsAreSentInOrder(t *testing.T) {
	c := newChat(t)
	s, failures, _ := running(t, t.TempDir(), at(c.URL))
	for n := range 20 {
		s.Put(grant(n))
	}
	for n := range 20 {
		r, text := c.next(t)
		var e event.Event
		if err := json.Unmarshal([]byte(text), &e); err != nil || e != grant(n) {
			t.Errorf("message %d is %s, %v", n, text, err)
		}
		if r.Method != "POST" || r.Header.Get("Content-Type") != "application/json" || r.Header.Get("Authorization") != "" {
			t.Errorf("%s %v", r.Method, r.Header)
		}
	}
	if len(failures) > 0 {
		t.Errorf("%+v", <-failures)
	}
}

func TestWhatFailsIsTriedAgain(t *testing.T) {
	c := newChat(t, 500, 503, 429, 302, 404)
	s, failures, _ := running(t, t.TempDir(), at(c.URL))
	s.Put(grant(1))
	for range 5 {
		if r, text := c.next(t); !strings.Contains(text, `"detail":"1"`) || r.URL.Path != "/" {
			t.Errorf("%s %s", r.URL, text)
		}
	}
	select {
	case e := <-failures: // the 404
		if e.Kind != event.KindFailure || !strings.Contains(e.Detail, "404") {
			t.Errorf("%+v", e)
		}
	case <-time.After(patience):
		t.Fatal("a message that was given up is not told")
	}
	s.Put(grant(2))
	if _, text := c.next(t); !strings.Contains(text, `"detail":"2"`) {
		t.Errorf("after the one that was wrong came %s", text)
	}
}

// That a place refuses what it is sent is not sent to it, nor to any other.
func TestRefusalsAreNotSent(t *testing.T) {
	c := newChat(t, 404, 404)
	hook := at(c.URL)
	hook.On = append(hook.On, "failure")
	s, failures, _ := running(t, t.TempDir(), hook)
	s.Put(grant(1))
	s.Put(event.Event{Kind: event.KindFailure, Detail: "the disk is full"})
	for _, want := range []string{`"detail":"1"`, "the disk is full"} {
		if _, text := c.next(t); !strings.Contains(text, want) {
			t.Errorf("%s, want %s", text, want)
		}
		select {
		case e := <-failures:
			s.Put(e)
		case <-time.After(patience):
			t.Fatal("nobody is told")
		}
	}
	s.Put(grant(2))
	if _, text := c.next(t); !strings.Contains(text, `"detail":"2"`) {
		t.Errorf("then came %s", text)
	}
}

// What could not be sent is sent after a restart, before what comes then.
func TestRestart(t *testing.T) {
	dir := t.TempDir()
	c := newChat(t)
	closed := httptest.NewServer(nil)
	closed.Close()
	hook := at(closed.URL)
	s, _, stop := running(t, dir, hook)
	s.Put(grant(1))
	s.Put(grant(2))
	stop()
	// The place is the same, and comes up again under its address.
	hook.URL = c.URL
	folders, err := os.ReadDir(dir)
	if err != nil || len(folders) != 1 {
		t.Fatalf("%v, %v", folders, err)
	}
	next := New(dir, siem.Product{}, nil, nil, slog.New(slog.DiscardHandler)).newPlace(hook)
	if err := os.Rename(filepath.Join(dir, folders[0].Name()), next.spool.dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(next.spool.dir, ".00000000000000000009.json.77"), []byte("half a mess"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, _, _ = running(t, dir, hook)
	s.Put(grant(3))
	for n := 1; n <= 3; n++ {
		if _, text := c.next(t); !strings.Contains(text, fmt.Sprintf(`"detail":"%d"`, n)) {
			t.Errorf("want message %d, got %s", n, text)
		}
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		left, _ := filepath.Glob(filepath.Join(next.spool.dir, "*"))
		if len(left) == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("left over: %v", left)
		}
	}
}

// What waits for a place that is gone is removed at the next start; nothing
// else is.
func TestPlacesThatAreGone(t *testing.T) {
	dir := t.TempDir()
	keep := New(dir, siem.Product{}, nil, nil, slog.New(slog.DiscardHandler)).newPlace(at("https://a.example")).spool.dir
	gone := filepath.Join(dir, "0123456789abcdef")
	other := filepath.Join(dir, "precious")
	for _, d := range []string{keep, gone, other} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(d, fmt.Sprintf("%020d.json", 1)), []byte("{}"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := New(dir, siem.Product{}, nil, nil, slog.New(slog.DiscardHandler))
	s.Set([]config.Webhook{at("https://a.example")})
	s.sweep()
	for d, want := range map[string]bool{keep: true, gone: false, other: true} {
		if _, err := os.Stat(d); (err == nil) != want {
			t.Errorf("%s: %v", d, err)
		}
	}
}

func TestTooManyWait(t *testing.T) {
	s := &spool{dir: t.TempDir()}
	lost := 0
	for n := range most + 7 {
		lost += s.add([]byte(fmt.Sprint(n)))
	}
	if text, err := s.first(); lost != 7 || err != nil || string(text) != "7" || s.len() != most {
		t.Errorf("lost %d, first %q, %v, %d wait", lost, text, err, s.len())
	}
	again := &spool{dir: s.dir}
	again.load()
	if text, err := again.first(); err != nil || string(text) != "7" || again.len() != most {
		t.Errorf("after a restart: first %q, %v, %d wait", text, err, again.len())
	}
}

func TestDiskThatTakesNothing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c := newChat(t, 500)
	s, _, _ := running(t, file, at(c.URL)) // no folder can be made here
	s.Put(grant(1))
	for range 2 {
		if _, text := c.next(t); !strings.Contains(text, `"detail":"1"`) {
			t.Errorf("got %s", text)
		}
	}
}

func TestFilesThatAreNoMessages(t *testing.T) {
	s := &spool{dir: t.TempDir()}
	if s.add([]byte("good")) != 0 {
		t.Fatal("lost")
	}
	for name, text := range map[string]string{"x.json": "", "-1.json": "", "00000000000000000007.txt": ""} {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/etc/passwd", s.path(8)); err != nil {
		t.Fatal(err)
	}
	again := &spool{dir: s.dir}
	again.load()
	if text, err := again.first(); again.len() != 1 || err != nil || string(text) != "good" {
		t.Errorf("%d wait, %q, %v", again.len(), text, err)
	}
	if err := os.Truncate(s.path(0), maxSpool+1); err != nil {
		t.Fatal(err)
	}
	if _, err := again.first(); err == nil {
		t.Error("a message of any size is read")
	}
}

func TestToken(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	c := newChat(t)
	hook := at(c.URL)
	hook.TokenFile = path
	s, _, _ := running(t, t.TempDir(), hook)
	s.Put(grant(1)) // waits until the token is there
	for _, bad := range []string{"", "a\nb", strings.Repeat(" ", 10_000)} {
		if err := os.WriteFile(path+".new", []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := readToken(path + ".new"); err == nil {
			t.Errorf("%.20q is taken for a token", bad)
		}
	}
	if err := os.WriteFile(path+".new", []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path+".new", 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := readToken(path + ".new"); err == nil {
		t.Error("a token that everybody may read is taken")
	}
	if err := os.Chmod(path+".new", 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	if r, _ := c.next(t); r.Header.Get("Authorization") != "Bearer secret" {
		t.Errorf("%v", r.Header)
	}
}

// An unknown certificate, or another host, gets nothing.
func TestCertificatesAreVerified(t *testing.T) {
	reached := make(chan struct{}, 1)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached <- struct{}{} }))
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.StartTLS()
	defer server.Close()
	p := New(t.TempDir(), siem.Product{}, nil, nil, slog.New(slog.DiscardHandler)).newPlace(at(server.URL + "/secret"))
	err := p.post(t.Context(), []byte("{}"))
	if err == nil || len(reached) > 0 || strings.Contains(err.Error(), "secret") {
		t.Errorf("error %v", err)
	}
	if w := (*wrongMessage)(nil); errors.As(err, &w) {
		t.Error("it would not be tried again")
	}
}

func TestWants(t *testing.T) {
	finding := func(s event.Severity, acknowledged bool) event.Event {
		return event.Event{Kind: event.KindFinding, Finding: &event.Finding{Severity: s, Acknowledged: acknowledged}}
	}
	for name, c := range map[string]struct {
		event event.Event
		want  bool
	}{
		"grave enough": {finding(event.Medium, false), true},
		"graver":       {finding(event.Critical, false), true},
		"not enough":   {finding(event.Low, false), false},
		"acknowledged": {finding(event.High, true), false},
		"a grant":      {grant(1), true},
		"a refusal":    {event.Event{Kind: event.KindRefusal}, false},
	} {
		if Wants(at(""), c.event) != c.want {
			t.Errorf("%s: want %t", name, c.want)
		}
	}
}

func TestChatMessages(t *testing.T) {
	hostile := "<!channel> & <https://evil.example|click> *bold* `x`\n\x1b[2J\u202e"
	f := event.Finding{Severity: event.High, Explanation: "Someone scans " + hostile, Advice: "Look at it.", Count: 3}
	text, err := message(config.Webhook{Format: "slack"}, siem.Product{Host: "gate"}, event.Event{Kind: event.KindFinding, Finding: &f})
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]string
	if err := json.Unmarshal(text, &m); err != nil || len(m) != 1 {
		t.Fatalf("%s: %v", text, err)
	}
	if strings.ContainsAny(m["text"], "<>`") || !strings.HasPrefix(m["text"], "*Sallyport on gate*: high: Someone scans &lt;!channel&gt;") || !strings.HasSuffix(m["text"], "(seen 3 times)\nLook at it.") {
		t.Errorf("%q", m["text"])
	}
	text, err = message(config.Webhook{Format: "slack"}, siem.Product{}, grant(1))
	if want := `{"text":"*Sallyport*: grant of door ssh for alice from 192.0.2.10 (spa): ` + "`1`" + `"}`; err != nil || string(text) != want {
		t.Errorf("%s, want %s (%v)", text, want, err)
	}
}

// Text of others is text, to Slack and to those that read Markdown.
func TestForeignTextIsNoMarkup(t *testing.T) {
	const foreign = "@channel @here [click](https://evil.example) [click][1] [1]: //x www.evil.example `x` ~gone~ #channel"
	for _, e := range []event.Event{
		{Kind: event.KindFailure, Detail: foreign},
		{Kind: event.KindFinding, Finding: &event.Finding{Severity: event.High, Explanation: foreign}},
	} {
		text, err := message(config.Webhook{Format: "slack"}, siem.Product{}, e)
		if err != nil {
			t.Fatal(err)
		}
		var m map[string]string
		if err := json.Unmarshal(text, &m); err != nil {
			t.Fatal(err)
		}
		for _, markup := range []string{"@channel", "@here", "](", "][", "]:", "://", "www.", "`x`", "~gone", "#channel"} {
			if strings.Contains(m["text"], markup) {
				t.Errorf("%q has %q", m["text"], markup)
			}
		}
	}
}

// Reloading keeps what waits for places that stay, and stops the others.
func TestSetAgain(t *testing.T) {
	stays, goes, comes := newChat(t), newChat(t), newChat(t)
	s, _, _ := running(t, t.TempDir(), at(goes.URL), at(stays.URL))
	kept := s.places[1]
	moved := at(stays.URL)
	moved.Place = config.Place{File: "/elsewhere", Line: 7}
	s.Set([]config.Webhook{at(comes.URL), moved})
	if !slices.Contains(s.places, kept) {
		t.Error("a place that stays was begun again")
	}
	s.Put(grant(1))
	stays.next(t)
	comes.next(t)
	if len(goes.got) > 0 {
		t.Error("a place that is gone was told")
	}
}

// What waits for a place survives that its settings change, time and again.
func TestSettingsChangeWhileMessagesWait(t *testing.T) {
	busy := make([]int, 6)
	for i := range busy {
		busy[i] = 503
	}
	c := newChat(t, busy...)
	s, failures, _ := running(t, t.TempDir(), at(c.URL))
	s.Put(grant(-1))
	c.next(t) // it runs
	const rounds, each = 8, 25
	for round := range rounds {
		for n := range each {
			s.Put(grant(round*each + n))
		}
		w := at(c.URL)
		w.Timeout += time.Duration(round+1) * time.Second
		s.Set([]config.Webhook{w})
	}
	seen := make(map[string]bool)
	for deadline := time.Now().Add(2 * patience); len(seen) <= rounds*each && time.Now().Before(deadline); {
		select {
		case <-c.got:
			var e event.Event
			if err := json.Unmarshal([]byte(<-c.texts), &e); err != nil {
				t.Fatal(err)
			}
			seen[e.Detail] = true
		case <-time.After(patience):
			t.Fatalf("%d of %d messages are sent, and no more", len(seen), rounds*each)
		}
	}
	if len(seen) <= rounds*each || len(failures) > 0 {
		t.Errorf("%d of %d messages are sent, %d failures", len(seen), rounds*each, len(failures))
	}
}

// Someone who asks is a sentence with a link to where an operator looks, which is the
// administrator's own; what the asker has written is text.
func TestAsksReachPeople(t *testing.T) {
	e := event.Event{Kind: event.KindAsked, Client: "alice", Source: netip.MustParseAddr("192.0.2.7"), Detail: "waits, and writes: <https://evil.example|`x`> @here\x1b[2J\u202e"}
	text, err := message(config.Webhook{Format: "slack", Link: "https://console.example.net/"}, siem.Product{}, e)
	var m map[string]string
	if err = errors.Join(err, json.Unmarshal(text, &m)); err != nil {
		t.Fatal(err)
	}
	if said := m["text"]; !strings.HasPrefix(said, "*Sallyport*: someone asks to be let in, and has a code for you: asked for alice from 192.0.2.7: `waits") || !strings.HasSuffix(said, "`\nhttps://console.example.net/") ||
		strings.Contains(said, "<https") || strings.Count(said, "`") != 2 {
		t.Errorf("%q", said)
	}
	c := newChat(t)
	s, _, _ := running(t, t.TempDir(), config.Webhook{URL: c.URL, Format: "ntfy", Link: "https://console.example.net/", On: []event.Kind{event.KindAsked}, Timeout: patience})
	s.Put(e)
	r, said := c.next(t)
	if r.Header.Get("Click") != "https://console.example.net/" || r.Header.Get("Title") != "Sallyport on gate" || !strings.HasPrefix(r.Header.Get("Content-Type"), "text/plain") {
		t.Errorf("%v", r.Header)
	}
	if strings.ContainsAny(said, "\x1b\u202e") || !strings.Contains(said, "alice from 192.0.2.7") {
		t.Errorf("%q", said)
	}
}

// A stranger's note is no link in a notification, and an address can still be copied.
func TestNotificationsHaveNoLinksOfOthers(t *testing.T) {
	e := event.Event{Kind: event.KindAsked, Source: netip.MustParseAddr("2001:db8::7"), Detail: "from 192.0.2.7: https://evil.example/x www.evil.example evil.com/approve mailto:a@b.example tel:1"}
	text := notification(e)
	for _, link := range []string{"://", ".evil", ".example", ".com", "@b", "mailto:a"} {
		if strings.Contains(text, link) {
			t.Errorf("%q is in %q", link, text)
		}
	}
	if !strings.Contains(text, "2001:db8::7") || !strings.Contains(text, "192.0.2.7") {
		t.Errorf("%q", text)
	}
}
