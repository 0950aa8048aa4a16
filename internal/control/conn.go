package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"syscall"

	"sallyport/internal/event"
)

// maxAnswer bounds what is read of an answer: a status with a million grants
// has about 150 bytes for each.
const maxAnswer = 1 << 28

// Conn talks to a daemon. It is safe for concurrent use.
type Conn struct {
	path string
	http http.Client
}

// Dial returns a Conn for the socket at path. It connects with each request.
func Dial(path string) *Conn {
	return &Conn{path: path, http: http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		},
		DisableKeepAlives: true,
	}}}
}

// Status asks how the daemon is.
func (c *Conn) Status(ctx context.Context) (s Status, err error) {
	err = c.do(ctx, http.MethodGet, "/status", nil, &s)
	return s, err
}

// Process returns the process that answers at the socket.
func (c *Conn) Process(ctx context.Context) (int, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", c.path)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	daemon, ok := callerOf(rememberCaller(ctx, conn)) // the kernel names the process at the other end
	if !ok {
		return 0, fmt.Errorf("find out which process answers at %s: %w", c.path, errors.ErrUnsupported)
	}
	return int(daemon.PID), nil
}

// Open asks for a grant.
func (c *Conn) Open(ctx context.Context, q OpenRequest) (g event.Grant, err error) {
	err = c.do(ctx, http.MethodPost, "/open", q, &g)
	return g, err
}

// Revoke asks to end grants.
func (c *Conn) Revoke(ctx context.Context, q RevokeRequest) (a RevokeAnswer, err error) {
	err = c.do(ctx, http.MethodPost, "/revoke", q, &a)
	return a, err
}

// Bans asks who is banned.
func (c *Conn) Bans(ctx context.Context) (list []event.Ban, err error) {
	err = c.do(ctx, http.MethodGet, "/bans", nil, &list)
	return list, err
}

// Ban asks to keep a source out.
func (c *Conn) Ban(ctx context.Context, q BanRequest) (b event.Ban, err error) {
	err = c.do(ctx, http.MethodPost, "/ban", q, &b)
	return b, err
}

// Unban asks to end a ban.
func (c *Conn) Unban(ctx context.Context, q UnbanRequest) error {
	return c.do(ctx, http.MethodPost, "/unban", q, &struct{}{})
}

// Acknowledge asks to mark a finding as seen.
func (c *Conn) Acknowledge(ctx context.Context, q AckRequest) (f event.Finding, err error) {
	err = c.do(ctx, http.MethodPost, "/ack", q, &f)
	return f, err
}

// Exercise asks for a finding that is none.
func (c *Conn) Exercise(ctx context.Context, q ExerciseRequest) (a ExerciseAnswer, err error) {
	err = c.do(ctx, http.MethodPost, "/exercise", q, &a)
	return a, err
}

// Consent asks for the consent to a drill.
func (c *Conn) Consent(ctx context.Context, q ConsentRequest) (a ConsentAnswer, err error) {
	err = c.do(ctx, http.MethodPost, version+"/consent", q, &a)
	return a, err
}

// Consented asks what came of a consent, or ends it.
func (c *Conn) Consented(ctx context.Context, q ConsentedRequest) (a ConsentedAnswer, err error) {
	err = c.do(ctx, http.MethodPost, version+"/consented", q, &a)
	return a, err
}

// Doors asks what can be opened.
func (c *Conn) Doors(ctx context.Context) (a DoorsAnswer, err error) {
	err = c.do(ctx, http.MethodGet, version+"/doors", nil, &a)
	return a, err
}

// Findings asks what is worth a look.
func (c *Conn) Findings(ctx context.Context, q FindingsRequest) (a FindingsAnswer, err error) {
	err = c.do(ctx, http.MethodGet, version+"/findings"+inQuery(q), nil, &a)
	return a, err
}

// Journal asks what has happened.
func (c *Conn) Journal(ctx context.Context, q JournalRequest) (a JournalAnswer, err error) {
	err = c.do(ctx, http.MethodGet, version+"/journal"+inQuery(q), nil, &a)
	return a, err
}

// Reload asks the daemon to read its configuration again.
func (c *Conn) Reload(ctx context.Context) error {
	_, err := c.Change(ctx, ReloadRequest{})
	return err
}

// Change asks the daemon to read its configuration again, or what would change.
func (c *Conn) Change(ctx context.Context, q ReloadRequest) (a ReloadAnswer, err error) {
	err = c.do(ctx, http.MethodPost, "/reload", q, &a)
	return a, err
}

// Confirm asks the daemon to keep the configuration that is on trial.
func (c *Conn) Confirm(ctx context.Context) error {
	return c.do(ctx, http.MethodPost, "/confirm", nil, &struct{}{})
}

// Down asks the daemon to remove its table and end.
func (c *Conn) Down(ctx context.Context, q DownRequest) error {
	return c.do(ctx, http.MethodPost, "/down", q, &struct{}{})
}

// NotRunning reports whether an error of a Conn says that no daemon listens.
func NotRunning(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED)
}

func (c *Conn) do(ctx context.Context, method, path string, q, a any) error {
	var body io.Reader
	if q != nil {
		text, err := json.Marshal(q)
		if err != nil {
			return fmt.Errorf("ask the daemon: %w", err)
		}
		body = bytes.NewReader(text)
	}
	response, err := c.send(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	return c.read(response, a)
}

// send sends a request and returns the beginning of the answer.
func (c *Conn) send(ctx context.Context, method, path string, body io.Reader) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, "http://sallyport"+path, body)
	if err != nil {
		return nil, fmt.Errorf("ask the daemon: %w", err)
	}
	response, err := c.http.Do(r)
	if err != nil {
		return nil, c.explain(err)
	}
	return response, nil
}

func (c *Conn) read(response *http.Response, a any) error {
	d := json.NewDecoder(io.LimitReader(response.Body, maxAnswer))
	if response.StatusCode == http.StatusOK {
		if err := d.Decode(a); err != nil {
			return fmt.Errorf("understand the daemon's answer: %w", err)
		}
		return nil
	}
	var f failure
	if err := d.Decode(&f); err != nil || f.Error == "" {
		return fmt.Errorf("ask the daemon: it answers %s", response.Status)
	}
	return &Error{Text: f.Error, Remedy: f.Hint, Reason: f.Reason, Wrong: response.StatusCode == http.StatusBadRequest, Denied: response.StatusCode == http.StatusForbidden}
}

// unreachable says that nobody answers. It keeps its cause.
type unreachable struct {
	text, hint string
	cause      error
}

func (u *unreachable) Error() string { return u.text }
func (u *unreachable) Hint() string  { return u.hint }
func (u *unreachable) Unwrap() error { return u.cause }

func (c *Conn) explain(err error) error {
	var text, hint string
	switch {
	case NotRunning(err):
		text, hint = "no daemon answers on "+c.path, "is it running? systemctl status sallyport, or sallyport serve"
	case errors.Is(err, fs.ErrPermission):
		text, hint = "not allowed to use "+c.path, refusalHint(os.Geteuid(), groupOf(c.path))
	default:
		return fmt.Errorf("ask the daemon on %s: %w", c.path, err)
	}
	return &unreachable{text, hint, err}
}

// refusalHint says who may use a socket that has a group.
func refusalHint(uid int, group string) string {
	switch {
	case uid == 0:
		return "root is refused, too: its rights end at its container; run it on the host"
	case group != "" && group != "root":
		return fmt.Sprintf("run as root, or as a member of the group %q", group)
	}
	return "run as root"
}
