//go:build linux && !client_only

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"sallyport/client"
	"sallyport/internal/control"
	"sallyport/internal/lab"
)

// setupWorld is a server with a service on tcp/22 and no configuration, and a
// person with an SSH key.
func setupWorld(t *testing.T) (w *world, home string, args []string) {
	t.Helper()
	w = newWorld(t, lab.Options{})
	w.serve("tcp", 22)
	t.Cleanup(func() { // in a session of its own, it outlives setup
		if pid, err := control.Dial(w.socket).Process(context.Background()); err == nil {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	home = t.TempDir()
	w.env = []string{"HOME=" + home, "XDG_CONFIG_HOME=" + home, "SSH_AUTH_SOCK="}
	w.must(w.Client, "keygen", "--no-passphrase", "-f", filepath.Join(home, ".ssh", "id_ed25519"))
	w.config = filepath.Join(w.dir, "etc", "sallyport.toml")
	return w, home, []string{"setup", "--dir", filepath.Dir(w.config), "--state", filepath.Join(w.dir, "state"), "--socket", w.socket,
		"--door", "ssh=tcp/22", "--key", filepath.Join(home, ".ssh", "id_ed25519.pub"), "--client", "me", "--host", w.Client.Gate4.String()}
}

// begin starts setup and waits until the doors are closed.
func (w *world) begin(args []string) (said *lockedBuffer, ended <-chan error) {
	w.t.Helper()
	said, _, ended = w.beginProcess(args)
	return said, ended
}

func (w *world) beginProcess(args []string) (said *lockedBuffer, setup *os.Process, ended <-chan error) {
	w.t.Helper()
	said = &lockedBuffer{}
	cmd := w.sallyport(w.Gate, args...)
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	w.eventually("setup closes the doors", func() bool {
		if len(done) > 0 {
			w.t.Fatalf("setup ended:\n%s", said)
		}
		return strings.Contains(said.String(), "on trial")
	})
	return said, cmd.Process, done
}

// enrolled runs setup until the client's profile can be fetched, and hands it over.
func (w *world) enrolled(home string, args []string) {
	w.t.Helper()
	out, errs, status := w.run(w.Gate, args...)
	if status != exitFailed || !strings.Contains(out, "sallyport pair") || !strings.Contains(errs, "setup --paired") {
		w.t.Fatalf("status %d\n%s%s", status, out, errs)
	}
	profile := filepath.Join(home, "gate.profile")
	if err := os.WriteFile(profile, []byte(w.must(w.Gate, "client", "profile", "me", "--host", w.Client.Gate4.String(), "-c", w.config)), 0o600); err != nil {
		w.t.Fatal(err)
	}
	w.must(w.Client, "add", profile)
}

// processIn is the daemon that setup has named.
func (w *world) processIn(said string) int {
	w.t.Helper()
	found := regexp.MustCompile(`process (\d+)`).FindStringSubmatch(said)
	if found == nil {
		w.t.Fatalf("no process is named:\n%s", said)
	}
	n, _ := strconv.Atoi(found[1])
	w.t.Cleanup(func() { _ = syscall.Kill(n, syscall.SIGKILL) })
	return n
}

func TestSetupKeepsWhatLetItsClientIn(t *testing.T) {
	t.Parallel()
	w, home, args := setupWorld(t)
	w.open(w.Client, "tcp", at(w.Client, 22))
	w.enrolled(home, args)
	w.open(w.Client, "tcp", at(w.Client, 22))
	said, ended := w.begin(append(args, "--paired", "--wait", "1m"))
	w.closed(w.Client, "tcp", at(w.Client, 22))
	// An operator who opens the door proves nothing about the client.
	w.must(w.Gate, "open", "ssh", "--source", w.Attacker.IP4.String(), "--for", "1h", "-c", w.config)
	w.open(w.Attacker, "tcp", at(w.Attacker, 22))
	if len(ended) > 0 || strings.Contains(said.String(), "got in") {
		t.Fatalf("it took another's connection for the client's\n%s", said)
	}
	w.must(w.Client, "knock", client.SuggestName(w.Client.Gate4.String()))
	w.open(w.Client, "tcp", at(w.Client, 22))
	if err := <-ended; err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	pid := w.processIn(said.String())
	if s := w.status(); len(s.Doors) != 1 {
		t.Errorf("%+v", s)
	}
	w.ends(w.Attacker, "tcp", at(w.Attacker, 22))

	// What guards the server is not for another setup to end; it says what to do.
	paired := append(args, "--paired", "--wait", "1m")
	if _, errs, status := w.run(w.Gate, paired...); status != exitFailed || !strings.Contains(errs, "guards this server already") || !strings.Contains(errs, fmt.Sprintf("kill %d", pid)) {
		t.Errorf("status %d: %s", status, errs)
	}
	// Where it is not running, there is nothing to try: its doors are closed.
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	w.eventually("the daemon ends", func() bool { return syscall.Kill(pid, 0) != nil })
	out, errs, status := w.run(w.Gate, paired...)
	if status != 0 || !strings.Contains(out, "nothing to try") {
		t.Fatalf("status %d: %s%s", status, out, errs)
	}
	pid = w.processIn(out)
	w.closed(w.Client, "tcp", at(w.Client, 22))
	// After a boot without the daemon they are open, and to be tried.
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	w.eventually("the daemon ends", func() bool { return syscall.Kill(pid, 0) != nil })
	w.must(w.Gate, "down", "--yes", "-c", w.config)
	w.open(w.Client, "tcp", at(w.Client, 22))
	said, ended = w.begin(append(args, "--paired", "--wait", "10s"))
	w.closed(w.Client, "tcp", at(w.Client, 22))
	if err := <-ended; err == nil {
		t.Fatalf("nobody got in\n%s", said)
	}
	w.open(w.Client, "tcp", at(w.Client, 22))
}

// A setup that is killed leaves a daemon behind, on trial or after it. The next one
// goes on.
func TestSetupAfterOneThatWasKilled(t *testing.T) {
	t.Parallel()
	w, home, args := setupWorld(t)
	w.enrolled(home, args)
	args = append(args, "--paired", "--wait", "1m")
	_, killed, ended := w.beginProcess(args)
	if err := killed.Kill(); err != nil {
		t.Fatal(err)
	}
	<-ended
	w.closed(w.Client, "tcp", at(w.Client, 22))
	// A person who had no profile yet can fetch it: pair logs in by a door.
	fetched := slices.DeleteFunc(slices.Clone(args), func(arg string) bool { return arg == "--paired" })
	if out, errs, _ := w.run(w.Gate, fetched...); !strings.Contains(out, "was broken off") || !strings.Contains(out, "Nothing is closed yet.") {
		t.Errorf("said:\n%s%s", out, errs)
	}
	w.open(w.Client, "tcp", at(w.Client, 22))
	_, killed, ended = w.beginProcess(args)
	if err := killed.Kill(); err != nil {
		t.Fatal(err)
	}
	<-ended
	w.closed(w.Client, "tcp", at(w.Client, 22))
	said, ended := w.begin(args)
	if !strings.Contains(said.String(), "was broken off") {
		t.Errorf("said:\n%s", said)
	}
	w.closed(w.Client, "tcp", at(w.Client, 22))
	w.must(w.Client, "knock", client.SuggestName(w.Client.Gate4.String()))
	w.open(w.Client, "tcp", at(w.Client, 22))
	if err := <-ended; err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	w.processIn(said.String()[strings.Index(said.String(), "got in"):])
	if s := w.status(); len(s.Doors) != 1 || slices.ContainsFunc(s.Problems, func(p string) bool { return strings.Contains(p, "trial") }) {
		t.Errorf("%+v", s)
	}
}

func TestSetupOpensAgainIfNobodyGetsIn(t *testing.T) {
	t.Parallel()
	w, _, args := setupWorld(t)
	said, ended := w.begin(append(args, "--paired", "--wait", "10s"))
	w.closed(w.Client, "tcp", at(w.Client, 22))
	if err := <-ended; err == nil || !strings.Contains(said.String(), `nobody got in as client "me"`) {
		t.Fatalf("%v\n%s", err, said)
	}
	w.open(w.Client, "tcp", at(w.Client, 22))
	// What was mended meanwhile is tried again, as if for the first time.
	said, ended = w.begin(append(args, "--paired", "--wait", "10s"))
	w.closed(w.Client, "tcp", at(w.Client, 22))
	if err := <-ended; err == nil {
		t.Fatalf("nobody got in\n%s", said)
	}
}

func TestSetupAsksWhichKey(t *testing.T) {
	t.Parallel()
	w, _, args := setupWorld(t)
	i := 0
	for j, a := range args {
		if a == "--key" {
			i = j
		}
	}
	_, errs, status := w.run(w.Gate, append(append([]string{}, args[:i]...), args[i+2:]...)...)
	if status != exitFailed || !strings.Contains(errs, "which key is yours") {
		t.Errorf("status %d: %s", status, errs)
	}
	w.open(w.Client, "tcp", at(w.Client, 22))
}

func TestAuthorizedKeys(t *testing.T) {
	home := emptyHome(t)
	if _, errs, status := call(t, "", "keygen", "--no-passphrase", "-C", "me@laptop"); status != 0 {
		t.Fatal(errs)
	}
	public, err := os.ReadFile(filepath.Join(home, ".ssh", "id_ed25519.pub"))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(home, "authorized_keys")
	text := fmt.Sprintf("# mine\nno-pty,command=\"/bin/true\" %s\nnonsense\n%s", public, bytes.TrimSpace(public))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if list := authorizedKeys(file); len(list) != 2 || list[0].comment != "me@laptop" {
		t.Errorf("%+v", list)
	}
	if list := authorizedKeys(filepath.Join(home, "nosuch")); len(list) != 0 {
		t.Errorf("%+v", list)
	}
}
