//go:build linux

package asks

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"sallyport/internal/control"
)

// fake is a daemon.
type fake struct {
	asked  []control.AskRequest
	looked int
	state  control.AskState
	err    error
}

func (f *fake) Ask(_ context.Context, q control.AskRequest) (control.AskAnswer, error) {
	f.asked = append(f.asked, q)
	return control.AskAnswer{Token: fmt.Sprintf("%032x", len(f.asked)), Code: "BCD FGH", Until: time.Unix(1_900_000_600, 0)}, f.err
}

func (f *fake) Asked(context.Context, control.AskedRequest) (control.AskedAnswer, error) {
	f.looked++
	return control.AskedAnswer{State: f.state, Door: "ssh", Until: time.Unix(1_900_000_660, 0)}, f.err
}

type world struct {
	*Page
	f   *fake
	now time.Time
}

func made(proxies ...netip.Prefix) *world {
	w := &world{f: &fake{state: control.AskWaiting}, now: time.Unix(1_900_000_000, 0)}
	w.Page = New(w.f, proxies, slog.New(slog.DiscardHandler))
	w.Page.now = func() time.Time { return w.now }
	return w
}

// request makes one; from is the address that connects.
func (w *world) request(method, path, from string, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.RemoteAddr = from
	if body != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	w.ServeHTTP(rec, r)
	return rec
}

const (
	home  = "[2001:db8::7]:40000"
	proxy = "10.0.0.1:5000"
)

// A person asks, has a code, and hears what became of it; in his language.
func TestAsking(t *testing.T) {
	w := made()
	form := w.request("GET", "/", home, "", "Accept-Language", "ja,en;q=0.8")
	if form.Code != 200 || !strings.Contains(form.Body.String(), `<html lang="ja">`) || !strings.Contains(form.Body.String(), "2001:db8::7") {
		t.Errorf("%d %s", form.Code, form.Body)
	}
	sent := w.request("POST", "/", home, url.Values{"note": {`<script>alert("x")</script>`}}.Encode())
	place := sent.Header().Get("Location")
	if sent.Code != http.StatusSeeOther || len(place) != 33 || len(w.f.asked) != 1 || w.f.asked[0].Source != netip.MustParseAddr("2001:db8::7") || w.f.asked[0].Door != "" {
		t.Fatalf("%d %q %+v", sent.Code, place, w.f.asked)
	}
	for _, c := range []struct {
		state      control.AskState
		want, none string
	}{
		{control.AskWaiting, `BCD FGH</span>`, "not let in"},
		{control.AskWaiting, `http-equiv="refresh"`, "<script"},
		{control.AskAllowed, "You are let in", "refresh"},
	} {
		w.now = w.now.Add(5 * time.Second)
		w.f.state = c.state
		page := w.request("GET", place, home, "")
		if text := page.Body.String(); page.Code != 200 || !strings.Contains(text, c.want) || strings.Contains(text, c.none) {
			t.Errorf("%s: %d %s", c.state, page.Code, text)
		}
	}
	for state, want := range map[control.AskState]string{control.AskDeclined: "You are not let in", control.AskOver: "This is over"} {
		w := made()
		place := w.request("POST", "/", home, "note=x").Header().Get("Location")
		w.f.state, w.now = state, w.now.Add(5*time.Second)
		if text := w.request("GET", place, home, "").Body.String(); !strings.Contains(text, want) || strings.Contains(text, "BCD") || strings.Contains(text, `"refresh"`) {
			t.Errorf("%s: %s", state, text)
		}
	}
	if got := w.request("GET", "/"+strings.Repeat("0", 32), home, ""); got.Code != 404 || strings.Contains(got.Body.String(), "BCD") {
		t.Errorf("an address that nobody was given: %d %s", got.Code, got.Body)
	}
}

// Browsers keep the page to itself; its one style is allowed by its hash.
func TestHeaders(t *testing.T) {
	w := made()
	for _, r := range []*httptest.ResponseRecorder{w.request("GET", "/", home, ""), w.request("GET", "/x/y", home, ""), w.request("POST", "/x", home, "a=b")} {
		h := r.Header()
		text := r.Body.String()
		_, rest, _ := strings.Cut(text, "<style>")
		inside, _, _ := strings.Cut(rest, "</style>")
		sum := sha256.Sum256([]byte(inside))
		if p := h.Get("Content-Security-Policy"); !strings.Contains(p, "default-src 'none'; style-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"';") || !strings.Contains(p, "frame-ancestors 'none'") {
			t.Errorf("%s does not allow the style of the page", p)
		}
		if h.Get("Cache-Control") != "no-store" || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") != "same-origin" || len(r.Result().Cookies()) != 0 {
			t.Errorf("%v", h)
		}
		if strings.Contains(text, "<script") || strings.Contains(text, "style=") || strings.Contains(text, "http://") || strings.Contains(text, "https://") {
			t.Errorf("the page wants more than itself: %s", text)
		}
	}
}

// Another page cannot have its visitors ask.
func TestOtherPages(t *testing.T) {
	for name, header := range map[string][]string{
		"cross-site": {"Sec-Fetch-Site", "cross-site"}, "same-site": {"Sec-Fetch-Site", "same-site"}, "an old browser": {"Origin", "https://evil.example"},
	} {
		w := made()
		if r := w.request("POST", "/", home, "note=x", header...); r.Code != http.StatusForbidden || len(w.f.asked) != 0 {
			t.Errorf("%s: %d", name, r.Code)
		}
	}
	w := made()
	if r := w.request("POST", "/", home, "note=x", "Sec-Fetch-Site", "same-origin"); r.Code != http.StatusSeeOther {
		t.Errorf("its own form: %d", r.Code)
	}
}

// Where a request comes from is the connection's word, or that of the proxy that is
// trusted, and nobody else's.
func TestSource(t *testing.T) {
	behind := []netip.Prefix{netip.MustParsePrefix("10.0.0.1/32")}
	for name, c := range map[string]struct {
		proxies []netip.Prefix
		from    string
		header  []string
		want    string // empty: refused
	}{
		"direct":                      {nil, "192.0.2.7:1", nil, "192.0.2.7"},
		"direct, and lies":            {nil, "192.0.2.7:1", []string{"X-Forwarded-For", "198.51.100.1", "Forwarded", "for=198.51.100.1", "X-Real-IP", "198.51.100.1"}, "192.0.2.7"},
		"IPv4 in IPv6":                {nil, "[::ffff:192.0.2.7]:1", nil, "192.0.2.7"},
		"by the proxy":                {behind, proxy, []string{"X-Forwarded-For", "192.0.2.7"}, "192.0.2.7"},
		"by the proxy, and lies":      {behind, proxy, []string{"X-Forwarded-For", "198.51.100.1, 192.0.2.7"}, "192.0.2.7"},
		"by the proxy, in two lines":  {behind, proxy, []string{"X-Forwarded-For", "198.51.100.1", "X-Forwarded-For", "192.0.2.7"}, "192.0.2.7"},
		"by the proxy, IPv6":          {behind, proxy, []string{"X-Forwarded-For", " 2001:db8::7 "}, "2001:db8::7"},
		"the proxy says nothing":      {behind, proxy, nil, ""},
		"the proxy says nonsense":     {behind, proxy, []string{"X-Forwarded-For", "192.0.2.7, unknown"}, ""},
		"past the proxy":              {behind, "192.0.2.7:1", []string{"X-Forwarded-For", "198.51.100.1"}, ""},
		"no address":                  {nil, "@", nil, ""},
		"a name that is no address":   {behind, proxy, []string{"X-Forwarded-For", "gate.example"}, ""},
		"an address with a zone":      {behind, proxy, []string{"X-Forwarded-For", "fe80::1%eth0"}, "fe80::1"},
		"a proxy, and an empty entry": {behind, proxy, []string{"X-Forwarded-For", "192.0.2.7,"}, ""},
	} {
		w := made(c.proxies...)
		r := w.request("POST", "/", c.from, "note=x", c.header...)
		switch {
		case c.want == "" && (r.Code != http.StatusForbidden || len(w.f.asked) != 0):
			t.Errorf("%s: %d %+v", name, r.Code, w.f.asked)
		case c.want != "" && (len(w.f.asked) != 1 || w.f.asked[0].Source.String() != c.want):
			t.Errorf("%s: %d %+v", name, r.Code, w.f.asked)
		}
	}
}

// A network asks so often, and all so often; what is kept is bounded; what a stranger
// makes up costs the daemon nothing.
func TestThrottle(t *testing.T) {
	w := made()
	for n := range 20 {
		w.request("POST", "/", fmt.Sprintf("[2001:db8::%x]:1", n), "note=x")
	}
	if len(w.f.asked) != postsOfNetwork {
		t.Errorf("one /64 has asked %d times", len(w.f.asked))
	}
	for n := range 2000 { // a /48 has as many /64s as anyone could want
		w.request("POST", "/", home, "note=x")
		w.request("POST", "/", fmt.Sprintf("[2001:db8:0:%x::1]:1", n), "note=x")
	}
	if len(w.f.asked) != postsOfArea || w.limits.all.posts != postsOfArea {
		t.Errorf("one /48 has asked %d times, and used up %d of what all have", len(w.f.asked), w.limits.all.posts)
	}
	for _, elsewhere := range []string{"[2001:db9::1]:1", "203.0.113.7:1"} {
		if r := w.request("POST", "/", elsewhere, "note=x"); r.Code != http.StatusSeeOther {
			t.Errorf("%s is kept out by others: %d", elsewhere, r.Code)
		}
	}
	if r := w.request("POST", "/", home, "note=x"); r.Code != http.StatusTooManyRequests || r.Header().Get("Retry-After") == "" {
		t.Errorf("%d", r.Code)
	}
	for n := range 10_000 {
		w.request("POST", "/", fmt.Sprintf("[2001:db8:%x::1]:1", n+1), "note=x")
		w.request("GET", fmt.Sprintf("/%032x", n+1_000_000), fmt.Sprintf("[2001:db8:%x::1]:1", n+1), "")
	}
	if len(w.f.asked) > postsOfAll || w.f.looked != 0 || len(w.limits.networks) > ofAll || len(w.kept) > maxKept {
		t.Errorf("%d asks, %d questions, %d networks, %d kept", len(w.f.asked), w.f.looked, len(w.limits.networks), len(w.kept))
	}
	w.now = w.now.Add(time.Minute)
	if r := w.request("POST", "/", home, "note=x"); r.Code != http.StatusSeeOther {
		t.Errorf("a minute later: %d", r.Code)
	}
	for range 1000 {
		w.keep(control.AskAnswer{Token: fmt.Sprint(time.Now().UnixNano()), Until: w.now}, netip.Addr{})
	}
	if len(w.kept) > maxKept {
		t.Errorf("%d kept", len(w.kept))
	}
	if r := made().request("POST", "/", home, "note="+strings.Repeat("x", 1<<20)); r.Code != http.StatusBadRequest {
		t.Errorf("a large form: %d", r.Code)
	}
}

// A link to someone else's ask shows no code: who reads it out would have the address of
// the one who sent the link let in.
func TestCodeIsForItsAddress(t *testing.T) {
	w := made()
	place := w.request("POST", "/", "203.0.113.66:1", "note=Alice").Header().Get("Location")
	for _, victim := range []string{home, "203.0.113.67:1"} {
		page := w.request("GET", place, victim, "")
		if text := page.Body.String(); page.Code != http.StatusForbidden || strings.Contains(text, "BCD") || strings.Contains(text, "203.0.113") || !strings.Contains(text, "say nothing to anybody") {
			t.Errorf("%s is shown it: %d %s", victim, page.Code, text)
		}
	}
	if text := w.request("GET", place, "203.0.113.66:2", "").Body.String(); !strings.Contains(text, "BCD FGH") || !strings.Contains(text, "203.0.113.66") {
		t.Error(text)
	}
	place = w.request("POST", "/", home, "note=Alice").Header().Get("Location")
	if text := w.request("GET", place, "[2001:db8::8]:1", "").Body.String(); !strings.Contains(text, "BCD FGH") || !strings.Contains(text, "2001:db8::7") || strings.Contains(text, "2001:db8::8") {
		t.Errorf("not the address that is let in: %s", text)
	}
}

// The daemon is asked again at intervals, however often the page is loaded.
func TestLookingIsBounded(t *testing.T) {
	w := made()
	place := w.request("POST", "/", home, "note=x").Header().Get("Location")
	for range 30 {
		w.now = w.now.Add(100 * time.Millisecond)
		w.request("GET", place, home, "")
	}
	if w.f.looked != 1 {
		t.Errorf("asked %d times in three seconds", w.f.looked)
	}
}

// Why an ask is not taken is said as far as it is the asker's business.
func TestRefusals(t *testing.T) {
	for reason, status := range map[string]int{control.AskedAlready: 409, control.AsksFull: 503, "banned": 403, "": 503} {
		w := made()
		w.f.err = &control.Error{Text: "the secret reason", Reason: reason}
		if r := w.request("POST", "/", home, "note=x"); r.Code != status || strings.Contains(r.Body.String(), "secret") || strings.Contains(r.Body.String(), "ban") {
			t.Errorf("%s: %d %s", reason, r.Code, r.Body)
		}
	}
	w := made()
	place := w.request("POST", "/", home, "note=x").Header().Get("Location")
	w.f.err, w.now = errors.New("no daemon"), w.now.Add(5*time.Second)
	if text := w.request("GET", place, home, "").Body.String(); !strings.Contains(text, "BCD FGH") {
		t.Errorf("while the daemon is away: %s", text)
	}
}

func TestLanguage(t *testing.T) {
	for header, want := range map[string]string{"": "en", "ja": "ja", "ja-JP,en;q=0.5": "ja", "en-GB, ja;q=0.9": "en", "fr, ja;q=0.3, en;q=0.2": "ja", "de": "en", "ja;q=x": "en", "ja;q=0": "en", ";;;,,,": "en"} {
		if got := languageOf(header).Tag(); got != want {
			t.Errorf("%q: %s", header, got)
		}
	}
}

func FuzzRequests(f *testing.F) {
	f.Add("/", "note=x", "ja", "192.0.2.7")
	f.Fuzz(func(t *testing.T, path, body, language, forwarded string) {
		if !strings.HasPrefix(path, "/") {
			return
		}
		u, err := url.ParseRequestURI(path)
		if err != nil {
			return
		}
		w := made(netip.MustParsePrefix("10.0.0.1/32"))
		for _, method := range []string{"GET", "POST"} {
			r := httptest.NewRequest(method, "/", strings.NewReader(body))
			r.URL, r.RemoteAddr = u, proxy
			r.Header = http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Accept-Language": {language}, "X-Forwarded-For": {forwarded}}
			w.ServeHTTP(httptest.NewRecorder(), r)
		}
		for _, q := range w.f.asked {
			if !q.Source.IsValid() || len([]rune(q.Note)) > maxNote {
				t.Errorf("%+v", q)
			}
		}
	})
}
