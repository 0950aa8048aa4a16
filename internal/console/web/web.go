// Package web is the page of the console: sources in src, and what Vite makes of them
// in dist, which is committed and part of the program. The page holds no secret, asks
// nobody but the console that serves it, and has neither inline scripts nor inline
// styles, so that a strict policy can be in force (scripts/generated compares dist with
// what the sources make).
package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"

	"sallyport/internal/lang"
	"sallyport/internal/report"
)

//go:embed dist
var dist embed.FS

// types are those that the page is made of. What the host says of endings does not matter.
var types = map[string]string{
	".html": "text/html; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".svg":  "image/svg+xml",
}

// file is a file of the page as it is sent.
type file struct {
	plain, packed []byte
	media, etag   string
	lasts         bool // its name changes with its content
}

var files = sync.OnceValue(func() map[string]file {
	all := map[string]file{"/assets/reasons.json": newFile(reasons(), "application/json", false)}
	err := fs.WalkDir(dist, "dist", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := dist.ReadFile(name)
		if err != nil {
			return err
		}
		media, known := types[path.Ext(name)]
		if !known {
			return fmt.Errorf("%s is of no known type", name)
		}
		at := strings.TrimPrefix(name, "dist")
		all[at] = newFile(body, media, strings.HasPrefix(at, "/assets/"))
		return nil
	})
	if err != nil {
		panic(err) // it is part of the program
	}
	all["/"] = all["/index.html"]
	delete(all, "/index.html")
	return all
})

func newFile(body []byte, media string, lasts bool) file {
	sum := sha256.Sum256(body)
	return file{body, pack(body), media, base64.RawURLEncoding.EncodeToString(sum[:16]), lasts}
}

// reasons says what each reason means and what to do, in both languages.
func reasons() []byte {
	words := make(map[string]map[string][2]string)
	for _, r := range report.Reasons() {
		e, _ := report.Explain(r)
		words[string(r)] = make(map[string][2]string)
		for _, l := range []lang.Lang{lang.English, lang.Japanese} {
			words[string(r)][l.Tag()] = [2]string{l.Say(e.Meaning), l.Say(e.Advice)}
		}
	}
	text, err := json.Marshal(words)
	if err != nil {
		panic(err) // it is plain text
	}
	return text
}

func pack(body []byte) []byte {
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // a level that there is
	_, _ = w.Write(body)                                  // into memory
	_ = w.Close()
	return b.Bytes()
}

// Handler serves the page at / and its parts below /assets/, and nothing else. Parts
// may be kept for good, as their names change with their content; the page is asked for
// each time, and answered with 304 while it is the same.
func Handler() http.Handler { return http.HandlerFunc(serve) }

func serve(w http.ResponseWriter, r *http.Request) {
	f, ok := files()[r.URL.Path]
	switch {
	case !ok:
		http.NotFound(w, r)
		return
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	h := w.Header()
	body, etag := f.plain, `"`+f.etag+`"`
	h.Set("Vary", "Accept-Encoding")
	if takesGzip(r.Header.Get("Accept-Encoding")) {
		body, etag = f.packed, `"`+f.etag+`-gz"`
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("ETag", etag)
	h.Set("Cache-Control", map[bool]string{true: "public, max-age=31536000, immutable", false: "no-cache"}[f.lasts])
	if r.Header.Get("If-None-Match") == etag {
		h.Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", f.media)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method == http.MethodGet {
		_, _ = w.Write(body) // who has gone does not want it
	}
}

// takesGzip reports whether a browser unpacks gzip (RFC 9110, section 12.5.3).
func takesGzip(accepts string) bool {
	for part := range strings.SplitSeq(accepts, ",") {
		name, params, err := mime.ParseMediaType(strings.TrimSpace(part))
		if err == nil && name == "gzip" && params["q"] != "0" {
			return true
		}
	}
	return false
}
