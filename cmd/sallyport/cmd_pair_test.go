//go:build !windows

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/client"
)

// fakeServer puts an ssh into the path that runs its command here, and a
// sallyport that behaves as the one of a server does.
func fakeServer(t *testing.T, dir, sallyport string) {
	t.Helper()
	bin := t.TempDir()
	for name, script := range map[string]string{
		"ssh":       fmt.Sprintf("echo \"$@\" >>%s/ssh.log\nshift 4\nexec \"$@\"", dir),
		"sallyport": sallyport,
	} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin+":/usr/bin:/bin")
}

func TestPair(t *testing.T) {
	home := emptyHome(t)
	if _, errs, status := call(t, "", "keygen", "--no-passphrase", "-C", "me"); status != 0 {
		t.Fatal(errs)
	}
	text := (&client.Profile{Name: "alice", Host: "gate.example.org", Port: 9, ServerKey: newServerKey(t), Doors: []string{"ssh", "db"}}).Marshal()
	if err := os.WriteFile(filepath.Join(home, "text"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	fakeServer(t, home, fmt.Sprintf("cat >%s/key; cat %[1]s/text", home))
	out, errs, status := call(t, "", "pair", "root@gate.example.org", "--name", "alice", "--door", "ssh", "--door", "db")
	if status != 0 || !strings.Contains(out, "sallyport ssh gate") {
		t.Fatalf("status %d\n%s%s", status, out, errs)
	}
	if p, err := client.Load("gate"); err != nil || p.Host != "gate.example.org" {
		t.Errorf("got %+v, %v", p, err)
	}
	log, _ := os.ReadFile(filepath.Join(home, "ssh.log"))
	want := "-o ConnectTimeout=10 -- root@gate.example.org sallyport client add alice --key - --door ssh --door db --host gate.example.org --reuse\n"
	if string(log) != want {
		t.Errorf("ran\n%swant\n%s", log, want)
	}
	enrolled, _ := os.ReadFile(filepath.Join(home, "key"))
	public, _ := os.ReadFile(filepath.Join(home, ".ssh", "id_ed25519.pub"))
	if len(enrolled) == 0 || !strings.HasPrefix(string(public), strings.TrimSpace(string(enrolled))) {
		t.Errorf("enrolled %q, the key is %q", enrolled, public)
	}
}

func TestPairFails(t *testing.T) {
	home := emptyHome(t)
	if _, errs, status := call(t, "", "pair", "root@gate"); status != 1 || !strings.Contains(errs, "sallyport keygen") {
		t.Errorf("without a key: status %d\n%s", status, errs)
	}
	call(t, "", "keygen", "--no-passphrase")
	for script, want := range map[string]string{
		"echo 'open /etc/sallyport: permission denied' >&2; exit 1": "hint: if the login works, it has not got the right there",
		"exit 127":          "hint: the login has to work",
		"cat; echo garbage": "line 1: want",
	} {
		fakeServer(t, home, script)
		if _, errs, status := call(t, "", "pair", "root@gate"); status != 1 || !strings.Contains(errs, want) {
			t.Errorf("%s: status %d\n%s", script, status, errs)
		}
		if names, _ := client.List(); len(names) > 0 {
			t.Errorf("%s: there is a profile now", script)
		}
	}
}

func TestDefaultClientIsAName(t *testing.T) {
	if name := defaultClient(); !isWord(name) {
		t.Errorf("%q is no name", name)
	}
}
