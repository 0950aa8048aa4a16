//go:build linux && !client_only

package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/config"
	"sallyport/internal/event"
	"sallyport/internal/journal"
	"sallyport/internal/key"
	"sallyport/internal/keyfile"
)

// server is a server's configuration in a folder of its own, with no daemon.
type server struct {
	*testing.T
	dir, config string
}

const oneDoor = "[spa]\nport = 40321\n[[door]]\nname = \"ssh\"\nports = [\"tcp/22\"]\n"

func newServer(t *testing.T, rest string) server {
	t.Helper()
	dir := t.TempDir()
	s := server{t, dir, filepath.Join(dir, "sallyport.toml")}
	s.write("sallyport.toml", fmt.Sprintf("[daemon]\nstate_dir = %q\nsocket = %q\n%s", dir, filepath.Join(dir, "no.sock"), rest))
	return s
}

func (s server) write(name, text string) string {
	s.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		s.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o640); err != nil {
		s.Fatal(err)
	}
	return path
}

// sallyport runs a command line in this process.
func (s server) sallyport(stdin string, args ...string) (stdout, stderr string, status int) {
	s.Helper()
	var out, errs bytes.Buffer
	status = run(s.Context(), append(args, "-c", s.config), stdio{strings.NewReader(stdin), &out, &errs})
	return out.String(), errs.String(), status
}

func (s server) must(stdin string, args ...string) string {
	s.Helper()
	out, errs, status := s.sallyport(stdin, args...)
	if status != exitDone {
		s.Fatalf("sallyport %s: status %d\n%s%s", strings.Join(args, " "), status, out, errs)
	}
	return out
}

// refuses runs a command line that has to fail, saying so, and to change nothing.
func (s server) refuses(stdin, want string, args ...string) {
	s.Helper()
	before := s.tree()
	_, errs, status := s.sallyport(stdin, args...)
	if status == exitDone || !strings.HasPrefix(errs, "sallyport: ") || !strings.Contains(errs, want) {
		s.Errorf("sallyport %q: status %d, %q; want %q", args, status, errs, want)
	}
	if after := s.tree(); !slices.Equal(before, after) {
		s.Errorf("sallyport %q changed files: %q", args, after)
	}
}

// tree returns every file with what it holds.
func (s server) tree() (list []string) {
	s.Helper()
	root := os.DirFS(s.dir)
	err := walkFiles(root, func(path string, text []byte) { list = append(list, path+"\n"+string(text)) })
	if err != nil {
		s.Fatal(err)
	}
	return list
}

// serverKey makes the server key.
func (s server) serverKey(suite key.Suite) key.Keyring {
	s.Helper()
	ring, err := keyfile.Create(filepath.Join(s.dir, "server.key"), suite)
	if err != nil {
		s.Fatal(err)
	}
	return ring
}

// line returns a public key as the line of a .pub file.
func line(t *testing.T, public any) string {
	t.Helper()
	k, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(k))) + " someone@laptop\n"
}

func newEd25519(t *testing.T) string {
	t.Helper()
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return line(t, public)
}

func newECDSA(t *testing.T) string {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return line(t, &k.PublicKey)
}

func newRSA(t *testing.T, bits int) string {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return line(t, &k.PublicKey)
}

func walkFiles(fsys fs.FS, visit func(path string, text []byte)) error {
	return fs.WalkDir(fsys, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(fsys, path)
		visit(path, text)
		return err
	})
}

func (s server) load() *config.Config {
	s.Helper()
	cfg, err := loadConfig(s.config)
	if err != nil {
		s.Fatal(err)
	}
	return cfg
}

func (s server) read(path string) string {
	s.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		s.Fatal(err)
	}
	return string(text)
}

const hostileText = "\x1b[2J\x1b]0;pwned\a<b>\u009b31m\u202egnp.exe\r\n2026-03-01 forged"

var visitor = netip.MustParseAddr("192.0.2.10")

// keepEvents writes a journal and returns its path.
func keepEvents(t *testing.T, events []event.Event, findings ...event.Finding) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "journal.db")
	j := journal.New(path, journal.Options{Chain: true}, slog.New(slog.DiscardHandler))
	for _, e := range events {
		j.Put(e)
	}
	for _, f := range findings {
		j.PutFinding(f)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := j.Run(ctx); err != nil {
		t.Fatal(err)
	}
	return path
}

func someEvents() []event.Event {
	now := time.Now().Truncate(time.Second)
	return []event.Event{
		{Time: now.Add(-3 * time.Hour), Kind: event.KindStart, Detail: "1 door closed"},
		{Time: now.Add(-2 * time.Hour), Kind: event.KindGrant, Door: "ssh", Client: "alice", Source: visitor, Reason: event.BySPA},
		{Time: now.Add(-time.Hour), Kind: event.KindRefusal, Client: "alice", Door: "db", Source: visitor, Reason: event.ForbiddenDoor},
		{Time: now.Add(-time.Minute), Kind: event.KindRefusal, Source: netip.MustParseAddr("2001:db8::1"), Reason: event.WrongKnock, Detail: hostileText},
	}
}

func (s server) folders() (list []string) {
	for _, pattern := range []string{"*", "*/*"} {
		found, err := filepath.Glob(filepath.Join(s.dir, pattern))
		if err != nil {
			s.Fatal(err)
		}
		list = append(list, found...)
	}
	return list
}
