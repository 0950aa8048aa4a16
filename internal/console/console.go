//go:build linux

// Package console serves the console: a page on which operators see what the gate does, and
// act. It is a process of its own, of a user of its own, and asks the daemon by the control
// socket as any program does: what it may do, the daemon decides at each request.
//
// Someone is let in with a login link, which only root can have made and which works once;
// with a passkey, where the console has an https origin; or as whom a reverse proxy names,
// which has shown who it is. Then he has a session, in memory only, and two secrets of it:
// a cookie that no script can read, and a token that the page sends with each request and
// that no other page knows. Without both, and from the origin at which the session was
// begun, nothing is answered but the page itself, in which there is no secret.
//
// What strangers can send is bounded: connections, the time for a request, its length, and
// how often a source may fail to log in. Everything they can do is to fail.
package console

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/control"
)

// Options say how the console is served.
type Options struct {
	Config *config.Console
	Page   http.Handler // the files of the page
	Log    *slog.Logger
	Now    func() time.Time // nil: time.Now
	Ready  func()           // called when all listeners are there; may be nil
}

// Console serves the page, and what it asks for.
type Console struct {
	cfg    *config.Console
	page   http.Handler
	log    *slog.Logger
	now    func() time.Time
	ready  func()
	gate   string // its name, for people
	cookie string // name of it, without a prefix

	patience   patience
	daemon     *daemon
	feed       *feed
	links      links
	sessions   *sessions
	throttle   throttle
	logins     logins
	notes      chan note
	keys       *passkeys // nil: there can be none
	challenges *challenges
}

// New returns a console that serves nothing before Run.
func New(o Options) (*Console, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Ready == nil {
		o.Ready = func() {}
	}
	c := &Console{
		cfg: o.Config, page: o.Page, log: o.Log, now: o.Now, ready: o.Ready, gate: o.Config.Name, patience: usual, notes: make(chan note, maxNotes),
		sessions: newSessions(o.Config.Idle, o.Config.Longest), daemon: newDaemon(o.Config.Socket),
	}
	if c.gate == "" {
		c.gate, _ = os.Hostname() // without one there is no name
	}
	id, err := identify(o.Config.StateDir)
	if err != nil {
		return nil, err
	}
	c.cookie = "sallyport-" + id
	c.feed, c.challenges = newFeed(c.daemon), newChallenges()
	if c.keys, err = openPasskeys(o.Config.StateDir, id, o.Config.Origin); err != nil {
		return nil, err
	}
	return c, nil
}

// handler serves what comes in by one way.
func (c *Console) handler(e entrance) http.Handler {
	api := http.NewServeMux()
	for pattern, do := range map[string]func(http.ResponseWriter, *visit){
		"POST /session":         c.login,
		"GET /session":          c.asked,
		"DELETE /session":       c.logout,
		"POST /passkey/begin":   c.beginLogin,
		"POST /passkey/finish":  c.finishLogin,
		"GET /passkeys":         c.listPasskeys,
		"POST /passkeys/begin":  c.beginPasskey,
		"POST /passkeys/finish": c.finishPasskey,
		"DELETE /passkeys/{id}": c.removePasskey,
		"GET /v1/events":        c.events,
		"/v1/":                  c.pass,
		"/v1":                   c.pass, // else it would be led there
	} {
		api.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { do(w, visitOf(r)) })
	}
	api.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fail(w, refuse(http.StatusNotFound, "", "there is no %q", r.Method+" "+r.URL.Path))
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		setHeaders(w.Header(), e.https)
		v, err := c.receive(e, r)
		switch {
		case err != nil:
			fail(w, err)
		case r.URL.Path == "/" || strings.HasPrefix(r.URL.Path, "/assets/"):
			c.page.ServeHTTP(w, r)
		default:
			if err := sameOrigin(r, v.origin); err != nil {
				fail(w, err)
				return
			}
			api.ServeHTTP(w, v.Request)
		}
	})
}

// visit is a request, and what is known of it.
type visit struct {
	*http.Request
	entrance
	origin string
}

type visitKey struct{}

func visitOf(r *http.Request) *visit {
	v := *r.Context().Value(visitKey{}).(*visit)
	v.Request = r
	return &v
}

// receive checks what holds for every request.
func (c *Console) receive(e entrance, r *http.Request) (*visit, error) {
	if err := plainPath(r); err != nil {
		return nil, err
	}
	origin, err := e.origin(r)
	if err != nil {
		return nil, err
	}
	v := &visit{entrance: e, origin: origin}
	v.Request = r.WithContext(context.WithValue(r.Context(), visitKey{}, v))
	return v, nil
}

// rightsOf returns what a word of the configuration gives.
func rightsOf(word string) control.Rights {
	switch word {
	case "admin":
		return control.Administrator
	case "act":
		return control.Actor
	case "view":
		return control.Viewer
	}
	return 0
}

// wordFor is the word for rights.
func wordFor(r control.Rights) string {
	words := []string{"admin", "act", "view"}
	i := slices.IndexFunc(words, func(w string) bool { return r.Has(rightsOf(w)) })
	if i < 0 {
		return "none"
	}
	return words[i]
}
