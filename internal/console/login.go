//go:build linux

package console

import (
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"sallyport/internal/control"
)

// loginRequest has the token of a login link; without one, whom the proxy names logs in.
// Replace is what the user says who is logged in in this browser already.
type loginRequest struct {
	Link    string `json:"link"`
	Replace bool   `json:"replace"`
}

// loggedIn is what the page gets to know about its session.
type loggedIn struct {
	Session  string    `json:"session,omitempty"` // the token; once, at the beginning
	User     string    `json:"user"`
	Rights   string    `json:"rights"`
	Gate     string    `json:"gate"`
	Origin   string    `json:"origin"`
	Passkeys bool      `json:"passkeys"` // whether there are any at this address
	Idle     int       `json:"idle"`     // seconds after which the session ends if it is not used
	Until    time.Time `json:"until"`    // it ends

	Address netip.Addr `json:"address,omitzero"` // from where the user looks; missing: through a tunnel, or from this host
}

func (c *Console) login(w http.ResponseWriter, v *visit) {
	source, err := c.mayTry(w, v)
	if err != nil {
		fail(w, err)
		return
	}
	var q loginRequest
	if err := decode(w, v.Request, &q); err != nil {
		fail(w, err)
		return
	}
	if q.Link == "" {
		if u, ok := v.user(v.Request); ok {
			if !c.logins.enter(c.now(), u.Name) {
				fail(w, errTooOften)
				return
			}
			c.begin(w, v, who{u.Name, rightsOf(u.Rights), "proxy"}, source)
			return
		}
	}
	if other := c.others(v); other != "" && !q.Replace && c.links.has(c.now(), q.Link) {
		fail(w, refuse(http.StatusConflict, "go on if the link is yours: another person's would have you act in that person's name", "this browser is logged in already, as %s", other))
		return
	}
	someone, ok := c.links.spend(c.now(), q.Link)
	if !ok {
		c.failed(source, "no link of that token")
		fail(w, refuse(http.StatusForbidden, "have another made: sallyport console login", "this login link is used up, over or wrong"))
		return
	}
	c.begin(w, v, someone, source)
}

// others returns who is logged in in the browser, in whatever window; empty: nobody. A
// link that comes from elsewhere must not take that session's place unasked.
func (c *Console) others(v *visit) string {
	for _, cookie := range v.CookiesNamed(v.cookieName(c.cookie)) {
		if user := c.sessions.user(c.now(), cookie.Value); user != "" {
			return user
		}
	}
	return ""
}

var errTooOften = refuse(http.StatusTooManyRequests, "try again in a minute", "this user has logged in too often")

// mayTry refuses a source that has failed too often. From this host itself there is no such
// bound: whatever else is going on, a link always works.
func (c *Console) mayTry(w http.ResponseWriter, v *visit) (netip.Addr, error) {
	source, err := v.source(v.Request)
	if err != nil || v.kind != proxied && source.IsLoopback() {
		return source, err
	}
	if wait := c.throttle.wait(c.now(), source); wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(wait/time.Second)+1))
		return source, refuse(http.StatusTooManyRequests, fmt.Sprintf("try again in %d seconds", int(wait/time.Second)+1), "too many logins have failed")
	}
	return source, nil
}

// failed notes a login that has failed.
func (c *Console) failed(source netip.Addr, why string) {
	if c.throttle.fail(c.now(), source) {
		c.log.Warn("login failed", "from", source, "reason", why)
		c.noteThat(who{Rights: control.Viewer}, "failed", source, "")
	}
}

// begin makes a session of someone who has shown who he is.
func (c *Console) begin(w http.ResponseWriter, v *visit, someone who, source netip.Addr) {
	cookie, token, s := c.sessions.begin(c.now(), someone, v.origin)
	http.SetCookie(w, &http.Cookie{Name: v.cookieName(c.cookie), Value: cookie, Path: "/", Secure: v.https, HttpOnly: true, SameSite: http.SameSiteStrictMode})
	c.log.Info("login", "user", someone.User, "by", someone.By, "rights", wordFor(someone.Rights), "from", source)
	c.noteThat(someone, "login", source, "by "+someone.By+", to "+wordFor(someone.Rights))
	a := c.about(v, s)
	a.Session = token
	answer(w, http.StatusOK, a)
}

// cookieName is the name of the cookie. Browsers keep the one with the prefix from what
// other hosts of the same domain set, and take it by TLS only.
func (e entrance) cookieName(name string) string {
	if e.https {
		return "__Host-" + name
	}
	return name
}

func (c *Console) about(v *visit, s *session) loggedIn {
	address, err := v.source(v.Request)
	if err != nil || address.IsLoopback() {
		address = netip.Addr{}
	}
	return loggedIn{
		Address: address, User: s.User, Rights: wordFor(s.Rights), Gate: c.gate, Origin: s.origin, Idle: int(c.cfg.Idle / time.Second), Until: s.made.Add(c.cfg.Longest).UTC(),
		Passkeys: c.offered(v) == nil,
	}
}

// The headers of a session. The page marks what nobody has asked it for, as when it keeps
// what it shows up to date: that does not keep a session.
const (
	sessionHeader    = "Sallyport-Session"
	backgroundHeader = "Sallyport-Background"
)

// session returns the session of a request. Both its secrets are needed, each once, and the
// origin at which it was begun.
func (c *Console) session(v *visit) (*session, error) {
	cookies, tokens := v.CookiesNamed(v.cookieName(c.cookie)), v.Header.Values(sessionHeader)
	if len(cookies) == 1 && len(tokens) == 1 {
		if s := c.sessions.find(c.now(), cookies[0].Value, tokens[0], v.Header.Get(backgroundHeader) == ""); s != nil && s.origin == v.origin && v.stillNames(s) {
			v.prove(s.User)
			return s, nil
		}
	}
	return nil, refuse(http.StatusUnauthorized, "log in: sallyport console login prints a link", "there is no session, or it is over")
}

// stillNames reports whether the proxy still says that whom it let in is there.
func (v *visit) stillNames(s *session) bool {
	u, ok := v.user(v.Request)
	return s.By != "proxy" || ok && u.Name == s.User
}

// asked answers what the session is, or how one can log in.
func (c *Console) asked(w http.ResponseWriter, v *visit) {
	s, err := c.session(v)
	if err == nil {
		answer(w, http.StatusOK, c.about(v, s))
		return
	}
	f := failure{Error: err.Error(), Hint: err.(*refusal).hint, Ways: []string{"link"}}
	if _, ok := v.user(v.Request); ok {
		f.Ways = append(f.Ways, "proxy")
	}
	if c.offered(v) == nil {
		f.Ways = append(f.Ways, "passkey")
	}
	answer(w, http.StatusUnauthorized, f)
}

// logout ends all sessions of the user: on a computer that was lost, too.
func (c *Console) logout(w http.ResponseWriter, v *visit) {
	s, err := c.session(v)
	if err != nil {
		fail(w, err)
		return
	}
	ended := c.sessions.endUser(s.User)
	c.log.Info("logout", "user", s.User, "sessions", ended)
	c.noteThat(s.who, "logout", netip.Addr{}, "")
	http.SetCookie(w, &http.Cookie{Name: v.cookieName(c.cookie), Path: "/", Secure: v.https, HttpOnly: true, SameSite: http.SameSiteStrictMode, MaxAge: -1})
	answer(w, http.StatusOK, struct{}{})
}
