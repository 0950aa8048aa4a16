//go:build linux

package console

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/netip"
	"path"
	"slices"
	"strings"

	"sallyport/internal/strictjson"
)

// refusal is an answer to what is not done.
type refusal struct {
	status int
	text   string
	hint   string
}

func (r *refusal) Error() string { return r.text }

func refuse(status int, hint, format string, args ...any) error {
	return &refusal{status, fmt.Sprintf(format, args...), hint}
}

// failure is how a refusal travels, as those of the daemon do.
type failure struct {
	Error string   `json:"error"`
	Hint  string   `json:"hint,omitempty"`
	Ways  []string `json:"ways,omitempty"` // how one can log in here
}

func fail(w http.ResponseWriter, err error) {
	r := &refusal{status: http.StatusInternalServerError, text: err.Error()}
	errors.As(err, &r)
	answer(w, r.status, failure{Error: r.text, Hint: r.hint})
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// If the other side has hung up there is nobody left to answer.
	_ = json.NewEncoder(w).Encode(v)
}

// policy lets the page load what is its own, and nothing else; it can be in no frame of
// another page, and no other page can be its base.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; font-src 'self'; " +
	"form-action 'none'; base-uri 'none'; frame-ancestors 'none'"

// permissions are what a page may ask a browser for: here, passkeys and nothing else.
const permissions = "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), hid=(), microphone=(), midi=(), payment=(), " +
	"serial=(), usb=(), xr-spatial-tracking=(), publickey-credentials-get=(self), publickey-credentials-create=(self), clipboard-write=(self)"

func setHeaders(h http.Header, https bool) {
	h.Set("Content-Security-Policy", policy)
	h.Set("Permissions-Policy", permissions)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY") // for what does not know frame-ancestors
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cross-Origin-Embedder-Policy", "require-corp")
	h.Set("Cache-Control", "no-store") // the page's files say otherwise
	if https {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}

// plainPath refuses paths that two programs could read differently.
func plainPath(r *http.Request) error {
	p := r.URL.Path
	odd := func(c rune) bool { return c <= ' ' || c >= 0x7f || strings.ContainsRune(`\%;?#`, c) }
	if r.URL.IsAbs() || r.URL.Host != "" || r.URL.User != nil || r.URL.RawPath != "" || r.URL.Opaque != "" ||
		!strings.HasPrefix(p, "/") || path.Clean(p) != p || strings.ContainsFunc(p, odd) {
		return refuse(http.StatusBadRequest, "", "this is no path of the console")
	}
	return nil
}

// sameOrigin refuses what another page has a browser send. Each browser of today says with
// every request that changes something from where it comes (Origin), and with all where
// that stands to us (Sec-Fetch-Site).
func sameOrigin(r *http.Request, origin string) error {
	changes := r.Method != http.MethodGet && r.Method != http.MethodHead
	from, said := r.Header["Origin"]
	if changes && !said || said && (len(from) != 1 || from[0] != origin) {
		return refuse(http.StatusForbidden, "open the console at "+origin, "this request comes from another page")
	}
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && (changes || site != "none") {
		return refuse(http.StatusForbidden, "open the console at "+origin, "this request comes from another page")
	}
	return nil
}

const maxBody = 64 << 10 // of a request, as at the control socket

// body reads what was sent, which must be one JSON value.
func body(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/json" {
		return nil, refuse(http.StatusUnsupportedMediaType, "", "want Content-Type: application/json")
	}
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	switch {
	case errors.As(err, new(*http.MaxBytesError)):
		return nil, refuse(http.StatusRequestEntityTooLarge, "", "the request has more than %d bytes", maxBody)
	case err != nil:
		return nil, refuse(http.StatusBadRequest, "", "the request ends too early")
	}
	if err := strictjson.Lenient(text, new(json.RawMessage)); err != nil {
		return nil, refuse(http.StatusBadRequest, "", "the request is not valid: %v", err)
	}
	return text, nil
}

// decode reads a request of the console's own.
func decode(w http.ResponseWriter, r *http.Request, v any) error {
	text, err := body(w, r)
	if err != nil {
		return err
	}
	if err := strictjson.Unmarshal(text, v); err != nil {
		return refuse(http.StatusBadRequest, "", "the request is not valid: %v", err)
	}
	return nil
}

// local reports whether a host is one by which only programs of the same computer can be
// reached. No name that others can have point here is among them (DNS rebinding).
func local(host string) bool {
	name, port, found := strings.Cut(host, ":")
	if strings.HasPrefix(host, "[") {
		name, port, found = strings.Cut(host, "]:")
		name += "]"
		if !found {
			name = host
		}
	}
	digits := func(c rune) bool { return c < '0' || c > '9' }
	return slices.Contains([]string{"localhost", "127.0.0.1", "[::1]"}, name) && (!found || port != "" && len(port) <= 5 && !strings.ContainsFunc(port, digits))
}

// addressOf is the address at the other end of a connection; the zero one where there is none.
func addressOf(remote string) netip.Addr {
	at, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Addr{}
	}
	return at.Addr().Unmap().WithZone("")
}
