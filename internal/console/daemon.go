//go:build linux

package console

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"sallyport/internal/control"
)

// The daemon has room for sixteen connections of one user. The console needs one for its
// stream, and leaves a few.
const (
	asking       = 12
	askingOfUser = 8
	waitForPlace = 5 * time.Second
	askWithin    = 30 * time.Second // an answer of the daemon
	kept         = 1 << 20          // bytes of an answer that are read at once, so that a slow reader holds no place
)

// daemon is what the console asks.
type daemon struct {
	socket string
	http   http.Client
	places chan struct{}
}

func newDaemon(socket string) *daemon {
	return &daemon{socket: socket, places: make(chan struct{}, asking), http: http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
		DisableKeepAlives: true, DisableCompression: true,
	}}}
}

// enter takes a place, for a while.
func (d *daemon) enter(ctx context.Context) error {
	wait, end := context.WithTimeout(ctx, waitForPlace)
	defer end()
	select {
	case d.places <- struct{}{}:
		return nil
	case <-wait.Done():
		return refuse(http.StatusServiceUnavailable, "try again in a moment", "too much is being asked at the same time")
	}
}

func (d *daemon) leave() { <-d.places }

// send sends a request for someone, who is named and has no more rights than his own.
func (d *daemon) send(ctx context.Context, w who, method, target string, text []byte, tag string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, "http://sallyport"+target, bytes.NewReader(text))
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "", "this cannot be asked for")
	}
	r.Header.Set(control.OnBehalf, w.User)
	r.Header.Set(control.NoMoreThan, wordFor(w.Rights))
	if tag != "" {
		r.Header.Set("If-None-Match", tag)
	}
	response, err := d.http.Do(r)
	if err != nil {
		return nil, d.explain(err)
	}
	return response, nil
}

// explain says why the daemon cannot be asked.
func (d *daemon) explain(err error) error {
	hint := "systemctl status sallyport"
	if errors.Is(err, fs.ErrPermission) {
		hint = `in sallyport.toml, [api] act = ["sallyport-console"] lets the console ask`
	}
	return refuse(http.StatusBadGateway, hint, "the daemon does not answer")
}

// adminVerbs are what an administrator may do from a browser: not what ends the daemon or
// changes the configuration that is in force.
var adminVerbs = []string{"/v1/confirm", "/v1/invite", "/v1/remove", "/v1/label"}

// notePath is where the console itself has the journal say who logs in.
const notePath = "/v1/note"

// allowed refuses what the daemon would refuse, too, and what no browser should ask for.
func allowed(s *session, r *http.Request) error {
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	right, ok := control.Needed(method, r.URL.Path)
	switch {
	case !ok:
		return refuse(http.StatusNotFound, "docs/API.md lists what there is", "there is no %q", r.Method+" "+r.URL.Path)
	case r.URL.Path == notePath: // what the journal says of logins is the console's word
		return refuse(http.StatusForbidden, "", "this cannot be done from a browser")
	case !control.Actor.Has(right) && !slices.Contains(adminVerbs, r.URL.Path):
		return refuse(http.StatusForbidden, "use sallyport "+strings.TrimPrefix(r.URL.Path, "/v1/")+" on the gate", "this cannot be done from the console")
	case !s.Rights.Has(right):
		return refuse(http.StatusForbidden, "", "%s has not the right for that: %s", s.User, right)
	}
	return nil
}

// pass has the daemon do what is asked for.
func (c *Console) pass(w http.ResponseWriter, v *visit) {
	s, err := c.session(v)
	if err == nil {
		err = allowed(s, v.Request)
	}
	var text []byte
	if err == nil && v.Method == http.MethodPost {
		text, err = body(w, v.Request)
	}
	if err == nil && !s.use.asking.enter() {
		err = refuse(http.StatusTooManyRequests, "try again in a moment", "%s asks for too much at the same time", s.User)
	}
	if err != nil {
		fail(w, err)
		return
	}
	defer s.use.asking.leave()
	if err := c.forward(w, v, s, text); err != nil {
		fail(w, err)
	}
}

// forward asks the daemon and answers. An error means that nothing was answered.
func (c *Console) forward(w http.ResponseWriter, v *visit, s *session, text []byte) error {
	ctx, end := context.WithTimeout(v.Context(), askWithin)
	defer end()
	defer context.AfterFunc(s.ctx, end)()
	if err := c.daemon.enter(ctx); err != nil {
		return err
	}
	held := true
	leave := func() {
		if held {
			held = false
			c.daemon.leave()
		}
	}
	defer leave()
	target := v.URL.Path
	if v.URL.RawQuery != "" {
		target += "?" + v.URL.RawQuery
	}
	response, err := c.daemon.send(ctx, s.who, v.Method, target, text, v.Header.Get("If-None-Match"))
	if err != nil {
		return err
	}
	defer response.Body.Close()
	beginning, err := io.ReadAll(io.LimitReader(response.Body, kept))
	if err != nil {
		return c.daemon.explain(err)
	}
	if len(beginning) < kept {
		leave()
	}
	if response.StatusCode == http.StatusForbidden {
		beginning = withHint(beginning)
	}
	for _, name := range []string{"Content-Type", "ETag", "Allow"} {
		if value := response.Header.Get(name); value != "" {
			w.Header().Set(name, value)
		}
	}
	w.WriteHeader(response.StatusCode)
	// If the other side has hung up, or is too slow, there is nobody left to answer.
	if _, err := w.Write(beginning); err == nil && len(beginning) == kept {
		_, _ = io.Copy(w, response.Body)
	}
	return nil
}

// withHint adds what to do about a right that the daemon does not give the console.
func withHint(text []byte) []byte {
	var f failure
	if json.Unmarshal(text, &f) != nil || f.Hint != "" {
		return text
	}
	f.Hint = `in sallyport.toml, [api] act = ["sallyport-console"] gives the console that right`
	better, err := json.Marshal(f)
	if err != nil {
		return text
	}
	return better
}
