//go:build linux && !client_only

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"sallyport/client"
	"sallyport/internal/keyfile"
	"sallyport/internal/lab"
	"sallyport/internal/lab/labtest"
)

// clientWorld is a world with a client that has a home: a key of its own made
// by the real command, known to the gate, and a profile.
type clientWorld struct {
	*world
	home string
	env  []string
}

// newClientWorld starts a gate with a service on its door "ssh", unless other
// is told to serve it.
func newClientWorld(t *testing.T, opts lab.Options, serve func(*clientWorld)) *clientWorld {
	t.Helper()
	w := &clientWorld{world: newWorld(t, opts), home: t.TempDir()}
	w.env = []string{"HOME=" + w.home, "XDG_CONFIG_HOME=" + filepath.Join(w.home, ".config"), "SSH_AUTH_SOCK="}
	w.do("keygen", "--no-passphrase")
	public, err := os.ReadFile(w.key() + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	if serve == nil {
		w.serve("tcp", 22)
	} else {
		serve(w)
	}
	w.configure(fmt.Sprintf("[spa]\nport = %d\n[[door]]\nname = \"ssh\"\nports = [\"tcp/22\"]\nopen_for = \"1h\"\n[[client]]\nname = \"alice\"\ndoors = [\"ssh\"]\nkey = %q\n",
		spaPort, strings.TrimSpace(string(public))))
	w.start()
	w.profile("gate", w.Client.Gate4.String())
	w.profile("gate6", w.Client.Gate6.String())
	return w
}

func (w *clientWorld) key() string { return filepath.Join(w.home, ".ssh", "id_ed25519") }

// profile adds a profile with the real command.
func (w *clientWorld) profile(name, host string) {
	w.t.Helper()
	ring, err := keyfile.Load(filepath.Join(w.dir, "state", "server.key"))
	if err != nil {
		w.t.Fatal(err)
	}
	p := client.Profile{Name: name, Host: host, Port: spaPort, ServerKey: ring.Current().Public().Text(), Doors: []string{"ssh"}}
	path := filepath.Join(w.t.TempDir(), "profile")
	if err := os.WriteFile(path, p.Marshal(), 0o600); err != nil {
		w.t.Fatal(err)
	}
	w.do("add", path)
}

// command prepares the real command, as the client with the home.
func (w *clientWorld) command(args ...string) *lab.Cmd {
	cmd := w.sallyport(w.Client, args...)
	cmd.Env = append(cmd.Env, w.env...)
	return cmd
}

// try runs the real command and returns what it wrote.
func (w *clientWorld) try(args ...string) (stdout, stderr string, status int) {
	w.t.Helper()
	cmd := w.command(args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return out.String(), errs.String(), exit.ExitCode()
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return out.String(), errs.String(), 0
}

// do runs a command that has to succeed and returns its output.
func (w *clientWorld) do(args ...string) string {
	w.t.Helper()
	out, errs, status := w.try(args...)
	if status != 0 {
		w.t.Fatalf("sallyport %s: status %d\n%s%s", strings.Join(args, " "), status, out, errs)
	}
	return out
}

func TestProfileOpensTheDoor(t *testing.T) {
	t.Parallel()
	w := newClientWorld(t, lab.Options{}, nil)
	for name, door := range map[string]func() bool{
		"gate":  func() bool { return w.probe(w.Client, "tcp", at(w.Client, 22)) == lab.Open },
		"gate6": func() bool { return w.probe(w.Client, "tcp", at6(w.Client, 22)) == lab.Open },
	} {
		if door() {
			t.Fatalf("%s: open before the knock", name)
		}
		if out := w.do("knock", name); !strings.Contains(out, `door "ssh" is open for `) {
			t.Errorf("%s: said %q", name, out)
		}
		if !door() {
			t.Errorf("%s: not open when the command has ended", name)
		}
		if out := w.do("close", name); !strings.Contains(out, `door "ssh" is closed for `) {
			t.Errorf("%s: said %q", name, out)
		}
		if door() {
			t.Errorf("%s: open after it was given back", name)
		}
	}
	var answer answerJSON
	if err := json.Unmarshal([]byte(w.do("knock", "gate", "--json", "--for", "2s", "--single")), &answer); err != nil {
		t.Fatal(err)
	}
	if len(answer.Grants) != 1 || answer.Grants[0].For != "2s" || !answer.Grants[0].Single || answer.Grants[0].Source != w.Client.IP4.String() {
		t.Errorf("got %+v", answer)
	}
	w.closes(w.Client, "tcp", at(w.Client, 22))
}

// The default message fits the smallest MTU that IPv6 allows, in one packet.
func TestKnockThroughTheSmallestMTU(t *testing.T) {
	t.Parallel()
	w := newClientWorld(t, lab.Options{MTU: 1280}, nil)
	for _, name := range []string{"gate", "gate6"} {
		w.do("knock", name)
	}
	if out := w.do("doctor", "gate6", "--ntp", "off"); !strings.Contains(out, "1280 bytes") {
		t.Errorf("doctor says\n%s", out)
	}
}

func TestKnockThatNobodyAnswers(t *testing.T) {
	t.Parallel()
	w := newClientWorld(t, lab.Options{}, nil)
	stranger := filepath.Join(t.TempDir(), "stranger")
	w.do("keygen", "--no-passphrase", "-f", stranger)
	w.closed(w.Client, "tcp", at(w.Client, 22))
	for want, args := range map[string][]string{
		"no answer from 192.0.2.1:40321": {"knock", "gate", "-i", stranger, "--timeout", "300ms"},
		`has no door "nosuchdoor"`:       {"knock", "gate", "nosuchdoor", "--timeout", "300ms"},
	} {
		_, errs, status := w.try(args...)
		if status != 1 || !strings.Contains(errs, want) || !strings.Contains(errs, "hint: ") {
			t.Errorf("%q: status %d\n%s", args, status, errs)
		}
		w.closed(w.Client, "tcp", at(w.Client, 22))
	}
	if out, _, status := w.try("doctor", "gate", "--ntp", "off", "-i", stranger, "--timeout", "300ms"); status != 1 || !strings.Contains(out, "FAIL  knock") {
		t.Errorf("doctor: status %d\n%s", status, out)
	}
}

// sshd runs a real ssh server for the client's key on the gate.
func sshd(w *clientWorld) {
	t := w.t
	labtest.Need(t, "peers", "ssh", "ssh-keygen", "/usr/sbin/sshd")
	host := filepath.Join(w.home, "host")
	w.do("keygen", "--no-passphrase", "-f", host)
	if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
		t.Skipf("sshd wants /run/sshd: %v", err)
	}
	server := w.Gate.Command(t.Context(), "/usr/sbin/sshd", "-D", "-e", "-f", "/dev/null", "-h", host,
		"-o", "PidFile=none", "-o", "StrictModes=no", "-o", "UsePAM=no", "-o", "AuthorizedKeysFile="+w.key()+".pub")
	server.Stderr = w.log
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Process.Kill(); server.Wait() })
	w.eventually("sshd listens", func() bool { return w.probe(w.Client, "tcp", at(w.Client, 22)) == lab.Open })
}

// sshOptions keep ssh from what the machine's user has configured.
func (w *clientWorld) sshOptions() []string {
	return []string{"-F", "none", "-i", w.key(), "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o", "LogLevel=ERROR",
		"-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "ConnectTimeout=5"}
}

func TestSSHWithAProfile(t *testing.T) {
	t.Parallel()
	w := newClientWorld(t, lab.Options{}, sshd)
	plain := append(append([]string{"-o", "ConnectTimeout=1"}, w.sshOptions()...), w.Client.Gate4.String(), "true")
	if out, err := w.Client.Command(t.Context(), "ssh", plain...).CombinedOutput(); err == nil {
		t.Fatalf("ssh got in through a closed door\n%s", out)
	}
	for _, name := range []string{"gate", "gate6"} {
		args := append(append([]string{"ssh", name}, w.sshOptions()...), "echo in; exit 7")
		if out, errs, status := w.try(args...); out != "in\n" || status != 7 {
			t.Errorf("%s: status %d, %q\n%s", name, status, out, errs)
		}
		w.do("close", name)
		w.closed(w.Client, "tcp", at(w.Client, 22))
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	proxied := append(w.sshOptions(), "-o", "ProxyCommand="+self+" proxy gate %h %p", w.Client.Gate4.String(), "head -c 3000000 /dev/zero | wc -c; cat")
	cmd := w.Client.Command(t.Context(), "ssh", proxied...)
	cmd.Env = append(append(os.Environ(), actAsCommand+"=1"), w.env...)
	cmd.Stdin = strings.NewReader("and back\n")
	if out, err := cmd.CombinedOutput(); err != nil || string(out) != "3000000\nand back\n" {
		t.Errorf("through the proxy: %v, %q", err, out)
	}
	w.do("close", "gate")
	w.closed(w.Client, "tcp", at(w.Client, 22))
	config := filepath.Join(t.TempDir(), "ssh_config")
	match := fmt.Sprintf("Match host %s exec \"%s knock gate\"\n    ConnectTimeout 5\n", w.Client.Gate4, self)
	if err := os.WriteFile(config, []byte(match), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd = w.Client.Command(t.Context(), "ssh", append(w.sshOptions(), "-F", config, w.Client.Gate4.String(), "echo in")...)
	cmd.Env = append(append(os.Environ(), actAsCommand+"=1"), w.env...)
	if out, err := cmd.CombinedOutput(); err != nil || !strings.HasSuffix(string(out), "in\n") {
		t.Errorf("with Match exec: %v, %q", err, out)
	}
}

// A key that only a real ssh-agent can use.
func TestAgentOpensTheDoor(t *testing.T) {
	t.Parallel()
	labtest.Need(t, "peers", "ssh-agent", "ssh-add")
	w := newClientWorld(t, lab.Options{}, nil)
	socket := filepath.Join(w.home, "agent.sock")
	agent := exec.CommandContext(t.Context(), "ssh-agent", "-D", "-a", socket)
	if err := agent.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { agent.Process.Kill(); agent.Wait() })
	w.eventually("the agent listens", func() bool { _, err := os.Stat(socket); return err == nil })
	w.env = append(w.env, "SSH_AUTH_SOCK="+socket)
	add := func(args ...string) {
		cmd := exec.Command("ssh-add", args...)
		cmd.Env = append(os.Environ(), w.env...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("ssh-add: %v\n%s", err, out)
		}
	}
	add("-q", w.key())
	if err := os.Remove(w.key()); err != nil {
		t.Fatal(err)
	}
	w.closed(w.Client, "tcp", at(w.Client, 22))
	w.do("knock", "gate")
	w.open(w.Client, "tcp", at(w.Client, 22))
	add("-q", "-D")
	if _, errs, status := w.try("knock", "gate"); status != 1 || !strings.Contains(errs, "the ssh-agent holds no keys") {
		t.Errorf("status %d\n%s", status, errs)
	}
	w.ends(w.Client, "tcp", at(w.Client, 22))
}

// The door is open for longer than one grant lasts, and closed afterwards.
func TestWatchKeepsTheDoorOpen(t *testing.T) {
	t.Parallel()
	w := newClientWorld(t, lab.Options{}, nil)
	text, err := os.ReadFile(w.config)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(w.config, []byte(briefly(string(text))), 0o600); err != nil {
		t.Fatal(err)
	}
	w.must(w.Gate, "reload", "-c", w.config)
	w.closed(w.Client, "tcp", at(w.Client, 22))
	cmd := w.command("watch", "gate")
	var out lockedBuffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.open(w.Client, "tcp", at(w.Client, 22))
	dropped := w.dropped("ssh")
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); {
		w.probe(w.Client, "tcp", at(w.Client, 22))
	}
	w.open(w.Client, "tcp", at(w.Client, 22))
	if n := w.dropped("ssh") - dropped; n != 0 {
		t.Errorf("closed in between: %d connections dropped\n%s", n, &out)
	}
	cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v\n%s", err, &out)
	}
	w.closed(w.Client, "tcp", at(w.Client, 22))
	if text := out.String(); !strings.Contains(text, "is kept open for 192.0.2.2") || !strings.HasSuffix(text, "is closed for 192.0.2.2\n") {
		t.Errorf("said\n%s", text)
	}
}

// A program is run, once, when a door is going to close since nothing is answered.
func TestWatchWarns(t *testing.T) {
	t.Parallel()
	w := newClientWorld(t, lab.Options{}, nil)
	text, err := os.ReadFile(w.config)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(w.config, []byte(briefly(string(text))), 0o600); err != nil {
		t.Fatal(err)
	}
	w.must(w.Gate, "reload", "-c", w.config)
	notices := filepath.Join(t.TempDir(), "notices")
	show := filepath.Join(t.TempDir(), "show")
	if err := os.WriteFile(show, fmt.Appendf(nil, "#!/bin/sh\nprintf '%%s|%%s\\n' $# \"$1\" >> %s\n", notices), 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := w.command("watch", "gate", "--timeout", "300ms", "--warn", show)
	var out lockedBuffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	w.eventually("the door is kept open", func() bool { return strings.Contains(out.String(), "is kept open") })
	w.kill()
	w.eventually("a second try fails", func() bool { return strings.Count(out.String(), "no answer") > 1 })
	got, err := os.ReadFile(notices)
	if err != nil || !regexp.MustCompile(`^1\|gate closes (now|in [0-9]+s): .*\n$`).Match(got) {
		t.Errorf("shown: %q, %v\n%s", got, err, &out)
	}
}
