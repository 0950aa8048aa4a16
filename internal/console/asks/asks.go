//go:build linux

// Package asks serves a page on which people who have nothing, no key and no program,
// ask an operator to let them in. It can do nothing else: it has the daemon's right to
// ask, belongs in a process of its own, and holds no secret but the codes of those who
// wait.
//
// The page is one form without scripts, in English and Japanese. Everything that a
// stranger can send is bounded: the body, the requests of a network and of all, the
// connections, what is kept.
package asks

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"sallyport/internal/control"
	"sallyport/internal/event"
)

const (
	maxBody = 4096
	maxNote = 100 // characters, as the daemon has it

	maxKept   = 128             // asks whose code is shown again; the daemon has no more
	freshFor  = 2 * time.Second // so long the daemon is not asked again what became of one
	keptAfter = 10 * time.Minute

	askWithin = 5 * time.Second // for an answer of the daemon
)

// Daemon is what is asked. *control.Conn is one.
type Daemon interface {
	Ask(context.Context, control.AskRequest) (control.AskAnswer, error)
	Asked(context.Context, control.AskedRequest) (control.AskedAnswer, error)
}

// Page is the handler. Its methods may be called by several goroutines at once.
type Page struct {
	daemon  Daemon
	proxies []netip.Prefix
	log     *slog.Logger
	now     func() time.Time
	mux     http.Handler
	limits  throttle

	mu   sync.Mutex
	kept map[string]*waiting // by the token in the page's address
	last time.Time           // when the log last had a line about a failure
}

// waiting is an ask of which the code is shown.
type waiting struct {
	source netip.Addr // that is let in with the code
	code   string
	until  time.Time
	state  control.AskedAnswer
	at     time.Time // when that was asked
}

// New returns a page. Proxies are those whose word counts for where a request comes
// from; without any, it comes from where the connection does.
func New(daemon Daemon, proxies []netip.Prefix, log *slog.Logger) *Page {
	p := &Page{daemon: daemon, proxies: proxies, log: log, now: time.Now, kept: make(map[string]*waiting)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", p.form)
	mux.HandleFunc("POST /{$}", p.ask)
	mux.HandleFunc("GET /{token}", p.show)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { p.say(w, r, http.StatusNotFound, nothing) })
	// Another page cannot have its visitors ask (Fetch Metadata, or the Origin).
	mine := http.NewCrossOriginProtection()
	mine.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.say(w, r, http.StatusForbidden, nothing) }))
	p.mux = mine.Handler(mux)
	return p
}

// sourceKey finds where a request comes from.
type sourceKey struct{}

// ServeHTTP bounds what a network may ask for, before anything else is done.
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	harden(w.Header())
	source, err := sourceOf(r, p.proxies)
	if err != nil {
		p.complain("a request was refused", err)
		p.say(w, r, http.StatusForbidden, nothing)
		return
	}
	if !p.limits.allow(p.now(), source, r.Method == http.MethodPost) {
		w.Header().Set("Retry-After", "60")
		p.say(w, r, http.StatusTooManyRequests, busy)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	p.mux.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), sourceKey{}, source)))
}

// sourceOf returns where a request comes from: directly, or as a trusted proxy says.
// With proxies there is no other way in. Of X-Forwarded-For only the last address
// counts, which is that proxy's own word: a client writes the ones before.
func sourceOf(r *http.Request, proxies []netip.Prefix) (netip.Addr, error) {
	remote, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}, errors.New("it comes from no address")
	}
	source := remote.Addr().Unmap().WithZone("")
	if len(proxies) == 0 {
		return source, nil
	}
	trusted := false
	for _, p := range proxies {
		trusted = trusted || p.Contains(source)
	}
	lines := r.Header.Values("X-Forwarded-For")
	if !trusted || len(lines) == 0 {
		return netip.Addr{}, errors.New("it does not come by the proxy, or the proxy does not say from where (X-Forwarded-For)")
	}
	line := lines[len(lines)-1]
	forwarded, err := netip.ParseAddr(strings.TrimSpace(line[strings.LastIndexByte(line, ',')+1:]))
	if err != nil {
		return netip.Addr{}, errors.New("the proxy names no address in X-Forwarded-For")
	}
	return forwarded.Unmap().WithZone(""), nil
}

// ask has the daemon take an ask, and goes on to a page of its own, so that to load it
// again asks for nothing.
func (p *Page) ask(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		p.say(w, r, http.StatusBadRequest, nothing)
		return
	}
	source, _ := r.Context().Value(sourceKey{}).(netip.Addr)
	ctx, end := context.WithTimeout(r.Context(), askWithin)
	defer end()
	a, err := p.daemon.Ask(ctx, control.AskRequest{Source: source, Note: cut(r.PostForm.Get("note"))})
	if err != nil {
		p.refused(w, r, err)
		return
	}
	p.keep(a, source)
	http.Redirect(w, r, "/"+a.Token, http.StatusSeeOther)
}

// cut leaves so much of what a stranger has written as an operator is shown.
func cut(note string) string {
	list := []rune(strings.ToValidUTF8(note, ""))
	return string(list[:min(len(list), maxNote)])
}

// refused says why an ask is not taken, without more than the asker needs.
func (p *Page) refused(w http.ResponseWriter, r *http.Request, err error) {
	var e *control.Error
	switch {
	case errors.As(err, &e) && e.Reason == control.AskedAlready:
		p.say(w, r, http.StatusConflict, already)
	case errors.As(err, &e) && e.Reason == control.AsksFull:
		p.say(w, r, http.StatusServiceUnavailable, busy)
	case errors.As(err, &e) && e.Reason == string(event.Banned):
		p.say(w, r, http.StatusForbidden, nothing)
	default:
		p.complain("an ask was not taken", err)
		p.say(w, r, http.StatusServiceUnavailable, away)
	}
}

// keep remembers a code for as long as its asker may look at it.
func (p *Page) keep(a control.AskAnswer, source netip.Addr) {
	now := p.now()
	p.mu.Lock()
	defer p.mu.Unlock()
	for token, k := range p.kept {
		if now.After(k.until.Add(keptAfter)) {
			delete(p.kept, token)
		}
	}
	for len(p.kept) >= maxKept { // the one that has been over for longest
		oldest := ""
		for token, k := range p.kept {
			if oldest == "" || k.until.Before(p.kept[oldest].until) {
				oldest = token
			}
		}
		delete(p.kept, oldest)
	}
	p.kept[a.Token] = &waiting{source: source, code: a.Code, until: a.Until, state: control.AskedAnswer{State: control.AskWaiting, Until: a.Until}, at: now}
}

// show says what became of an ask, where it was made: a person to whom someone has sent the
// link to his own ask must not read out that code.
func (p *Page) show(w http.ResponseWriter, r *http.Request) {
	k, ok := p.look(r.Context(), r.PathValue("token"))
	if !ok {
		p.say(w, r, http.StatusNotFound, over)
		return
	}
	if source, _ := r.Context().Value(sourceKey{}).(netip.Addr); event.BannedAs(source) != event.BannedAs(k.source) {
		p.say(w, r, http.StatusForbidden, elsewhere)
		return
	}
	p.status(w, r, k)
}

// look returns an ask of which the code is known, as it is now. Addresses that nobody was
// given cost the daemon nothing.
func (p *Page) look(ctx context.Context, token string) (waiting, bool) {
	now := p.now()
	p.mu.Lock()
	k, ok := p.kept[token]
	due := ok && k.state.State == control.AskWaiting && now.Sub(k.at).Abs() >= freshFor
	if due {
		k.at = now
	}
	p.mu.Unlock()
	if !ok {
		return waiting{}, false
	}
	if due {
		ctx, end := context.WithTimeout(ctx, askWithin)
		state, err := p.daemon.Asked(ctx, control.AskedRequest{Token: token})
		end()
		if err != nil { // it may be back in a moment
			p.complain("the daemon does not say what became of an ask", err)
		} else {
			p.mu.Lock()
			k.state = state
			p.mu.Unlock()
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return *k, true
}

// complain writes a line to the log, now and then: strangers decide how often.
func (p *Page) complain(text string, err error) {
	p.mu.Lock()
	now := p.now()
	due := now.Sub(p.last).Abs() >= time.Second
	if due {
		p.last = now
	}
	p.mu.Unlock()
	if due {
		p.log.Warn(text, "error", err)
	}
}
