//go:build linux

package asks

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"sallyport/internal/control"
	"sallyport/internal/lang"
)

// style is in the page, and allowed by its hash alone.
//
//go:embed style.css
var style string

//go:embed page.html
var pageText string

var pageTemplate = template.Must(template.New("page").Parse(pageText))

var policy = func() string {
	sum := sha256.Sum256([]byte(style))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
}()

// harden has browsers keep the page to itself. With no-referrer a browser would send the
// form with the origin "null".
func harden(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("Referrer-Policy", "same-origin")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("X-Robots-Tag", "noindex")
	h.Set("Cache-Control", "no-store")
}

// view is what a page shows; all text is in the language of the reader.
type view struct {
	Lang    string
	Style   template.CSS
	Title   string
	Lines   []string
	Code    string
	Spelled string // for those who hear the page
	Refresh int    // seconds; 0: it stays as it is
	Note    string // label of the field; empty: there is no form
	Ask     string // of the button
	Again   string // of a link to the form
	MaxNote int
}

// languageOf returns the language that a browser prefers of those that there are (RFC
// 9110, section 12.5.4).
func languageOf(header string) lang.Lang {
	best, language := 0.0, lang.English
	for part := range strings.SplitSeq(header[:min(len(header), 200)], ",") {
		tag, quality, _ := strings.Cut(part, ";")
		q := 1.0
		if text, ok := strings.CutPrefix(strings.ReplaceAll(quality, " ", ""), "q="); ok {
			var err error
			if q, err = strconv.ParseFloat(text, 64); err != nil {
				continue
			}
		}
		primary, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(tag)), "-")
		if l, err := lang.Parse(primary); err == nil && q > best {
			best, language = q, l
		}
	}
	return language
}

func (p *Page) form(w http.ResponseWriter, r *http.Request) {
	l := languageOf(r.Header.Get("Accept-Language"))
	source, _ := r.Context().Value(sourceKey{}).(netip.Addr)
	write(w, http.StatusOK, view{Lang: l.Tag(), Title: l.Say("Ask to be let in"), MaxNote: maxNote,
		Lines: []string{l.Say("Have someone who can let you in at hand, such as on the telephone. You get six letters to say to them."), l.Sayf("You would be let in from this address: %s", source)},
		Note:  l.Say("Who are you? (optional)"), Ask: l.Say("Ask")})
}

// status shows how an ask stands.
func (p *Page) status(w http.ResponseWriter, r *http.Request, k waiting) {
	l := languageOf(r.Header.Get("Accept-Language"))
	v := view{Lang: l.Tag()}
	switch k.state.State {
	case control.AskWaiting:
		v.Title, v.Code, v.Spelled = l.Say("Say these letters"), k.code, strings.Join(strings.Split(strings.ReplaceAll(k.code, " ", ""), ""), " ")
		v.Lines = []string{l.Say("Say them to the person who can let you in, and to nobody else."), l.Sayf("You would be let in from this address: %s", k.source), l.Sayf("They are good until %s.", clock(k.until)), l.Say("This page looks by itself whether you have been let in.")}
		v.Refresh = 5
	case control.AskAllowed:
		v.Title = l.Say("You are let in")
		v.Lines = []string{l.Sayf("Connect now, from this device and network. The door is open until %s.", clock(k.state.Until))}
	case control.AskDeclined:
		v.Title = l.Say("You are not let in")
		v.Lines = []string{l.Say("The operator has decided not to.")}
	default:
		v.Title, v.Lines = l.Say("This is over"), []string{l.Say("Nobody decided in time, or the server was restarted.")}
		v.Again = l.Say("Ask again")
	}
	write(w, http.StatusOK, v)
}

// clock writes a time without knowing where its reader is.
func clock(t time.Time) string { return t.UTC().Format("15:04:05") + " UTC" }

// What is said instead of a page.
type answer int

const (
	nothing answer = iota
	busy
	already
	away
	over
	elsewhere
)

// say answers with a page of a few words.
func (p *Page) say(w http.ResponseWriter, r *http.Request, status int, what answer) {
	l := languageOf(r.Header.Get("Accept-Language"))
	v := view{Lang: l.Tag(), Title: l.Say("That is not possible")}
	switch what {
	case busy:
		v.Lines = []string{l.Say("Too many ask just now. Try again in a few minutes.")}
	case already:
		v.Lines = []string{l.Say("Someone asks from your network already. That ends after ten minutes at most; then you can.")}
	case away:
		v.Lines = []string{l.Say("The server does not answer just now. Try again in a minute.")}
	case over:
		v.Title, v.Lines, v.Again = l.Say("This is over"), []string{l.Say("Nobody decided in time, or the server was restarted.")}, l.Say("Ask again")
	case elsewhere:
		v.Lines = []string{l.Say("This was asked for from another address than yours, which would be let in. If that was not you, say nothing to anybody. If it was, and your network has changed, ask again.")}
		v.Again = l.Say("Ask again")
	}
	write(w, status, v)
}

func write(w http.ResponseWriter, status int, v view) {
	v.Style = template.CSS(style) // a file of ours
	var b bytes.Buffer
	if err := pageTemplate.Execute(&b, v); err != nil {
		http.Error(w, "", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Language", v.Lang)
	w.WriteHeader(status)
	// If the other side has hung up there is nobody left to answer.
	_, _ = w.Write(b.Bytes())
}
