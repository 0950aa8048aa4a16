//go:build linux && !client_only

package main

import (
	"slices"
	"strings"
	"testing"

	"sallyport/client"
	"sallyport/internal/key"
)

func TestClientProfile(t *testing.T) {
	s := newServer(t, oneDoor)
	s.must(newEd25519(t), "client", "add", "alice", "--key", "-", "--door", "ssh")
	s.refuses("", "make the server key", "client", "profile", "alice", "--host", "gate.example.org")
	ring := s.serverKey(key.Hybrid)
	p, err := client.ParseProfile([]byte(s.must("", "client", "profile", "alice", "--host", "gate.example.org", "--port", "444")))
	if err != nil {
		t.Fatal(err)
	}
	if p.Host != "gate.example.org" || p.Port != 444 || p.Name != "gate" || p.ServerKey != ring.Current().Public().Text() || !slices.Equal(p.Doors, []string{"ssh"}) {
		t.Errorf("got %+v", p)
	}
	s.refuses("", "--host", "client", "profile", "alice")
	s.refuses("", "host", "client", "profile", "alice", "--host", "a b\nc")
	s.refuses("", "port", "client", "profile", "alice", "--host", "gate", "--port", "70000")
	s.refuses("", "no client", "client", "profile", "bob", "--host", "gate")
	off := newServer(t, strings.Replace(oneDoor, "40321", "0", 1))
	off.must(newEd25519(t), "client", "add", "alice", "--key", "-", "--door", "ssh")
	off.refuses("", "set port in [spa]", "client", "profile", "alice", "--host", "gate")
}

// One command adds a client and prints what it needs, and nothing else where
// that is read from.
func TestAddPrintsTheProfile(t *testing.T) {
	s := newServer(t, oneDoor)
	s.serverKey(key.X25519)
	out, errs, status := s.sallyport(newEd25519(t), "client", "add", "alice", "--key", "-", "--door", "ssh", "--host", "gate.example.org")
	if status != exitDone || !strings.Contains(errs, `client "alice" may open ssh`) {
		t.Fatalf("status %d, %q", status, errs)
	}
	if want := s.must("", "client", "profile", "alice", "--host", "gate.example.org"); out != want {
		t.Errorf("printed %q, want %q", out, want)
	}
}

// A name in any script becomes the form that resolvers know, and that is said.
func TestInternationalHost(t *testing.T) {
	s := newServer(t, oneDoor)
	s.serverKey(key.X25519)
	out, errs, status := s.sallyport(newEd25519(t), "client", "add", "alice", "--key", "-", "--door", "ssh", "--host", "日本語.jp")
	p, err := client.ParseProfile([]byte(out))
	if status != exitDone || err != nil || p.Host != "xn--wgv71a119e.jp" || !strings.Contains(errs, "in the profile 日本語.jp is xn--wgv71a119e.jp") {
		t.Fatalf("status %d, host %q, %v, %q", status, p.Host, err, errs)
	}
	s.refuses("", "no name of a host", "client", "add", "bob", "--rotating", "--door", "ssh", "--host", "日本 語.jp")
	if list := s.must("", "client", "list"); strings.Contains(list, "bob") {
		t.Errorf("bob has been added:\n%s", list)
	}
}
