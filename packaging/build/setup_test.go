package main

import (
	"bytes"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// terminal is a session over SSH, with a terminal, that is under way.
type terminal struct {
	machine
	in    io.Writer
	mu    sync.Mutex
	out   bytes.Buffer
	ended chan error
}

func (s *terminal) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.Write(b)
}

// said is what has been printed so far.
func (s *terminal) said() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.ReplaceAll(s.out.String(), "\r", "")
}

// ssh logs a person in on the server and runs a command there.
func (m machine) ssh(who, command string) *terminal {
	m.Helper()
	s := &terminal{machine: m, ended: make(chan error, 1)}
	cmd := exec.CommandContext(m.Context(), "nsenter", "--all", "--root", "--wd", "--target", strconv.Itoa(m.pid), "--",
		"ip", "netns", "exec", who, "ssh", "-tt", "-i", "/home/"+who+"/.ssh/id_ed25519", "root@gate.example.org", command)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/home/" + who, "LC_ALL=C", "TERM=dumb"}
	cmd.Stdout, cmd.Stderr = s, s
	var err error
	if s.in, err = cmd.StdinPipe(); err == nil {
		err = cmd.Start()
	}
	if err != nil {
		m.Fatal(err)
	}
	go func() { s.ended <- cmd.Wait() }()
	return s
}

// enter presses Enter at each question, until a text has been printed.
func (s *terminal) enter(text string) {
	s.Helper()
	answered := 0
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		said := s.said()
		switch {
		case strings.Contains(said, text):
			return
		case len(s.ended) > 0 || time.Now().After(deadline):
			s.Fatalf("it does not say %q:\n%s", text, said)
		case strings.HasSuffix(said, "]: ") && len(said) > answered:
			answered = len(said)
			s.press()
		}
	}
}

func (s *terminal) press() {
	s.Helper()
	if _, err := fmt.Fprintln(s.in); err != nil {
		s.Fatal(err)
	}
}

// says waits until a text has been printed.
func (s *terminal) says(text string) {
	s.Helper()
	for deadline := time.Now().Add(time.Minute); !strings.Contains(s.said(), text); time.Sleep(20 * time.Millisecond) {
		if len(s.ended) > 0 || time.Now().After(deadline) {
			s.Fatalf("it does not say %q:\n%s", text, s.said())
		}
	}
}

// The shortest way, as docs/VPS.md shows it: what is typed on both sides, and
// what comes of it.
func TestShortestWay(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.install(packed(t, "deb", "1.0.0"), "dpkg", "-i")
	m.office()
	m.loginable("alice")
	steps := transcripts(t, filepath.Join("..", "..", "docs", "VPS.md"))
	if len(steps) != 3 {
		t.Fatalf("docs/VPS.md has %d commands", len(steps))
	}
	setup := m.ssh("alice", steps[0].command)
	setup.enter("Press Enter when that is done")
	compare := func(s step, out string) {
		t.Helper()
		if !s.matches(out) {
			t.Errorf("%s %s\nwrites:\n%s\nwant:\n%s", s.prompt, s.command, out, strings.Join(s.writes, "\n"))
		}
	}
	compare(steps[1], m.as("alice", steps[1].command))
	m.reaches("bob", true, "22")
	setup.press()
	setup.says("on trial")
	m.reaches("bob", false, "22")
	m.as("alice", steps[2].command+" < /dev/null")
	if err := <-setup.ended; err != nil {
		t.Fatalf("%v\n%s", err, setup.said())
	}
	compare(steps[0], strings.TrimSpace(setup.said()))
	m.must("systemctl", "is-active", "sallyport")
	m.reaches("bob", false, "22")
	m.reaches("bob", true, "8443")
}

// loginable lets a person log in on the server with an SSH key.
func (m machine) loginable(who string) {
	m.Helper()
	m.as(who, "ssh-keygen -q -t ed25519 -N '' -f .ssh/id_ed25519 -C "+who+"@laptop")
	m.must("sh", "-e", "-c", `
mkdir -p -m 700 /root/.ssh
cp /home/`+who+`/.ssh/id_ed25519.pub /root/.ssh/authorized_keys
printf 'Host *\n  StrictHostKeyChecking accept-new\n  IdentityFile /home/`+who+`/.ssh/id_ed25519\n' > /root/.ssh/config`)
}
