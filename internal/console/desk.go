//go:build linux

package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/control"
	"sallyport/internal/strictjson"
)

// The desk is a socket at which root, or the console's own user, has login links made. The
// kernel says who asks.

// LinkRequest asks for a login link.
type LinkRequest struct {
	User   string `json:"user"`
	Rights string `json:"rights,omitempty"` // "view", "act" or "admin"; empty: those of the user, or act
}

// LinkAnswer is a login link, and until when it can be used.
type LinkAnswer struct {
	Link  string    `json:"link"`
	Local string    `json:"local,omitempty"` // the same for this host itself, or a tunnel to it, where Link is for elsewhere
	User  string    `json:"user"`
	Right string    `json:"rights"`
	Until time.Time `json:"until"`
}

func deskOf(cfg *config.Console) string { return filepath.Join(cfg.RunDir, "login.sock") }

// openDesk listens, in the place of what a dead console has left behind.
func (c *Console) openDesk() (net.Listener, error) {
	l, err := listenUnix(deskOf(c.cfg), 0o600)
	if err != nil {
		return nil, fmt.Errorf("make the socket for login links: %w", err)
	}
	return &known{Listener: l, log: c.log, may: func(uid uint32) bool { return uid == 0 || int(uid) == os.Geteuid() }}, nil
}

func listenUnix(path string, mode fs.FileMode) (net.Listener, error) {
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() == fs.ModeSocket {
		conn, err := net.DialTimeout("unix", path, time.Second)
		if err == nil {
			conn.Close()
			return nil, fmt.Errorf("another console listens at %s", path)
		}
		if errors.Is(err, syscall.ECONNREFUSED) {
			if err := os.Remove(path); err != nil {
				return nil, err
			}
		}
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, mode); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// serveDesk makes a link.
func (c *Console) serveDesk(w http.ResponseWriter, r *http.Request) {
	var q LinkRequest
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err == nil {
		err = strictjson.Unmarshal(text, &q)
	}
	if err != nil || r.Method != http.MethodPost || r.URL.Path != "/link" {
		fail(w, refuse(http.StatusBadRequest, "", "the request is not valid: %v", err))
		return
	}
	a, err := c.makeLink(q)
	if err != nil {
		fail(w, err)
		return
	}
	answer(w, http.StatusOK, a)
}

func (c *Console) makeLink(q LinkRequest) (a LinkAnswer, err error) {
	if !config.ValidConsoleUser(q.User) {
		return a, refuse(http.StatusBadRequest, "use letters, digits and . _ @ + -", "%q is no name of a user", q.User)
	}
	most := "act"
	if u := c.cfg.User(q.User); u != nil {
		most = u.Rights
	}
	if q.Rights == "" {
		q.Rights = most
	}
	rights := rightsOf(q.Rights)
	switch {
	case rights == 0:
		return a, refuse(http.StatusBadRequest, "want view, act or admin", "there are no rights %q", q.Rights)
	case !rightsOf(most).Has(rights):
		return a, refuse(http.StatusForbidden, fmt.Sprintf("a [[user]] of that name with rights = %q in %s gives them", q.Rights, c.cfg.Path), "%s may have %s at most", q.User, most)
	}
	secret, until := c.links.make(c.now(), who{q.User, rights, "link"})
	a = LinkAnswer{Link: "http://" + c.cfg.Listen.String() + "/#login=" + secret, User: q.User, Right: q.Rights, Until: until}
	if c.cfg.Origin != "" {
		if c.cfg.TLSCert == "" {
			a.Local = a.Link
		}
		a.Link = c.cfg.Origin + "/#login=" + secret
	}
	c.log.Info("login link made", "user", q.User, "rights", q.Rights)
	return a, nil
}

// known accepts connections of users who may connect, as the kernel names them.
type known struct {
	net.Listener
	may func(uid uint32) bool
	log interface{ Warn(string, ...any) }

	complained time.Time // every user of the host can have it complain: once a second is enough
}

// Accept waits for one.
func (k *known) Accept() (net.Conn, error) {
	for {
		conn, err := k.Listener.Accept()
		if err != nil {
			return nil, err
		}
		var caller control.Caller
		local, ok := conn.(*net.UnixConn)
		if ok {
			caller, ok = control.CallerAt(local)
		}
		if ok && k.may(caller.UID) {
			return conn, nil
		}
		if now := time.Now(); now.Sub(k.complained) >= time.Second {
			k.complained = now
			k.log.Warn("a user may not connect", "socket", k.Addr().String(), "uid", caller.UID)
		}
		conn.Close()
	}
}

// Link has the console that runs make a login link.
func Link(ctx context.Context, cfg *config.Console, q LinkRequest) (a LinkAnswer, err error) {
	d := newDaemon(deskOf(cfg))
	text, err := json.Marshal(q)
	if err != nil {
		return a, fmt.Errorf("ask the console: %w", err)
	}
	r, err := d.send(ctx, who{}, http.MethodPost, "/link", text, "")
	if err != nil {
		return a, &control.Error{Text: "the console does not answer at " + d.socket, Remedy: "run this as root, and start the console: systemctl enable --now sallyport-console"}
	}
	defer r.Body.Close()
	text, err = io.ReadAll(io.LimitReader(r.Body, maxBody))
	if err != nil {
		return a, fmt.Errorf("ask the console: %w", err)
	}
	if r.StatusCode != http.StatusOK {
		var f failure
		_ = json.Unmarshal(text, &f) // if it is none, it says nothing
		return a, &control.Error{Text: f.Error, Remedy: f.Hint}
	}
	if err := json.Unmarshal(text, &a); err != nil {
		return a, fmt.Errorf("understand the console: %w", err)
	}
	return a, nil
}
