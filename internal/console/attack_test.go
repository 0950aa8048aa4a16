//go:build linux

package console

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A link that someone else has sent takes no session's place unasked, and is not used up
// by being asked about.
func TestLinkReplacesNoSessionUnasked(t *testing.T) {
	x := newTested(t, "")
	b := x.loggedIn("alice", "")
	token := x.link("mallory", "")
	if w := b.enter(token); w.Code != http.StatusConflict || !strings.Contains(w.Body.String(), "as alice") {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if w := b.send("GET", "/session", ""); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "alice") {
		t.Errorf("alice's session: %d %s", w.Code, w.Body)
	}
	if w := b.enter("of no link"); w.Code != http.StatusForbidden {
		t.Errorf("no link: %d %s", w.Code, w.Body)
	}
	if w := b.send("POST", "/session", `{"link":"`+token+`","replace":true}`); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "mallory") {
		t.Errorf("with a yes: %d %s", w.Code, w.Body)
	}
}

// A link works once, however many come with it at the same time, and for five minutes.
func TestLinkWorksOnce(t *testing.T) {
	x := newTested(t, "")
	token := x.link("alice", "")
	var in, out atomic.Int64
	var all sync.WaitGroup
	for range 32 {
		all.Go(func() {
			switch w := x.browser().send("POST", "/session", `{"link":"`+token+`"}`); w.Code {
			case http.StatusOK:
				in.Add(1)
			case http.StatusForbidden:
				out.Add(1)
			}
		})
	}
	all.Wait()
	if in.Load() != 1 || out.Load() != 31 {
		t.Errorf("%d got in, %d were refused", in.Load(), out.Load())
	}
	late, early := x.link("alice", ""), x.link("alice", "")
	x.clock.pass(linkFor - time.Second)
	if w := x.browser().enter(early); w.Code != http.StatusOK {
		t.Errorf("in time: %d %s", w.Code, w.Body)
	}
	x.clock.pass(time.Second)
	if w := x.browser().enter(late); w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), "used up, over or wrong") {
		t.Errorf("too late: %d %s", w.Code, w.Body)
	}
	var links []string
	for range maxLinks + 1 {
		links = append(links, x.link("alice", ""))
	}
	if w := x.browser().enter(links[0]); w.Code != http.StatusForbidden {
		t.Errorf("more links than are kept: %d", w.Code)
	}
	if w := x.browser().enter(links[1]); w.Code != http.StatusOK {
		t.Errorf("the oldest that is kept: %d", w.Code)
	}
}

// What links may give: what the configuration gives the user, and else to act at most.
func TestRightsOfLinks(t *testing.T) {
	x := newTested(t, "[[user]]\nname = \"root\"\nrights = \"admin\"\n[[user]]\nname = \"watch\"\n")
	for _, c := range []struct {
		user, rights, want string // want: "" is a refusal
	}{
		{"alice", "", "act"}, {"alice", "view", "view"}, {"alice", "act", "act"}, {"alice", "admin", ""},
		{"root", "", "admin"}, {"root", "view", "view"}, {"root", "admin", "admin"},
		{"watch", "", "view"}, {"watch", "act", ""}, {"watch", "admin", ""},
		{"", "", ""}, {"a b", "", ""}, {"a\nb", "", ""}, {strings.Repeat("a", 65), "", ""}, {"alice", "everything", ""},
	} {
		a, err := x.makeLink(LinkRequest{User: c.user, Rights: c.rights})
		if a.Right != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%q with %q: %q, %v", c.user, c.rights, a.Right, err)
		}
	}
}

// A session needs its cookie and its token, those of the same session, each once, at the
// origin at which it was begun.
func TestSessionNeedsBoth(t *testing.T) {
	x := newTested(t, withOrigin)
	b, other := x.loggedIn("alice", ""), x.loggedIn("alice", "")
	for name, change := range map[string]func(r *http.Request){
		"no token":            func(r *http.Request) { r.Header.Del(sessionHeader) },
		"an empty token":      func(r *http.Request) { r.Header.Set(sessionHeader, "") },
		"another's token":     func(r *http.Request) { r.Header.Set(sessionHeader, other.token) },
		"two tokens":          func(r *http.Request) { r.Header.Add(sessionHeader, b.token) },
		"no cookie":           func(r *http.Request) { r.Header.Del("Cookie") },
		"another's cookie":    func(r *http.Request) { r.Header.Del("Cookie"); r.AddCookie(other.cookie) },
		"two cookies":         func(r *http.Request) { r.AddCookie(other.cookie) },
		"the cookie as token": func(r *http.Request) { r.Header.Set(sessionHeader, b.cookie.Value) },
		"another origin":      func(r *http.Request) { r.Host = "localhost:9479" },
	} {
		r := b.request("GET", "/v1/status", "")
		change(r)
		if w := b.do(r); w.Code != http.StatusUnauthorized {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	if _, _, n := x.daemon.last(); n != 0 {
		t.Errorf("the daemon was asked %d times", n)
	}
	b.wants(http.StatusOK, "GET", "/v1/status", "")
}

// Sessions end when they are not used, at their longest, at logout everywhere, and with the
// console; what the page does by itself does not keep them.
func TestSessionsEnd(t *testing.T) {
	x := newTested(t, "")
	b := x.loggedIn("alice", "")
	for range 3 {
		x.clock.pass(x.cfg.Idle - time.Second)
		b.wants(http.StatusOK, "GET", "/v1/status", "")
	}
	background := b.request("GET", "/v1/status", "")
	background.Header.Set(backgroundHeader, "1")
	x.clock.pass(x.cfg.Idle - time.Second)
	if w := b.do(background); w.Code != http.StatusOK {
		t.Errorf("%d", w.Code)
	}
	x.clock.pass(time.Second)
	b.wants(http.StatusUnauthorized, "GET", "/v1/status", "")

	b = x.loggedIn("alice", "")
	for range 23 {
		x.clock.pass(x.cfg.Idle - time.Second)
		b.wants(http.StatusOK, "GET", "/v1/status", "")
	}
	x.clock.pass(x.cfg.Idle - time.Second) // twelve hours, less 24 seconds
	b.wants(http.StatusOK, "GET", "/v1/status", "")
	x.clock.pass(24 * time.Second)
	b.wants(http.StatusUnauthorized, "GET", "/v1/status", "")

	stolen, own, bob := x.loggedIn("alice", ""), x.loggedIn("alice", ""), x.loggedIn("bob", "")
	own.wants(http.StatusOK, "DELETE", "/session", "")
	stolen.wants(http.StatusUnauthorized, "GET", "/v1/status", "")
	bob.wants(http.StatusOK, "GET", "/v1/status", "")
	again := newWith(t, x.dir, "", x.daemon)
	bob.handler = again.handler(entrance{cfg: again.cfg})
	bob.wants(http.StatusUnauthorized, "GET", "/v1/status", "")
	if again.cookie != x.cookie {
		t.Errorf("the console is another after a restart: %q, %q", again.cookie, x.cookie)
	}
}

// There are so many sessions, and no one is kept out by those of others or of his own.
func TestSessionsAreBounded(t *testing.T) {
	x := newTested(t, "")
	first := x.loggedIn("alice", "")
	x.clock.pass(time.Second)
	for range maxOfUser {
		x.loggedIn("alice", "")
	}
	first.wants(http.StatusUnauthorized, "GET", "/session", "")
	last := x.loggedIn("alice", "")
	x.clock.pass(time.Second)
	for i := range maxSessions {
		x.loggedIn(fmt.Sprintf("user%d", i), "")
	}
	if n := len(x.sessions.list); n != maxSessions {
		t.Errorf("%d sessions", n)
	}
	last.wants(http.StatusUnauthorized, "GET", "/session", "")
}

// Another page, in whatever way it has a browser send requests, reaches nothing.
func TestOtherPages(t *testing.T) {
	x := newTested(t, "")
	b := x.loggedIn("alice", "")
	for name, change := range map[string]func(r *http.Request){
		"another origin":       func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") },
		"another port":         func(r *http.Request) { r.Header.Set("Origin", "http://127.0.0.1:9480") },
		"another scheme":       func(r *http.Request) { r.Header.Set("Origin", "https://127.0.0.1:9479") },
		"from a file":          func(r *http.Request) { r.Header.Set("Origin", "null") },
		"no origin":            func(r *http.Request) { r.Header.Del("Origin") },
		"two origins":          func(r *http.Request) { r.Header.Add("Origin", b.origin) },
		"cross-site":           func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
		"same-site":            func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") },
		"typed by a user":      func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "none") },
		"as a form":            func(r *http.Request) { r.Header.Set("Content-Type", "application/x-www-form-urlencoded") },
		"as text":              func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") },
		"as nothing":           func(r *http.Request) { r.Header.Del("Content-Type") },
		"without its token":    func(r *http.Request) { r.Header.Del(sessionHeader) },
		"another host":         func(r *http.Request) { r.Host = "evil.example" },
		"another host, port":   func(r *http.Request) { r.Host = "evil.example:9479" },
		"localhost.evil":       func(r *http.Request) { r.Host = "localhost.evil.example" },
		"a name with an at":    func(r *http.Request) { r.Host = "127.0.0.1:9479@evil.example" },
		"a host of the proxy":  func(r *http.Request) { r.Host = "gate.example.net" },
		"an empty host":        func(r *http.Request) { r.Host = "" },
		"another loopback":     func(r *http.Request) { r.Host = "127.0.0.2:9479" },
		"a decimal loopback":   func(r *http.Request) { r.Host = "2130706433:9479" },
		"localhost with a dot": func(r *http.Request) { r.Host = "localhost.:9479" },
	} {
		r := b.request("POST", "/v1/open", `{"door":"ssh","source":"192.0.2.7"}`)
		change(r)
		if w := b.do(r); w.Code < 400 || w.Code >= 500 {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
		if w := b.do(b.request("GET", "/v1/status", "")); w.Code != http.StatusOK {
			t.Errorf("%s: afterwards %d", name, w.Code)
		}
	}
	for i, r := range x.daemon.asked {
		if r.URL.Path != "/v1/status" {
			t.Errorf("%d: the daemon was asked for %s", i, r.URL)
		}
	}
	for _, host := range []string{"evil.example", "gate.example.net", ""} { // the page itself, too: another name's page is not ours
		r := b.request("GET", "/", "")
		r.Host = host
		if w := b.do(r); w.Code != http.StatusMisdirectedRequest {
			t.Errorf("%q: %d", host, w.Code)
		}
	}
	for _, host := range []string{"localhost:1234", "[::1]:9479", "127.0.0.1", "LOCALHOST:9479"} { // a tunnel may end at any port
		r := b.request("GET", "/", "")
		r.Host = host
		if w := b.do(r); w.Code != http.StatusOK {
			t.Errorf("%q: %d", host, w.Code)
		}
	}
	if r := b.request("OPTIONS", "/v1/open", ""); true {
		r.Header.Set("Access-Control-Request-Method", "POST")
		if w := b.do(r); w.Code < 400 || w.Header().Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("a preflight: %d %v", w.Code, w.Header())
		}
	}
}

// Odd paths lead nowhere: not past the console to the daemon, and to no other verb.
func TestPaths(t *testing.T) {
	x := newTested(t, "")
	b := x.loggedIn("alice", "act")
	for _, path := range []string{"/v1/../down", "/v1/./open", "/v1//open", "//v1/open", "//evil.example/", "/v1/open/", "/v1/open/..", "/v1\\open", "/v1/open;x", "/v1/open\x00", "/v1/op en",
		"/v1/down", "/v1/reload", "/v1/consent", "/v1/exercise", "/v1/confirm", "/v1/invite", "/v1/nothing", "/v1", "/v1/", "/down", "/open", "/status", "/v2/open", "/V1/open", "/v1/OPEN",
		"/v1/doors/../open", "/v1/doors//sources", "/v1/doors/ssh?x/sources", "/v1/doors/ssh#x/sources", "/v1/doors/ssh/sources/..", "/..", "/%2e%2e/x", "/assets/../../etc/passwd", "/session/", "/link", "/passkeys/", "/v1/open\n", "/é"} {
		for _, method := range []string{"POST", "GET", "PUT", "DELETE", "PATCH", "CONNECT", "TRACE"} {
			if w := b.send(method, path, `{}`); w.Code < 400 || w.Code >= 500 {
				t.Errorf("%s %q: %d %s", method, path, w.Code, w.Body)
			}
		}
	}
	r := b.request("POST", "/v1/open", "{}")
	r.URL.RawPath = "/v1%2fopen"
	if w := b.do(r); w.Code != http.StatusBadRequest {
		t.Errorf("an encoded slash: %d", w.Code)
	}
	r = b.request("GET", "/v1/status", "")
	r.URL.Host, r.URL.Scheme = "evil.example", "http"
	if w := b.do(r); w.Code != http.StatusBadRequest {
		t.Errorf("an absolute target: %d", w.Code)
	}
	if r, _, n := x.daemon.last(); n != 0 {
		t.Errorf("the daemon was asked %d times, last for %s", n, r.URL)
	}
}

// Bodies are one JSON value of a bounded length, in which no field is twice.
func TestBodies(t *testing.T) {
	x := newTested(t, "")
	b := x.loggedIn("alice", "act")
	for text, status := range map[string]int{
		`{"door":"ssh","door":"vpn"}`:  http.StatusBadRequest,
		`{"door":"ssh","Door":"vpn"}`:  http.StatusBadRequest,
		`{"door":"ssh"}{"door":"vpn"}`: http.StatusBadRequest,
		`{"door":`:                     http.StatusBadRequest,
		``:                             http.StatusBadRequest,
		`{"x":"` + strings.Repeat("x", maxBody) + `"`: http.StatusRequestEntityTooLarge,
		strings.Repeat("[", 60_000):                   http.StatusBadRequest,
	} {
		if w := b.send("POST", "/v1/open", text); w.Code != status {
			t.Errorf("%.40q: %d %s, want %d", text, w.Code, w.Body, status)
		}
		if w := x.browser().send("POST", "/session", text); w.Code != status && !(text == "" && w.Code == http.StatusBadRequest) {
			t.Errorf("%.40q at the login: %d %s", text, w.Code, w.Body)
		}
	}
	token := x.link("alice", "")
	for _, text := range []string{`{"link":"x","link":"` + token + `"}`, `{"link":"` + token + `","rights":"admin"}`, `{"Link":"x","link":"` + token + `"}`} {
		if w := x.browser().send("POST", "/session", text); w.Code != http.StatusBadRequest {
			t.Errorf("%s: %d", text, w.Code)
		}
	}
	if w := x.browser().enter(token); w.Code != http.StatusOK {
		t.Errorf("what was refused has spent the link: %d", w.Code)
	}
	if _, _, n := x.daemon.last(); n != 0 {
		t.Errorf("the daemon was asked %d times", n)
	}
}

// A viewer changes nothing: the console says so, and has the daemon hold him to it.
func TestViewerCannotAct(t *testing.T) {
	x := newTested(t, "")
	viewer, actor := x.loggedIn("vera", "view"), x.loggedIn("alice", "act")
	for _, path := range []string{"/v1/open", "/v1/revoke", "/v1/ban", "/v1/unban", "/v1/ack"} {
		if w := viewer.wants(http.StatusForbidden, "POST", path, "{}"); !strings.Contains(w.Body.String(), "vera has not the right for that") {
			t.Errorf("%s: %s", path, w.Body)
		}
		if _, _, n := x.daemon.last(); n != 0 {
			t.Errorf("%s: the daemon was asked", path)
		}
	}
	viewer.wants(http.StatusOK, "GET", "/v1/doors/ssh/sources", "")
	if r, _, _ := x.daemon.last(); r.Header.Get("Sallyport-No-More-Than") != "view" {
		t.Errorf("%v", r.Header)
	}
	for _, path := range adminVerbs {
		actor.wants(http.StatusForbidden, "POST", path, "{}")
	}
}

// What an administrator may do from a browser is listed, and only users of the
// configuration are administrators.
func TestAdministrator(t *testing.T) {
	x := newTested(t, "[[user]]\nname = \"root\"\nrights = \"admin\"\n")
	b := x.loggedIn("root", "")
	for _, path := range adminVerbs {
		b.wants(http.StatusOK, "POST", path, "{}")
	}
	for _, path := range []string{"/v1/down", "/v1/reload", "/v1/exercise", "/v1/consent", "/v1/consented", "/v1/ask", "/v1/note"} {
		b.wants(http.StatusForbidden, "POST", path, "{}")
	}
	if r, _, n := x.daemon.last(); n != len(adminVerbs) || r.Header.Get("Sallyport-No-More-Than") != "admin" {
		t.Errorf("%d, %v", n, r.Header)
	}
}

// Who fails too often waits, by /64; others do not, and from this host a link always works.
func TestThrottle(t *testing.T) {
	x := newTested(t, withOrigin)
	from := func(source, token string) *httptest.ResponseRecorder {
		b := x.outside()
		return b.do(b.by(b.request("POST", "/session", `{"link":"`+token+`"}`), source))
	}
	for i := range failuresOfSource {
		if w := from(fmt.Sprintf("2001:db8::%x", i), "wrong"); w.Code != http.StatusForbidden {
			t.Fatalf("%d: %d %s", i, w.Code, w.Body)
		}
	}
	token := x.link("alice", "")
	if w := from("2001:db8::ffff", token); w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != "61" {
		t.Errorf("%d, %v", w.Code, w.Header())
	}
	if w := from("2001:db8:0:1::1", token); w.Code != http.StatusOK {
		t.Errorf("the next /64: %d %s", w.Code, w.Body)
	}
	for i := range 3 * failuresOfAll { // from everywhere
		from(fmt.Sprintf("198.51.%d.%d", i/200, i%200), "wrong")
	}
	if lines := strings.Count(x.log.String(), "login failed"); lines > failuresOfAll {
		t.Errorf("%d lines in the log", lines)
	}
	if w := from("198.51.0.1", x.link("alice", "")); w.Code != http.StatusTooManyRequests {
		t.Errorf("who has failed while all fail: %d", w.Code)
	}
	if w := from("203.0.113.5", x.link("alice", "")); w.Code != http.StatusOK {
		t.Errorf("who has not failed: %d %s", w.Code, w.Body)
	}
	local := x.browser()
	for range 3 * failuresOfSource {
		local.enter("wrong")
	}
	if w := local.enter(x.link("alice", "")); w.Code != http.StatusOK {
		t.Errorf("from this host: %d %s", w.Code, w.Body)
	}
	x.clock.pass(forgetFailures)
	if w := from("2001:db8::ffff", x.link("alice", "")); w.Code != http.StatusOK {
		t.Errorf("a minute later: %d %s", w.Code, w.Body)
	}
	for i := range 2 * maxFailed {
		x.throttle.fail(x.clock.get(), addressOf(fmt.Sprintf("[2001:db8:%x:%x::1]:1", i/256, i%256)))
	}
	if n := len(x.throttle.failed); n > maxFailed {
		t.Errorf("%d sources are remembered", n)
	}
}

// The proxy's word counts at its own listener only.
func TestProxyHeaders(t *testing.T) {
	text := strings.Replace(withOrigin, "peer = \"caddy\"\n", "peer = \"caddy\"\nuser_header = \"Remote-User\"\n", 1)
	x := newTested(t, text)
	b := x.outside()
	enter := func(b *browser, change func(r *http.Request)) *httptest.ResponseRecorder {
		r := b.by(b.request("POST", "/session", `{"link":""}`), "192.0.2.9")
		change(r)
		return b.do(r)
	}
	user := func(names ...string) func(r *http.Request) {
		return func(r *http.Request) { r.Header["Remote-User"] = names }
	}
	for name, w := range map[string]*httptest.ResponseRecorder{
		"no user":        enter(b, func(*http.Request) {}),
		"another user":   enter(b, user("mallory")),
		"two users":      enter(b, user("alice", "alice")),
		"an empty user":  enter(b, user("")),
		"by loopback":    enter(x.browser(), user("alice")),
		"another header": enter(b, func(r *http.Request) { r.Header.Set("X-Remote-User", "alice") }),
	} {
		if w.Code != http.StatusForbidden {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	x.clock.pass(forgetFailures)
	for _, from := range []string{"", "unknown", "192.0.2.9, evil", "192.0.2.9:443"} {
		if w := b.do(b.by(b.request("POST", "/session", `{"link":"x"}`), from)); w.Code != http.StatusBadRequest {
			t.Errorf("from %q: %d", from, w.Code)
		}
	}
	r := b.request("GET", "/session", "")
	r.Header.Set("Remote-User", "bob")
	if w := b.do(b.by(r, "192.0.2.9")); !strings.Contains(w.Body.String(), `"ways":["link","proxy","passkey"]`) {
		t.Errorf("%s", w.Body)
	}
	r = b.by(b.request("POST", "/session", `{"link":""}`), "203.0.113.99, 192.0.2.9")
	r.Header.Set("Remote-User", "alice")
	w := b.do(r)
	if w.Code != http.StatusOK || !strings.Contains(x.log.String(), "from=192.0.2.9") || strings.Contains(x.log.String(), "203.0.113.99") {
		t.Fatalf("%d %s\n%s", w.Code, w.Body, x.log)
	}
	for n := range 2 * loginsOfUser { // who may log in fills no log by it
		again := enter(x.outside(), user("alice"))
		if want := map[bool]int{true: http.StatusOK, false: http.StatusTooManyRequests}[n < loginsOfUser-1]; again.Code != want {
			t.Errorf("the login number %d: %d", n+2, again.Code)
		}
		if again.Code == http.StatusOK {
			w = again
		}
	}
	if code := enter(x.outside(), user("bob")).Code; code != http.StatusOK {
		t.Errorf("another user: %d", code)
	}
	b.cookie = w.Result().Cookies()[0]
	b.token, _, _ = strings.Cut(strings.TrimPrefix(w.Body.String(), `{"session":"`), `"`)
	for name, want := range map[string]int{"alice": http.StatusOK, "bob": http.StatusUnauthorized, "": http.StatusUnauthorized} { // who logs out at the proxy is out here
		r := b.by(b.request("GET", "/v1/status", ""), "192.0.2.9")
		r.Header.Set("Remote-User", name)
		if w := b.do(r); w.Code != want {
			t.Errorf("%q: %d %s", name, w.Code, w.Body)
		}
	}
}

// The daemon's refusals are passed on, and its absence is said.
func TestDaemonSays(t *testing.T) {
	x := newTested(t, "")
	b := x.loggedIn("alice", "act")
	x.daemon.do = func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Set-Cookie", "evil=1")
		w.WriteHeader(http.StatusConflict)
		fmt.Fprint(w, `{"error":"no","hint":"never"}`)
	}
	if w := b.wants(http.StatusConflict, "POST", "/v1/open", "{}"); w.Body.String() != `{"error":"no","hint":"never"}` || w.Header().Get("Set-Cookie") != "" || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%s %v", w.Body, w.Header())
	}
	x.daemon.do = func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, `{"error":"sallyport-console has not the right for that: act"}`)
	}
	if w := b.wants(http.StatusForbidden, "POST", "/v1/open", "{}"); !strings.Contains(w.Body.String(), "[api] act") {
		t.Errorf("%s", w.Body)
	}
	long := strings.Repeat("0123456789abcdef", 1<<17) // two megabytes
	x.daemon.do = func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, long) }
	if w := b.wants(http.StatusOK, "GET", "/v1/status", ""); w.Body.String() != long {
		t.Errorf("%d bytes of %d", w.Body.Len(), len(long))
	}
	x.Console.daemon = newDaemon(x.dir + "/nothing.sock")
	if w := b.wants(http.StatusBadGateway, "GET", "/v1/status", ""); !strings.Contains(w.Body.String(), "the daemon does not answer") {
		t.Errorf("%s", w.Body)
	}
}

// Only so much is asked at the same time, by one user in all his sessions and by all.
func TestAskingIsBounded(t *testing.T) {
	x := newTested(t, "")
	b := x.loggedIn("alice", "act")
	hold, held := make(chan struct{}), make(chan struct{}, asking)
	x.daemon.do = func(w http.ResponseWriter, _ *http.Request) {
		held <- struct{}{}
		<-hold
	}
	var all sync.WaitGroup
	again := x.loggedIn("alice", "view") // to log in again is no way to more
	for n := range askingOfUser {
		all.Go(func() { []*browser{b, again}[n%2].send("GET", "/v1/status", "") })
	}
	for range askingOfUser {
		<-held
	}
	for _, one := range []*browser{b, again, x.loggedIn("alice", "")} {
		one.wants(http.StatusTooManyRequests, "GET", "/v1/status", "")
	}
	bob := x.loggedIn("bob", "")
	all.Go(func() { bob.wants(http.StatusOK, "GET", "/v1/status", "") })
	<-held
	close(hold)
	all.Wait()
	b.wants(http.StatusOK, "GET", "/v1/status", "")
	if used := len(x.Console.daemon.places); used != 0 {
		t.Errorf("%d places are taken", used)
	}
}
