package control

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sallyport/internal/event"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is a daemon that remembers what it was asked.
type fake struct {
	opened  OpenRequest
	revoked RevokeRequest
	banned  event.Ban
	err     error
	notices chan []Notice // what is handed out, one batch at a time
	asks    []any
	sources []netip.Prefix

	Viewing               // what is not written down here is asked by no test
	asked   chan struct{} // if not nil: reload says here that it has begun,
	release chan struct{} // and waits for this, or for its context,
	ended   chan error    // and says here how it ended
}

func (f *fake) fail(err error) { f.err = err }

func (f *fake) Status(context.Context) (Status, error)              { return Status{Version: "v1"}, f.err }
func (f *fake) Down(context.Context, DownRequest) (struct{}, error) { return struct{}{}, f.err }
func (f *fake) Confirm(context.Context) error                       { return f.err }
func (f *fake) Reload(ctx context.Context, _ ReloadRequest) (ReloadAnswer, error) {
	if f.asked == nil {
		return ReloadAnswer{}, f.err
	}
	f.asked <- struct{}{}
	err := f.err
	select {
	case <-f.release:
	case <-ctx.Done():
		err = ctx.Err()
	}
	f.ended <- err
	return ReloadAnswer{}, err
}
func (f *fake) Open(_ context.Context, q OpenRequest) (event.Grant, error) {
	f.opened = q
	return event.Grant{Door: q.Door, Source: q.Source}, f.err
}
func (f *fake) Bans(context.Context) ([]event.Ban, error) { return []event.Ban{f.banned}, f.err }
func (f *fake) Ban(_ context.Context, q BanRequest) (event.Ban, error) {
	f.banned = event.Ban{Source: event.BannedAs(q.Source)}
	return f.banned, f.err
}
func (f *fake) Unban(_ context.Context, q UnbanRequest) (struct{}, error) {
	f.banned = event.Ban{}
	return struct{}{}, f.err
}
func (f *fake) Acknowledge(ctx context.Context, q AckRequest) (event.Finding, error) {
	return event.Finding{ID: q.ID, By: Asker(ctx)}, f.err
}
func (f *fake) Approve(_ context.Context, q ApproveRequest) (ApproveAnswer, error) {
	return ApproveAnswer{Door: q.Door}, f.err
}
func (f *fake) Refuse(_ context.Context, q RefuseRequest) (RefuseAnswer, error) {
	return RefuseAnswer{ID: q.ID}, f.err
}
func (f *fake) Ask(_ context.Context, q AskRequest) (AskAnswer, error) {
	return AskAnswer{Code: "BCD FGH"}, f.err
}
func (f *fake) Asked(context.Context, AskedRequest) (AskedAnswer, error) {
	return AskedAnswer{State: AskWaiting}, f.err
}
func (f *fake) Exercise(context.Context, ExerciseRequest) (ExerciseAnswer, error) {
	return ExerciseAnswer{}, f.err
}
func (f *fake) Consent(_ context.Context, q ConsentRequest) (ConsentAnswer, error) {
	return ConsentAnswer{Sources: q.Sources}, f.err
}
func (f *fake) Consented(_ context.Context, q ConsentedRequest) (ConsentedAnswer, error) {
	return ConsentedAnswer{ID: string(q.Proof)}, f.err
}
func (f *fake) Invite(_ context.Context, q InviteRequest) (InviteAnswer, error) {
	return InviteAnswer{Until: time.Unix(1, 0).Add(time.Duration(q.For))}, f.err
}
func (f *fake) Remove(_ context.Context, q RemoveRequest) (RemoveAnswer, error) {
	return RemoveAnswer{Client: q.Client == "phone"}, f.err
}
func (f *fake) Label(_ context.Context, q LabelRequest) (RemoveAnswer, error) {
	return RemoveAnswer{Client: q.Label != ""}, f.err
}
func (f *fake) Revoke(_ context.Context, q RevokeRequest) (RevokeAnswer, error) {
	f.revoked = q
	return RevokeAnswer{Cut: 2}, f.err
}

// nobody was given rights.
func nobody(Caller) Rights { return 0 }

func (f *fake) Notices(ctx context.Context, _ NoticesRequest) ([]Notice, error) {
	select {
	case list := <-f.notices:
		return list, f.err
	case <-ctx.Done():
		return nil, nil
	}
}

func (f *fake) Journal(_ context.Context, q JournalRequest) (JournalAnswer, error) {
	f.asks = append(f.asks, q)
	return JournalAnswer{}, f.err
}

func (f *fake) Note(_ context.Context, q NoteRequest) (struct{}, error) {
	f.asks = append(f.asks, q)
	return struct{}{}, f.err
}

func (f *fake) Why(_ context.Context, q WhyRequest) (WhyAnswer, error) {
	f.asks = append(f.asks, q)
	return WhyAnswer{}, f.err
}

func (f *fake) Sources(_ context.Context, q SourcesRequest) ([]netip.Prefix, error) {
	f.asks = append(f.asks, q)
	return f.sources, f.err
}

// serve runs a server for the test and returns its socket.
func serve(t *testing.T, h Handler) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "run", "control.sock")
	runAt(t, path, h, slog.New(slog.DiscardHandler))
	return path
}

// runAt runs a server at path. The function it returns stops it, and so does
// the end of the test.
func runAt(t *testing.T, path string, h Handler, log *slog.Logger) (stop func()) {
	t.Helper()
	s, err := Listen(path, h, nobody, log)
	if err != nil {
		t.Fatal(err)
	}
	s.grace = 50 * time.Millisecond
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := errors.Join(<-done, s.Close()); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func TestQuestionsAndAnswers(t *testing.T) {
	f := &fake{}
	c := Dial(serve(t, f))
	source := netip.MustParseAddr("2001:db8::7")
	if s, err := c.Status(t.Context()); err != nil || s.Version != "v1" {
		t.Errorf("status %+v, %v", s, err)
	}
	open := OpenRequest{Door: "ssh", Source: source, For: Duration(time.Minute)}
	if g, err := c.Open(t.Context(), open); err != nil || g.Source != source || f.opened != open {
		t.Errorf("open: %+v, %v, arrived as %+v", g, err, f.opened)
	}
	revoke := RevokeRequest{Source: source, Cut: true}
	if a, err := c.Revoke(t.Context(), revoke); err != nil || a.Cut != 2 || f.revoked != revoke {
		t.Errorf("revoke: %+v, %v, arrived as %+v", a, err, f.revoked)
	}
	if err := errors.Join(c.Reload(t.Context()), c.Down(t.Context(), DownRequest{})); err != nil {
		t.Error(err)
	}
}

func TestFailuresKeepTheirHint(t *testing.T) {
	c := Dial(serve(t, &fake{err: &Error{Text: "no door \"x\"", Remedy: "doors: ssh"}}))
	err := c.Reload(t.Context())
	if e := (*Error)(nil); !errors.As(err, &e) || e.Text != `no door "x"` || e.Hint() != "doors: ssh" {
		t.Errorf("%#v", err)
	}
	if NotRunning(err) {
		t.Error("a daemon that answers counts as not running")
	}
}

func TestHostileRequests(t *testing.T) {
	f := &fake{}
	path := serve(t, f)
	client := Dial(path).http
	for name, c := range map[string]struct {
		method, path, body string
		status             int
	}{
		"unknown path":          {"GET", "/nosuch", "", 404},
		"no path":               {"GET", "/", "", 404},
		"below a path":          {"GET", "/status/x", "", 404},
		"wrong method":          {"GET", "/down", "", 405},
		"status by POST":        {"POST", "/status", "", 405},
		"open by PUT":           {"PUT", "/open", `{"door":"ssh"}`, 405},
		"no JSON":               {"POST", "/open", "door=ssh", 400},
		"unknown field":         {"POST", "/open", `{"door":"ssh","colour":"red"}`, 400},
		"wrong type":            {"POST", "/open", `{"door":7}`, 400},
		"not an address":        {"POST", "/open", `{"source":"010.1.1.1"}`, 400},
		"not a duration":        {"POST", "/open", `{"for":"soon"}`, 400},
		"two values":            {"POST", "/open", `{} {}`, 400},
		"truncated":             {"POST", "/open", `{"door":`, 400},
		"deep":                  {"POST", "/open", strings.Repeat("[", 30_000), 400},
		"more than is accepted": {"POST", "/open", `{"door":"` + strings.Repeat("x", maxRequest) + `"}`, 413},
	} {
		r, err := http.NewRequest(c.method, "http://sallyport"+c.path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		response, err := client.Do(r)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		text, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if response.StatusCode != c.status {
			t.Errorf("%s: status %d, want %d (%.200s)", name, response.StatusCode, c.status, text)
		}
		var said failure
		if err := json.Unmarshal(text, &said); err != nil || said.Error == "" {
			t.Errorf("%s: the answer %.200q says nothing: %v", name, text, err)
		}
		if allow := response.Header.Get("Allow"); (allow == "") != (c.status != 405) {
			t.Errorf("%s: Allow is %q", name, allow)
		}
	}
	if f.opened != (OpenRequest{}) {
		t.Errorf("one of them was carried out: %+v", f.opened)
	}
}

// A reload that is half done when its asker hangs up goes on to its end.
func TestHangingUpStopsNothing(t *testing.T) {
	f := &fake{asked: make(chan struct{}, 1), release: make(chan struct{}), ended: make(chan error, 1)}
	close(f.release)
	gone, hangUp := context.WithCancel(t.Context())
	hangUp()
	for range 100 { // a fake that saw the context end would choose at random
		s := Server{handler: f, log: slog.New(slog.DiscardHandler), prove: func(*http.Request) {}}
		s.knows = func(*http.Request) asker { return asker{name: "root", rights: Administrator} }
		w := httptest.NewRecorder()
		s.routes(t.Context(), t.Context()).ServeHTTP(w, httptest.NewRequestWithContext(gone, "POST", "/reload", nil))
		<-f.asked
		if err := <-f.ended; err != nil || w.Code != http.StatusOK {
			t.Fatalf("the reload ended with its asker: %v, status %d", err, w.Code)
		}
	}
}

// Stopping waits a moment for what is under way, then tells it to end, and is
// no failure. Who is connected and silent holds nothing up.
func TestStopWithRequestsUnderWay(t *testing.T) {
	f := &fake{asked: make(chan struct{}), ended: make(chan error, 1)}
	path := filepath.Join(t.TempDir(), "control.sock")
	stop := runAt(t, path, f, slog.New(slog.DiscardHandler))
	silent, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	answered := make(chan error)
	go func() { answered <- Dial(path).Reload(context.Background()) }()
	<-f.asked
	began := time.Now()
	stop()
	select {
	case err := <-f.ended:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("the reload ended with %v", err)
		}
	default:
		t.Error("Run has returned, the reload has not")
	}
	if err := <-answered; err == nil {
		t.Error("a reload that did not happen was reported as done")
	}
	if d := time.Since(began); d > 5*time.Second {
		t.Errorf("stopping took %v", d)
	}
}

func TestWhatMayBeInTheWay(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	path := filepath.Join(t.TempDir(), "control.sock")
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(path, &fake{}, nobody, log); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("a file in the way: %v", err)
	}
	if text, err := os.ReadFile(path); string(text) != "precious" {
		t.Errorf("the file in the way is now %q, %v", text, err)
	}
	os.Remove(path)

	first, err := Listen(path, &fake{}, nobody, log)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(path, &fake{}, nobody, log); err == nil || !strings.Contains(err.Error(), "another sallyport") {
		t.Errorf("a living daemon in the way: %v", err)
	}
	first.listener.(*lobby).Listener.(*net.UnixListener).SetUnlinkOnClose(false)
	first.Close()
	second, err := Listen(path, &fake{}, nobody, log)
	if err != nil {
		t.Fatalf("a dead daemon's socket in the way: %v", err)
	}
	second.Close()
}

func TestNobodyAnswers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.sock")
	_, err := Dial(path).Status(t.Context())
	if !NotRunning(err) || !strings.Contains(err.Error(), path) {
		t.Errorf("%v", err)
	}
	if h := (interface{ Hint() string })(nil); !errors.As(err, &h) || h.Hint() == "" {
		t.Errorf("%v has no hint", err)
	}
}
