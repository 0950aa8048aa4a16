//go:build linux

package control

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// asking is a server on which someone with these rights asks.
func asking(t *testing.T, h Handler, name string, rights Rights) http.Handler {
	s := &Server{handler: h, log: slog.New(slog.DiscardHandler), beat: heartbeat, prove: func(*http.Request) {}}
	s.knows = func(r *http.Request) asker { return asker{name: named(name, r.Header.Get(OnBehalf)), rights: rights} }
	return s.routes(t.Context(), t.Context())
}

// Every verb is carried out for those who have its right, and for nobody else.
func TestEveryVerbNeedsItsRight(t *testing.T) {
	for _, v := range verbs {
		if v.right == 0 || v.says == "" {
			t.Errorf("%s needs no right, or says nothing", v.path)
		}
		for _, rights := range []Rights{0, View, Act, Admin, Revoke, Lists, Asking, Viewer, Actor} {
			if rights.Has(v.right) {
				continue
			}
			w := httptest.NewRecorder()
			path := strings.Replace(v.path, "{door}", "ssh", 1)
			asking(t, nil, "eve", rights).ServeHTTP(w, httptest.NewRequest(v.method, version+path, nil)) // the handler nil would panic
			if w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), "eve has not the right") {
				t.Errorf("%s with %s: %d %s", v.path, rights, w.Code, w.Body)
			}
		}
	}
	for path, want := range map[string]Rights{"/status": View, "/open": Act, "/revoke": Revoke, "/ban": Act, "/unban": Act, "/ack": Act,
		"/reload": Admin, "/confirm": Admin, "/down": Admin, "/exercise": Admin, "/bans": View, "/doors/{door}/sources": Lists, "/events": View,
		"/asks": View, "/approve": Act, "/refuse": Act, "/ask": Asking, "/asked": Asking} {
		found := false
		for _, v := range verbs {
			if v.path == path {
				found = v.right == want
			}
		}
		if !found {
			t.Errorf("%s is not there, or needs something else than %s", path, want)
		}
	}
}

func TestRightsOfCallers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.sock")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := &Server{listener: place(path), rights: func(c Caller) Rights {
		if c.UID == 2001 {
			return Viewer
		}
		return 0
	}}
	group, ok := socketGroup(path)
	if !ok {
		t.Fatal("no group")
	}
	member := Caller{UID: 2003, Groups: []uint32{7, group}}
	for _, open := range []bool{false, true} {
		if open {
			s.open.Store(true)
		}
		for name, c := range map[string]struct {
			caller     Caller
			shut, wide Rights
		}{
			"root":               {Caller{}, Administrator, Administrator},
			"the daemon's user":  {Caller{UID: uint32(os.Geteuid())}, Administrator, Administrator},
			"named, for less":    {Caller{UID: 2001, Groups: []uint32{group}}, Viewer, Viewer},
			"a member":           {member, Administrator, Administrator},
			"let in by the file": {Caller{UID: 2002, Groups: []uint32{group + 1}}, Administrator, 0},
		} {
			want := c.shut
			if open {
				want = c.wide
			}
			if got := s.callersRights(c.caller); got != want {
				t.Errorf("%s, open to all %v: %s, want %s", name, open, got, want)
			}
		}
	}
}

// place is a listener that has an address only.
type place string

func (p place) Accept() (net.Conn, error) { return nil, errors.ErrUnsupported }
func (p place) Close() error              { return nil }
func (p place) Addr() net.Addr            { return &net.UnixAddr{Name: string(p), Net: "unix"} }

// A program that asks for someone with fewer rights than its own gives them up, and can
// gain none.
func TestNoMoreThan(t *testing.T) {
	path := serve(t, &fake{})
	client := Dial(path).http
	for header, want := range map[string]int{"": 200, "admin": 200, "act": 200, "view": 403, "none": 403, "Act": 403, "view, act": 403} {
		r, err := http.NewRequestWithContext(t.Context(), "POST", "http://sallyport/v1/ban", strings.NewReader(`{"source":"192.0.2.7"}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set(NoMoreThan, header)
		response, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("%q: %d, want %d", header, response.StatusCode, want)
		}
	}
	for word, rights := range map[string]Rights{"admin": Administrator, "act": Actor, "view": Viewer} {
		if got := atMost(word) & Viewer; got != Viewer&rights {
			t.Errorf("%s gives a viewer %s", word, got)
		}
	}
}

// What a request needs is known of every verb, and of nothing else.
func TestFits(t *testing.T) {
	for _, c := range []struct {
		method, path string
		right        Rights
		ok           bool
	}{
		{"GET", "/v1/status", View, true},
		{"POST", "/v1/open", Act, true},
		{"POST", "/v1/reload", Admin, true},
		{"GET", "/v1/doors", View, true},
		{"GET", "/v1/doors/ssh/sources", Lists, true},
		{"GET", "/v1/doors//sources", 0, false},
		{"GET", "/v1/doors/a/b/sources", 0, false},
		{"GET", "/v1/open", 0, false},
		{"GET", "/status", 0, false},
		{"GET", "/v1/status/", 0, false},
		{"GET", "/v1", 0, false},
	} {
		if right, ok := Needed(c.method, c.path); right != c.right || ok != c.ok {
			t.Errorf("%s %s needs %s, %v", c.method, c.path, right, ok)
		}
	}
}

// Who asked is on record, and a program says for whom it asks.
func TestWhoAsked(t *testing.T) {
	f := &fake{}
	if got := named("console", "alice\x1b[2J\n"); got != "console says alice[2J" {
		t.Errorf("%q", got)
	}
	if got := named("console", "ali\u009b2J\u202ece\u2028\xff"); got != "console says ali2Jce" {
		t.Errorf("%q", got)
	}
	if got := named("console", strings.Repeat("é", 100)); len(got) > 80 {
		t.Errorf("%q", got)
	}
	for header, want := range map[string]string{"": "console", "alice": "console says alice"} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("POST", "/v1/ack", strings.NewReader(`{"id":"x"}`))
		r.Header.Set(OnBehalf, header)
		asking(t, f, "console", Actor).ServeHTTP(w, r)
		if !strings.Contains(w.Body.String(), `"acknowledged_by":"`+want+`"`) {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	}
	if Asker(context.Background()) != "another system" || RightsOf(context.Background()) != 0 {
		t.Error("nobody has a name or a right")
	}
}

// Only what changes something is on record as an order. HEAD asks for the head of what GET
// answers.
func TestReadingIsNoOrder(t *testing.T) {
	for method, want := range map[string]bool{"HEAD /v1/status": false, "GET /v1/status": false, "POST /v1/ack": true} {
		var log bytes.Buffer
		s := &Server{handler: &fake{}, log: slog.New(slog.NewTextHandler(&log, nil)), beat: heartbeat, prove: func(*http.Request) {}}
		s.knows = func(*http.Request) asker { return asker{name: "eve", rights: Actor} }
		verb, path, _ := strings.Cut(method, " ")
		w := httptest.NewRecorder()
		s.routes(t.Context(), t.Context()).ServeHTTP(w, httptest.NewRequest(verb, path, nil))
		if w.Code != http.StatusOK || strings.Contains(log.String(), "operator") != want {
			t.Errorf("%s: %d, the log has %q", method, w.Code, log.String())
		}
	}
}

// Users who are no administrators have so many places, and give them back; nobody
// takes those of others.
func TestLobby(t *testing.T) {
	l := &lobby{users: make(map[uint32]int)}
	var in []*guest
	for uid := uint32(1); uid < 100; uid++ {
		for range maxOfUser + 1 {
			if g := l.enter(uid, true); g != nil {
				g.Conn = nothing{}
				in = append(in, g)
			}
		}
	}
	if len(in) != maxStrangers {
		t.Errorf("%d strangers", len(in))
	}
	if l.enter(200, false) == nil {
		t.Error("strangers keep a user out")
	}
	for _, g := range in {
		g.Close()
		g.Close() // a second time gives nothing back
	}
	if l.strangers != 0 || l.guests != 1 || len(l.users) != 1 {
		t.Errorf("%d strangers, %d guests, %v", l.strangers, l.guests, l.users)
	}
}

type nothing struct{ net.Conn }

func (nothing) Close() error { return nil }

// The socket is open to all users only as long as someone was given rights.
func TestSocketOpensToUsers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run", "control.sock")
	s, err := listenQuietly(path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, c := range []struct {
		all    bool
		socket os.FileMode
	}{{false, 0o660}, {true, 0o666}, {false, 0o660}} {
		if err := s.OpenTo(c.all); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != c.socket {
			t.Errorf("%v: %v", c, info.Mode())
		}
	}
	if info, err := os.Stat(filepath.Dir(path)); err != nil || info.Mode().Perm() != 0o751 {
		t.Errorf("%v", info.Mode())
	}
	if !s.open.Load() {
		t.Error("those who connected while it was open count as let in by its mode")
	}
}

// The kernel names the groups of who connects.
func TestGroupsOfPeers(t *testing.T) {
	path := serve(t, &fake{})
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	c, ok := callerOf(rememberCaller(t.Context(), conn))
	if !ok || int(c.UID) != os.Getuid() || int(c.PID) != os.Getpid() {
		t.Fatalf("%+v %v", c, ok)
	}
	mine, err := os.Getgroups()
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range append(mine, os.Getgid()) {
		found := false
		for _, is := range c.Groups {
			found = found || int(is) == g
		}
		if !found {
			t.Errorf("group %d is not among %v", g, c.Groups)
		}
	}
}

// Other users of the host really get what they were given, and no more, by a socket
// that lets all of them connect.
func TestOtherUsersOfTheHost(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil || os.Getuid() != 0 {
		t.Skip("needs root, and curl")
	}
	dir, err := os.MkdirTemp("", "sallyport") // all folders above it let users in, unlike those of the test
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "control.sock")
	s, err := Listen(path, &fake{}, func(c Caller) Rights { return map[uint32]Rights{4001: Viewer, 4002: Actor}[c.UID] }, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.OpenTo(true); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done; s.Close() })
	for _, c := range []struct {
		uid, gid uint32
		path     string
		post     bool
		want     string
	}{
		{4001, 4001, "/v1/status", false, "200"},
		{4001, 4001, "/v1/ack", true, "403"},
		{4002, 4002, "/v1/ack", true, "200"},
		{4002, 4002, "/v1/reload", true, "403"},
		{4003, 4003, "/v1/status", false, "403"},
		{4003, 4003, "/v1/nothing", false, "403"},
		{4003, uint32(os.Getgid()), "/v1/confirm", true, "200"}, // of the socket's group
	} {
		words := []string{"-sS", "-o", "/dev/null", "-w", "%{http_code}", "--unix-socket", path, "http://sallyport" + c.path}
		if c.post {
			words = append(words, "-d", "{}")
		}
		cmd := exec.CommandContext(t.Context(), curl, words...)
		cmd.Dir = "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: c.uid, Gid: c.gid}}
		if got, err := cmd.CombinedOutput(); string(got) != c.want {
			t.Errorf("%+v: %s %v", c, got, err)
		}
	}
}
