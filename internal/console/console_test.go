//go:build linux

package console

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/console/web"
)

// fakeDaemon answers on a socket, and remembers what it was asked.
type fakeDaemon struct {
	mu    sync.Mutex
	asked []*http.Request
	texts []string
	do    http.HandlerFunc // nil: "{}"
}

func (f *fakeDaemon) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	text, _ := io.ReadAll(r.Body)
	f.mu.Lock()
	f.asked, f.texts = append(f.asked, r), append(f.texts, string(text))
	do := f.do
	f.mu.Unlock()
	if do != nil {
		do(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, "{}\n")
}

// last returns the latest request, and how many there were.
func (f *fakeDaemon) last() (r *http.Request, text string, n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n = len(f.asked); n == 0 {
		return nil, "", 0
	}
	return f.asked[n-1], f.texts[n-1], n
}

// clockAt is a clock that tests set.
type clockAt struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clockAt) get() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clockAt) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// tested is a console with a daemon that is not one, and a clock that stands.
type tested struct {
	*Console
	t      *testing.T
	daemon *fakeDaemon
	clock  *clockAt
	log    *bytes.Buffer
	dir    string
}

// settings loads a configuration of the console as a file would have it.
func settings(t *testing.T, dir, text string) *config.Console {
	t.Helper()
	text = "[console]\nname = \"gate\"\nsocket = \"" + dir + "/control.sock\"\nstate_dir = \"" + dir + "\"\nrun_dir = \"" + dir + "\"\n" + text
	cfg, err := config.LoadConsole(fstest.MapFS{"console.toml": {Data: []byte(text), Mode: 0o640}}, "/console.toml")
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func newTested(t *testing.T, text string) *tested {
	t.Helper()
	dir, err := os.MkdirTemp("", "c") // the path of a socket is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	d := &fakeDaemon{}
	l, err := net.Listen("unix", filepath.Join(dir, "control.sock"))
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: d}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { server.Close() })
	return newWith(t, dir, text, d)
}

func newWith(t *testing.T, dir, text string, d *fakeDaemon) *tested {
	t.Helper()
	x := &tested{t: t, daemon: d, clock: &clockAt{now: time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)}, log: new(bytes.Buffer), dir: dir}
	var err error
	x.Console, err = New(Options{Config: settings(t, dir, text), Page: web.Handler(), Log: slog.New(slog.NewTextHandler(x.log, nil)), Now: x.clock.get})
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// loopbackOrigin is that of the requests of these tests, unless they say otherwise.
const loopbackOrigin = "http://127.0.0.1:9479"

// browser is one that has, or has not, a session.
type browser struct {
	x       *tested
	handler http.Handler
	origin  string
	from    string
	cookie  *http.Cookie
	token   string
}

func (x *tested) browser() *browser {
	return &browser{x: x, handler: x.handler(entrance{cfg: x.cfg}), origin: loopbackOrigin, from: "127.0.0.1:40000"}
}

// request makes a request as the page does.
func (b *browser) request(method, path, body string) *http.Request {
	r := httptest.NewRequest(method, "http://ignored/", strings.NewReader(body))
	r.URL.Path, r.RequestURI, r.URL.Host, r.URL.Scheme = path, path, "", ""
	if before, query, ok := strings.Cut(path, "?"); ok {
		r.URL.Path, r.URL.RawQuery = before, query
	}
	r.Host = strings.SplitN(b.origin, "://", 2)[1]
	r.RemoteAddr = b.from
	if method != http.MethodGet {
		r.Header.Set("Origin", b.origin)
		r.Header.Set("Content-Type", "application/json")
	}
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if b.cookie != nil {
		r.AddCookie(b.cookie)
	}
	if b.token != "" {
		r.Header.Set(sessionHeader, b.token)
	}
	return r
}

func (b *browser) do(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, r)
	return w
}

func (b *browser) send(method, path, body string) *httptest.ResponseRecorder {
	return b.do(b.request(method, path, body))
}

// wants fails unless a request is answered with a status, and in JSON.
func (b *browser) wants(status int, method, path, body string) *httptest.ResponseRecorder {
	b.x.t.Helper()
	w := b.send(method, path, body)
	if w.Code != status {
		b.x.t.Errorf("%s %s: %d %s, want %d", method, path, w.Code, w.Body, status)
	}
	return w
}

// link has a login link made and returns its token.
func (x *tested) link(user, rights string) string {
	x.t.Helper()
	a, err := x.makeLink(LinkRequest{User: user, Rights: rights})
	if err != nil {
		x.t.Fatal(err)
	}
	_, token, ok := strings.Cut(a.Link, "/#login=")
	if !ok {
		x.t.Fatalf("the link is %q", a.Link)
	}
	return token
}

// enter spends a link, keeps the cookie and the token, and returns what was answered.
func (b *browser) enter(token string) *httptest.ResponseRecorder {
	w := b.send("POST", "/session", `{"link":"`+token+`"}`)
	if w.Code == http.StatusOK {
		var a loggedIn
		if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
			b.x.t.Fatal(err)
		}
		b.token, b.cookie = a.Session, w.Result().Cookies()[0]
	}
	return w
}

// loggedIn is a browser with a session.
func (x *tested) loggedIn(user, rights string) *browser {
	x.t.Helper()
	b := x.browser()
	if w := b.enter(x.link(user, rights)); w.Code != http.StatusOK {
		x.t.Fatalf("not logged in: %d %s", w.Code, w.Body)
	}
	return b
}

// Someone logs in with a link, asks the daemon under his name and with his rights, and
// logs out.
func TestLogin(t *testing.T) {
	x := newTested(t, "")
	b := x.browser()
	w := b.wants(http.StatusUnauthorized, "GET", "/session", "")
	if !strings.Contains(w.Body.String(), `"ways":["link"]`) {
		t.Errorf("%s", w.Body)
	}
	b.wants(http.StatusUnauthorized, "GET", "/v1/status", "")
	w = b.enter(x.link("alice", ""))
	var a loggedIn
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil || w.Code != http.StatusOK {
		t.Fatalf("%d %s, %v", w.Code, w.Body, err)
	}
	if a.User != "alice" || a.Rights != "act" || a.Gate != "gate" || a.Origin != loopbackOrigin || a.Passkeys || a.Idle != 1800 || !a.Until.Equal(x.clock.get().Add(12*time.Hour)) || len(a.Session) != 43 {
		t.Errorf("%+v", a)
	}
	if c := b.cookie; !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Domain != "" || c.Secure || !strings.HasPrefix(c.Name, "sallyport-") {
		t.Errorf("%+v", c)
	}
	b.wants(http.StatusOK, "GET", "/v1/status", "")
	r, _, _ := x.daemon.last()
	if r.Header.Get("Sallyport-On-Behalf-Of") != "alice" || r.Header.Get("Sallyport-No-More-Than") != "act" || r.Header.Get(sessionHeader)+r.Header.Get("Cookie") != "" {
		t.Errorf("asked with %v", r.Header)
	}
	b.wants(http.StatusOK, "POST", "/v1/open", `{"door":"ssh","source":"192.0.2.7"}`)
	if r, text, _ := x.daemon.last(); r.URL.Path != "/v1/open" || text != `{"door":"ssh","source":"192.0.2.7"}` {
		t.Errorf("%s %s", r.URL, text)
	}
	b.wants(http.StatusOK, "GET", "/v1/journal?limit=5&kind=grant,ban", "")
	if r, _, _ := x.daemon.last(); r.URL.RawQuery != "limit=5&kind=grant,ban" {
		t.Errorf("%s", r.URL)
	}
	again := b.wants(http.StatusOK, "GET", "/session", "")
	if strings.Contains(again.Body.String(), `"session"`) {
		t.Errorf("the token is answered again: %s", again.Body)
	}
	b.wants(http.StatusOK, "DELETE", "/session", "")
	b.wants(http.StatusUnauthorized, "GET", "/session", "")
	b.wants(http.StatusUnauthorized, "GET", "/v1/status", "")
}

// The page has no secret and is served to all, with headers that keep it to itself.
func TestPage(t *testing.T) {
	w := newTested(t, "").browser().wants(http.StatusOK, "GET", "/", "")
	for name, want := range map[string]string{
		"Content-Type": "text/html; charset=utf-8", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY",
		"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin", "Strict-Transport-Security": "", "Cache-Control": "no-cache",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	csp := w.Header().Get("Content-Security-Policy")
	if !strings.HasPrefix(csp, "default-src 'none'; ") || !strings.Contains(csp, "frame-ancestors 'none'") || strings.Contains(csp, "unsafe") {
		t.Errorf("%q", csp)
	}
}

// The page offers to open a door for the address from which it is looked at, if that is
// one that others have.
func TestAddressOfASession(t *testing.T) {
	x := newTested(t, "")
	for remote, want := range map[string]string{"198.51.100.7:4711": "198.51.100.7", "[2001:db8::7]:4711": "2001:db8::7", "127.0.0.1:4711": "", "[::1]:4711": ""} {
		r := httptest.NewRequest("GET", "/session", nil)
		r.RemoteAddr = remote
		a := x.about(&visit{Request: r, entrance: entrance{cfg: x.cfg}}, &session{})
		if got := a.Address; want == "" && got.IsValid() || want != "" && got.String() != want {
			t.Errorf("%s: %v", remote, got)
		}
	}
}
