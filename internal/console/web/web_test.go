package web

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sallyport/internal/event"
	"sallyport/internal/report"
)

func get(t *testing.T, path string, headers ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	Handler().ServeHTTP(w, r)
	return w.Result()
}

var part = regexp.MustCompile(`"\./(assets/[^"]+)"`)

func TestServes(t *testing.T) {
	page := get(t, "/")
	text, _ := io.ReadAll(page.Body)
	if page.StatusCode != http.StatusOK || page.Header.Get("Content-Type") != "text/html; charset=utf-8" || page.Header.Get("Cache-Control") != "no-cache" {
		t.Errorf("/: %s, %v", page.Status, page.Header)
	}
	if again := get(t, "/", "If-None-Match", page.Header.Get("ETag")); again.StatusCode != http.StatusNotModified {
		t.Errorf("with its ETag it is %s", again.Status)
	}
	parts := part.FindAllStringSubmatch(string(text), -1)
	if len(parts) < 3 {
		t.Fatalf("the page names %q", parts)
	}
	for _, m := range parts {
		whole := get(t, "/"+m[1])
		body, _ := io.ReadAll(whole.Body)
		packed := get(t, "/"+m[1], "Accept-Encoding", "br, gzip")
		unpacked, err := gzip.NewReader(packed.Body)
		if err != nil {
			t.Fatalf("%s: %v", m[1], err)
		}
		same, _ := io.ReadAll(unpacked)
		if whole.StatusCode != http.StatusOK || string(body) != string(same) || !strings.Contains(packed.Header.Get("Cache-Control"), "immutable") || packed.Header.Get("ETag") == whole.Header.Get("ETag") {
			t.Errorf("%s: %s, %v", m[1], whole.Status, packed.Header)
		}
	}
	for _, path := range []string{"/index.html", "/assets/", "/assets", "/dist/index.html", "/assets/../index.html", "/web.go", "//"} {
		if a := get(t, path); a.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", path, a.Status)
		}
	}
}

// The page fits a slow network, and has nothing that a strict policy forbids.
func TestSizeAndPolicy(t *testing.T) {
	sum := 0
	for name, f := range files() {
		sum += len(f.packed)
		t.Logf("%s: %d bytes, %d with gzip", name, len(f.plain), len(f.packed))
		if name == "/" && regexp.MustCompile(`(?i)<style|\sstyle=|\son[a-z]+=|<script[^>]*>[^<]`).Match(f.plain) {
			t.Errorf("%s has inline code", name)
		}
	}
	t.Logf("%d bytes with gzip in all", sum)
	if sum > 60_000 {
		t.Errorf("%d bytes with gzip", sum)
	}
}

// The sources make text nodes of what others have chosen, and ask nobody else.
func TestSourcesAreInert(t *testing.T) {
	address := regexp.MustCompile(`["'` + "`" + `]https?://[^"'` + "`" + `]*`)
	for _, pattern := range []string{"src/*.jsx", "src/*/*.jsx", "src/*/*.js"} {
		names, err := filepath.Glob(pattern)
		if err != nil || len(names) == 0 {
			t.Fatalf("%s: %d files, %v", pattern, len(names), err)
		}
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			for _, bad := range []string{"innerHTML", "insertAdjacent", "document.write", "eval(", "new Function", "XMLHttp", "WebSocket", "sendBeacon", "style={"} {
				if strings.Contains(string(text), bad) {
					t.Errorf("%s has %q", name, bad)
				}
			}
			for _, m := range address.FindAllString(string(text), -1) {
				if m[1:] != "http://www.w3.org/2000/svg" && m[1:] != "https://" {
					t.Errorf("%s names %s", name, m[1:])
				}
			}
		}
	}
}

// What reasons mean is said in the words of the report, in both languages.
func TestReasons(t *testing.T) {
	a := get(t, "/assets/reasons.json")
	var words map[string]map[string][2]string
	if err := json.NewDecoder(a.Body).Decode(&words); err != nil || a.Header.Get("Cache-Control") != "no-cache" {
		t.Fatal(err, a.Header)
	}
	for _, r := range report.Reasons() {
		if w := words[string(r)]; w["en"][0] == "" || w["ja"][0] == "" || w["en"][0] == w["ja"][0] {
			t.Errorf("%s: %q", r, w)
		}
	}
}

// Every kind of event has its word, and can be looked for in the journal.
func TestKinds(t *testing.T) {
	texts, err := os.ReadFile("src/lib/texts.js")
	journal, err2 := os.ReadFile("src/pages/journal.jsx")
	if err != nil || err2 != nil {
		t.Fatal(err, err2)
	}
	for _, k := range event.Kinds() {
		if strings.Count(string(texts), "'kind."+string(k)+"'") != 2 || !strings.Contains(string(journal), "'"+string(k)+"'") {
			t.Errorf("%q is not in texts.js, or not in journal.jsx", k)
		}
	}
}
