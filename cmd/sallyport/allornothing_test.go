//go:build linux && !client_only

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// What cannot be of use is refused before anything is written.
func TestClientAddChecksFirst(t *testing.T) {
	s := newServer(t, oneDoor)
	pub := s.write("k.pub", newEd25519(t))
	add := func(more ...string) []string {
		return append([]string{"client", "add", "alice", "--key", pub, "--door", "ssh"}, more...)
	}
	for host, want := range map[string]string{
		"https://gate.example.org": "want the name or address alone", "gate:22": "without a port", "a b": "want the name or address of the server",
		"１０.0.0.1": "plain ASCII", "[2001:db8::7]": "without brackets",
	} {
		s.refuses("", want, add("--host", host)...)
	}
	s.refuses("", "is in the past", add("--expires", "2020-01-01")...)
	s.refuses("", "is in the past", add("--expires", time.Now().Add(-time.Hour).UTC().Format(time.RFC3339))...)
	s.refuses("", "is empty", "client", "add", "zoe", "--key", s.write("z.pub", "\n"), "--door", "ssh")
	s.must("", add("--expires", time.Now().AddDate(1, 0, 0).Format(time.DateOnly))...)
	s.refuses("", "one more way in", "client", "rotate", "alice")
	s.refuses("", `did you mean alice?`, "client", "profile", "alcie", "--host", "gate")
	s.refuses("", `there are: ssh`, "door", "rotate", "database")
	s.must("", "client", "rotate", "alice", "--rotating")
}

// Without a configuration, every command says how to get one.
func TestNoConfiguration(t *testing.T) {
	if exists(defaultConfig) {
		t.Skip("this host has a configuration")
	}
	for _, line := range []string{"check", "serve", "client list", "door list", "client add x --key - --door ssh"} {
		_, errs, status := call(t, newEd25519(t), strings.Fields(line)...)
		if status != exitFailed || !strings.Contains(errs, "there is no configuration") || !strings.Contains(errs, "hint: sallyport init makes one") {
			t.Errorf("sallyport %s: status %d\n%s", line, status, errs)
		}
	}
	if _, errs, _ := call(t, "", "status", "-c", filepath.Join(t.TempDir(), "none.toml")); !strings.Contains(errs, "there is no configuration") || !strings.Contains(errs, "hint: look at the name after -c") {
		t.Error(errs)
	}
}

// A first try in another folder leaves the usual places alone, and a server key
// that is there is kept.
func TestInitTwice(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "try")
	init := func() (string, string, int) {
		return call(t, "", "init", "--dir", dir, "--no-unit", "--door", "ssh=tcp/22")
	}
	out, errs, status := init()
	key := filepath.Join(dir, "state", "server.key")
	if status != exitDone || !strings.Contains(out, key) || strings.Contains(out, "systemctl") {
		t.Fatalf("status %d\n%s%s", status, out, errs)
	}
	before, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	if _, errs, status := init(); status != exitFailed || !strings.Contains(errs, "sallyport.toml is there already") {
		t.Errorf("status %d\n%s", status, errs)
	}
	if err := os.Remove(filepath.Join(dir, "sallyport.toml")); err != nil {
		t.Fatal(err)
	}
	out, errs, status = init()
	if after, _ := os.ReadFile(key); status != exitDone || string(after) != string(before) || !strings.Contains(out, "was there already and stays") {
		t.Errorf("status %d, key changed: %v\n%s%s", status, string(after) != string(before), out, errs)
	}
}

func TestHowToStart(t *testing.T) {
	for _, test := range []struct {
		flag    string
		systemd bool
		want    string
	}{
		{"", true, "systemctl enable --now sallyport"}, {"", false, "sallyport serve   (there is no systemd"}, {" -c x.toml", true, "sallyport serve -c x.toml"},
	} {
		if got := startWith(test.flag, test.systemd); !strings.HasPrefix(got, test.want) {
			t.Errorf("%q, %v: %s", test.flag, test.systemd, got)
		}
	}
}

func TestEnabled(t *testing.T) {
	dir := t.TempDir()
	if enabled(dir) {
		t.Error("enabled without a link")
	}
	if err := os.MkdirAll(filepath.Join(dir, "sysinit.target.wants"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/nowhere", filepath.Join(dir, "sysinit.target.wants", "sallyport.service")); err != nil {
		t.Fatal(err)
	}
	if !enabled(dir) {
		t.Error("not enabled with a link")
	}
}

func TestRemoveUnknownProfile(t *testing.T) {
	emptyHome(t)
	if _, errs, status := call(t, "", "remove", "nosuch"); status != exitFailed || !strings.Contains(errs, `there is no profile "nosuch"`) || !strings.Contains(errs, "sallyport add FILE") {
		t.Errorf("status %d: %s", status, errs)
	}
}
