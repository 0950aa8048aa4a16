package sshlog

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sallyport/internal/event"
)

const (
	old = "Nov 23 19:05:14 host sshd[123]: "
	now = "2026-11-23T19:05:14.123456+01:00 host sshd-session[4567890]: "
)

func (l login) String() string {
	return fmt.Sprintf("%v %s %q %s", l.accepted, l.method, l.user, l.source)
}

func TestParse(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{old + "Failed password for root from 192.0.2.1 port 22 ssh2", `false password "root" 192.0.2.1`},
		{now + "Failed password for invalid user admin from 2001:db8::1 port 65535 ssh2", `false password "admin" 2001:db8::1`},
		{now + "Failed password for root from ::ffff:192.0.2.1 port 22 ssh2", `false password "root" 192.0.2.1`},
		{now + "Failed keyboard-interactive/pam for root from 192.0.2.1 port 22 ssh2", `false keyboard-interactive/pam "root" 192.0.2.1`},
		{now + "Failed publickey for root from 192.0.2.1 port 22 ssh2: RSA SHA256:abc+/", `false publickey "root" 192.0.2.1`},
		{now + "Accepted publickey for alice from 192.0.2.1 port 22 ssh2: ED25519 SHA256:abc+/", `true publickey "alice" 192.0.2.1`},
		{now + "Connection closed by authenticating user root 192.0.2.1 port 22 [preauth]", `false  "root" 192.0.2.1`},
		{now + "Connection reset by invalid user  192.0.2.1 port 22 [preauth]", `false  "" 192.0.2.1`},

		// Names that look like the rest of a line.
		{now + "Failed password for invalid user x from 6.6.6.6 port 1 ssh2 from 192.0.2.1 port 22 ssh2", `false password "x from 6.6.6.6 port 1 ssh2" 192.0.2.1`},
		{now + "Failed password for invalid user x from 6.6.6.6 port 1 ssh2: y from 192.0.2.1 port 22 ssh2", `false password "x from 6.6.6.6 port 1 ssh2: y" 192.0.2.1`},
		{now + "Connection closed by invalid user x 6.6.6.6 port 1 [preauth] 192.0.2.1 port 22 [preauth]", `false  "x 6.6.6.6 port 1 [preauth]" 192.0.2.1`},
		{now + "Failed publickey for invalid user x from 6.6.6.6 port 1 ssh2 from 192.0.2.1 port 22 ssh2: RSA SHA256:abc", ""},
		{now + "Failed publickey for root from 192.0.2.1 port 22 ssh2: ED25519-CERT SHA256:a ID x from 6.6.6.6 port 1 ssh2", ""},
		{now + "Failed password for root from 192.0.2.1 port 22 ssh2: and more", ""},

		// Lines of others, and no lines at all.
		{"Nov 23 19:05:14 host sudo: sshd[1]: Failed password for root from 192.0.2.1 port 22 ssh2", ""},
		{"Nov 23 19:05:14 host evilsshd[1]: Failed password for root from 192.0.2.1 port 22 ssh2", ""},
		{"Failed password for root from 192.0.2.1 port 22 ssh2", ""},
		{now + "Accepted password for root from 192.0.2.999 port 22 ssh2", ""},
		{now + "Accepted password for root from 192.0.2.1%eth0 port 22 ssh2", ""},
		{now + "error: PAM: Failed password for root from 192.0.2.1 port 22 ssh2", ""},
		{now + "Invalid user admin from 192.0.2.1 port 22", ""},
		{"", ""},
	} {
		l, ok := parseLine(c.line)
		got := ""
		if ok {
			got = l.String()
		}
		if got != c.want {
			t.Errorf("%s\ngot  %s\nwant %s", c.line, got, c.want)
		}
	}
}

// Whatever the name, the source is where sshd says it is.
func FuzzName(f *testing.F) {
	for _, name := range []string{"root", "a from 6.6.6.6 port 1 ssh2", "x ssh2: y", "\x1b[2J", " from ", "6.6.6.6 port 1 [preauth]"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if strings.ContainsAny(name, "\n") { // escaped by sshd
			t.Skip()
		}
		for _, line := range []string{
			now + "Failed password for invalid user " + name + " from 192.0.2.1 port 22 ssh2",
			now + "Failed publickey for invalid user " + name + " from 192.0.2.1 port 22 ssh2: RSA SHA256:abc",
			now + "Connection closed by invalid user " + name + " 192.0.2.1 port 22 [preauth]",
		} {
			if l, ok := parseLine(line); ok && (l.accepted || l.source.String() != "192.0.2.1") {
				t.Errorf("%q: %s", line, l)
			}
		}
	})
}

// log is a file that is followed, as often as a test says.
type log struct {
	t    *testing.T
	path string
	*follower
	users []string
}

func newLog(t *testing.T) *log {
	l := &log{t: t, path: filepath.Join(t.TempDir(), "auth.log")}
	l.follower = &follower{path: l.path, put: func(e event.Event) { l.users = append(l.users, strings.Split(e.Detail, `"`)[1]) }}
	t.Cleanup(l.close)
	return l
}

func (l *log) write(text string) {
	l.t.Helper()
	f, err := os.OpenFile(l.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		l.t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		l.t.Fatal(err)
	}
}

// tells reads on and requires that these users are told.
func (l *log) tells(users ...string) {
	l.t.Helper()
	l.users = nil
	if err := l.advance(false); err != nil {
		l.t.Fatal(err)
	}
	if !slices.Equal(l.users, users) {
		l.t.Fatalf("told are %q, want %q", l.users, users)
	}
}

func failed(user string) string {
	return old + "Failed password for " + user + " from 192.0.2.1 port 22 ssh2\n"
}

func TestFollow(t *testing.T) {
	l := newLog(t)
	l.write(failed("before"))
	if err := l.advance(true); err != nil || len(l.users) > 0 {
		t.Fatal(err, l.users)
	}
	l.write(failed("one")[:40])
	l.tells()
	l.write(failed("one")[40:] + strings.Repeat("x", 3*maxLine) + failed("swallowed") + failed("two"))
	l.tells("one", "two")

	l.write(failed("last"))
	if err := os.Rename(l.path, l.path+".1"); err != nil {
		t.Fatal(err)
	}
	l.write(failed("rotated"))
	l.tells("last", "rotated")
	if err := os.Truncate(l.path, 0); err != nil {
		t.Fatal(err)
	}
	l.write(failed("new")) // shorter than what was read
	l.tells("new")
	if err := os.Remove(l.path); err != nil {
		t.Fatal(err)
	}
	l.tells()
	l.write(failed("back"))
	l.tells("back")
}

func TestWaitForTheFile(t *testing.T) {
	t.Parallel()
	l := newLog(t)
	events, errors := make(chan event.Event, 10), make(chan error, 10)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		Follow(ctx, l.path, func(e event.Event) { events <- e }, func(err error) { errors <- err })
	}()
	if err := <-errors; !strings.Contains(err.Error(), "no such file") {
		t.Error(err)
	}
	l.write(failed("first"))
	if e := <-events; e.Detail != `ssh as "first" with password` || e.Kind != event.KindLogin || e.Reason != event.LoginFailed || e.Time.IsZero() {
		t.Errorf("%+v", e)
	}
	stop()
	<-done
	if len(errors) > 0 {
		t.Errorf("told again: %v", <-errors)
	}
}

func TestNotAFile(t *testing.T) {
	f := follower{path: t.TempDir()}
	if err := f.advance(true); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Error(err)
	}
}
