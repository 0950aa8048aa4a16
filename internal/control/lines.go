package control

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/netip"
	"reflect"
	"strings"
)

// lines is a verb that answers in lines of text, for programs that read lists. Who has
// read the same before, and says so by its tag, gets nothing again (RFC 9110, 13.1.2).
func lines[Q any](path string, right Rights, says string, do func(Handler, context.Context, Q) ([]netip.Prefix, error)) verb {
	return verb{method: http.MethodGet, path: path, right: right, says: says, media: "text/plain",
		request: reflect.TypeFor[Q](), answer: reflect.TypeFor[string](),
		handler: func(s *Server, work, _ context.Context) http.HandlerFunc {
			return answer(s, work, right, func(ctx context.Context, q Q) ([]netip.Prefix, error) { return do(s.handler, ctx, q) }, writeLines)
		}}
}

func writeLines(w http.ResponseWriter, r *http.Request, list []netip.Prefix) {
	var b strings.Builder
	for _, p := range list {
		if p.IsSingleIP() {
			b.WriteString(p.Addr().String())
		} else {
			b.WriteString(p.String())
		}
		b.WriteByte('\n')
	}
	sum := sha256.Sum256([]byte(b.String()))
	tag := `"` + hex.EncodeToString(sum[:8]) + `"`
	w.Header().Set("ETag", tag)
	w.Header().Set("Cache-Control", "no-cache")
	for known := range strings.SplitSeq(r.Header.Get("If-None-Match"), ",") {
		if known = strings.TrimPrefix(strings.TrimSpace(known), "W/"); known == tag || known == "*" {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	// If the other side has hung up there is nobody left to answer.
	_, _ = w.Write([]byte(b.String()))
}
