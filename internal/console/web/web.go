// Package web is the page of the console: built files, embedded, and the handler that
// serves them. Its sources are in src; nothing secret is in it.
package web

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
)

//go:embed dist
var built embed.FS

// file is one file of the page, as it is served.
type file struct {
	text  []byte
	media string
	tag   string
	cache string
}

// Handler serves the page: "/", and what it loads from "/assets/". What is there has a hash
// in its name and may be kept for ever; the page itself is asked for again each time.
func Handler() http.Handler {
	files := make(map[string]file)
	err := fs.WalkDir(built, "dist", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := built.ReadFile(name)
		at := strings.TrimPrefix(name, "dist")
		if at == "/index.html" {
			at = "/"
		}
		files[at] = newFile(at, text)
		return err
	})
	if err != nil {
		panic(fmt.Sprintf("the page that is embedded: %v", err)) // it was read when the program was built
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f, ok := files[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		f.serve(w, r)
	})
}

func newFile(at string, text []byte) file {
	sum := sha256.Sum256(text)
	f := file{text: text, tag: `"` + hex.EncodeToString(sum[:8]) + `"`, media: mime.TypeByExtension(path.Ext(at)), cache: "no-cache"}
	// Not from the tables of this host, which may lack them or have others.
	for ext, media := range map[string]string{"": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml", ".woff2": "font/woff2"} {
		if path.Ext(at) == ext {
			f.media = media
		}
	}
	if strings.HasPrefix(at, "/assets/") {
		f.cache = "public, max-age=31536000, immutable"
	}
	return f
}

func (f file) serve(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "use GET", http.StatusMethodNotAllowed)
		return
	}
	h := w.Header()
	h.Set("ETag", f.tag)
	h.Set("Cache-Control", f.cache)
	if r.Header.Get("If-None-Match") == f.tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", f.media)
	// If the other side has hung up there is nobody left to answer.
	_, _ = w.Write(f.text)
}
