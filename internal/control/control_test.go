package control

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sallyport/internal/gate"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is a daemon that remembers what it was asked.
type fake struct {
	opened  OpenRequest
	revoked RevokeRequest
	err     error
}

func (f *fake) Status(context.Context) (Status, error) { return Status{Version: "v1"}, f.err }
func (f *fake) Reload(context.Context) error           { return f.err }
func (f *fake) Down(context.Context) error             { return f.err }
func (f *fake) Open(_ context.Context, q OpenRequest) (gate.Grant, error) {
	f.opened = q
	return gate.Grant{Door: q.Door, Source: q.Source}, f.err
}
func (f *fake) Revoke(_ context.Context, q RevokeRequest) (RevokeAnswer, error) {
	f.revoked = q
	return RevokeAnswer{Cut: 2}, f.err
}

// serve runs a server for the test and returns its socket.
func serve(t *testing.T, h Handler) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "run", "control.sock")
	s, err := Listen(path, h, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return path
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
	if err := errors.Join(c.Reload(t.Context()), c.Down(t.Context())); err != nil {
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
	path := serve(t, &fake{})
	client := Dial(path).http
	for name, c := range map[string]struct {
		method, path, body string
		status             int
	}{
		"unknown path":          {"GET", "/nosuch", "", 404},
		"wrong method":          {"GET", "/down", "", 405},
		"status by POST":        {"POST", "/status", "", 405},
		"no JSON":               {"POST", "/open", "door=ssh", 400},
		"unknown field":         {"POST", "/open", `{"door":"ssh","colour":"red"}`, 400},
		"wrong type":            {"POST", "/open", `{"door":7}`, 400},
		"not an address":        {"POST", "/open", `{"source":"010.1.1.1"}`, 400},
		"not a duration":        {"POST", "/open", `{"for":"soon"}`, 400},
		"two values":            {"POST", "/open", `{} {}`, 400},
		"truncated":             {"POST", "/open", `{"door":`, 400},
		"deep":                  {"POST", "/open", strings.Repeat("[", 30_000), 400},
		"more than is accepted": {"POST", "/open", `{"door":"` + strings.Repeat("x", maxRequest) + `"}`, 400},
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
			t.Errorf("%s: status %d, want %d (%s)", name, response.StatusCode, c.status, text)
		}
	}
}

func TestSocketIsForTheGroup(t *testing.T) {
	path := serve(t, &fake{})
	for p, want := range map[string]os.FileMode{path: 0o660, filepath.Dir(path): 0o750} {
		if info, err := os.Stat(p); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v; want %v", p, info.Mode().Perm(), err, want)
		}
	}
}

func TestWhatMayBeInTheWay(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	path := filepath.Join(t.TempDir(), "control.sock")
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(path, &fake{}, log); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("a file in the way: %v", err)
	}
	if text, err := os.ReadFile(path); string(text) != "precious" {
		t.Errorf("the file in the way is now %q, %v", text, err)
	}
	os.Remove(path)

	first, err := Listen(path, &fake{}, log)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(path, &fake{}, log); err == nil || !strings.Contains(err.Error(), "another sallyport") {
		t.Errorf("a living daemon in the way: %v", err)
	}
	first.listener.(*net.UnixListener).SetUnlinkOnClose(false)
	first.Close()
	second, err := Listen(path, &fake{}, log)
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
