package main

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/crypto/ssh"
)

// The key that is enrolled is the one whose private half is there, whatever lies beside
// it: an invite works once.
func TestJoinEnrolsTheKeyThatIsThere(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	t.Setenv("AppData", os.Getenv("XDG_CONFIG_HOME"))
	j := joining{profile: "gate"}
	file, made, err := j.key()
	if err != nil {
		t.Fatal(err)
	}
	again := func(what string) {
		t.Helper()
		same, public, err := j.key()
		if err != nil || same != file || ssh.FingerprintSHA256(public) != ssh.FingerprintSHA256(made) {
			t.Errorf("%s: %s, %v", what, same, err)
		}
	}
	again("a second try")
	other, err := makeKey(filepath.Join(t.TempDir(), "other"), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file+".pub", []byte(authorizedLine(other, "")), 0o600); err != nil {
		t.Fatal(err)
	}
	again("another public key beside it")
	if err := os.Remove(file + ".pub"); err != nil {
		t.Fatal(err)
	}
	again("none beside it, as after a full disk")

	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file+".pub", []byte(authorizedLine(other, "")), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := j.key(); err == nil {
		t.Error("a key is enrolled whose private half is gone")
	}
	if err := os.Remove(file); err == nil { // what the failed try has made
		if err := os.Remove(file + ".pub"); err != nil {
			t.Fatal(err)
		}
	}
	if made, err = makeKey(file, "", []byte("a test's passphrase")); err != nil {
		t.Fatal(err)
	}
	again("one with a passphrase")
}
