//go:build linux && !client_only

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/client"
)

// A slip of the finger costs a further try on a terminal: of a new passphrase,
// and of one that a key has.
func TestPassphraseMayBeWrongTwice(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "id")
	env := []string{"HOME=" + dir, "XDG_CONFIG_HOME=" + dir, "SSH_AUTH_SOCK="}
	c := talk(t, env, "keygen", "--file", path)
	for _, answer := range []string{"sesame", "sesamy", "open sesame", "open sesame"} {
		c.after(": ", answer+"\n")
	}
	if status := c.end(); status != exitDone || strings.Count(c.heard.String(), "differ") != 1 {
		t.Fatalf("keygen: status %d\n%s", status, c.heard)
	}
	profile := client.Profile{Name: "gate", Host: "127.0.0.1", Port: 9, ServerKey: newServerKey(t), Identity: path}
	file := filepath.Join(dir, "gate.profile")
	if err := os.WriteFile(file, profile.Marshal(), 0o600); err != nil {
		t.Fatal(err)
	}
	if c := talk(t, env, "add", file); c.end() != exitDone {
		t.Fatal(c.heard)
	}
	for _, test := range []struct {
		answers []string
		wrong   int
		want    string
	}{
		{[]string{"sesame", "", "open sesame"}, 2, "no answer"},
		{[]string{"a", "b", "c"}, 2, "the passphrase of " + path + " is wrong"},
	} {
		c := talk(t, env, "knock", "gate", "--timeout", "1s")
		for _, answer := range test.answers {
			c.after("assphrase of "+path+": ", answer+"\n")
		}
		said := func() string { return strings.Join(strings.Fields(c.heard.String()), " ") }
		if status := c.end(); status != exitFailed || strings.Count(said(), "That passphrase is wrong.") != test.wrong || !strings.Contains(said(), test.want) {
			t.Errorf("knock: status %d\n%s", status, c.heard)
		}
	}
}

// Going away from a question about a secret ends the command, and leaves nothing.
func TestLeavingASecret(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "id")
	for _, answers := range [][]string{{interrupt}, {"sesame\n", interrupt}} {
		c := talk(t, []string{"HOME=" + dir}, "keygen", "--file", path)
		for _, answer := range answers {
			c.after(": ", answer)
		}
		if status := c.end(); status != exitInterrupted || !strings.Contains(c.heard.String(), "left without an answer") {
			t.Errorf("%q: status %d\n%s", answers, status, c.heard)
		}
		if list, err := os.ReadDir(dir); err != nil || len(list) > 0 {
			t.Errorf("%q: left %v, %v", answers, list, err)
		}
	}
}
