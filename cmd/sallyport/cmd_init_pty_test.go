//go:build linux && !client_only

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/config"
	"sallyport/internal/lab"
	"sallyport/internal/lint"
)

// pty opens a terminal: what is written to the first end is typed on the second.
func pty(t *testing.T) (person, terminal *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { person.Close() })
	if err := unix.IoctlSetPointerInt(int(person.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(person.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	return person, terminal
}

// conversation is sallyport, talking with a person on a terminal.
type conversation struct {
	*testing.T
	person *os.File
	heard  *bytes.Buffer
	cmd    *exec.Cmd
	dir    string
}

// attached starts a command on a terminal of its own.
func attached(t *testing.T, cmd *exec.Cmd, start func() error) *conversation {
	t.Helper()
	person, terminal := pty(t)
	defer terminal.Close()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = terminal, terminal, terminal
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := start(); err != nil {
		t.Fatal(err)
	}
	return &conversation{t, person, new(bytes.Buffer), cmd, ""}
}

// talk starts sallyport on a terminal, without a lab.
func talk(t *testing.T, env []string, args ...string) *conversation {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Env = append(append(os.Environ(), actAsCommand+"=1", "TERM=xterm", "NO_COLOR=1"), env...)
	return attached(t, cmd, cmd.Start)
}

// converse starts it on the gate of a lab with some services.
func converse(t *testing.T, args ...string) *conversation {
	t.Helper()
	w := newWorld(t, lab.Options{})
	w.serve("tcp", 22)
	w.serve("tcp", 80)
	w.serve("tcp", 5432)
	w.serve("udp", 5353)
	w.env = []string{"SSH_CONNECTION=192.0.2.7 40000 192.0.2.1 22", "TERM=xterm", "NO_COLOR="}
	dir := filepath.Join(w.dir, "new")
	cmd := w.sallyport(w.Gate, append([]string{"init", "--dir", dir + "/etc", "--state", dir + "/var", "--socket", dir + "/sock"}, args...)...)
	c := attached(t, cmd.Cmd, cmd.Start)
	c.dir = dir
	return c
}

// after reads until the command has said something, then types.
func (c *conversation) after(words, typed string) {
	c.Helper()
	from := c.heard.Len()
	for buf := make([]byte, 1024); !strings.Contains(c.heard.String()[from:], words); {
		n, err := c.person.Read(buf)
		c.heard.Write(buf[:n])
		if err != nil {
			c.Fatalf("never said %q, but\n%s", words, c.heard)
		}
	}
	if _, err := io.WriteString(c.person, typed); err != nil {
		c.Fatal(err)
	}
}

// end reads the rest and returns the exit status.
func (c *conversation) end() int {
	c.Helper()
	io.Copy(c.heard, c.person) // ends with EIO when the terminal is closed
	err := c.cmd.Wait()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return exit.ExitCode()
	}
	if err != nil {
		c.Fatal(err)
	}
	return 0
}

// doors returns the doors of the configuration that was written.
func (c *conversation) doors() (list []string) {
	c.Helper()
	cfg, err := loadConfig(filepath.Join(c.dir, "etc", "sallyport.toml"))
	if err != nil {
		c.Fatalf("%v\n%s", err, c.heard)
	}
	for _, p := range lint.Check(cfg, nil, time.Now()) {
		if p.Rule != "no-way-in" && p.Rule != "static-only" { // clients come next
			c.Errorf("the configuration has a problem: %v", p)
		}
	}
	for _, d := range cfg.Doors {
		list = append(list, fmt.Sprint(d.Name, " ", d.Ports[0], " ", d.OpenFor, " ", len(d.Sequence)))
	}
	return list
}

// Enter, Enter, Enter makes a good configuration: sshd and the database become
// doors, the web server stays public.
func TestInitWithEnter(t *testing.T) {
	t.Parallel()
	c := converse(t)
	c.after("Which become doors?", "\n")
	c.after("How long", "\n")
	c.after("sequence of knocks too", "\n")
	c.after("A console, too", "\n")
	c.after("Write", "\n")
	if status := c.end(); status != exitDone {
		t.Fatalf("status %d\n%s", status, c.heard)
	}
	// The second is named after this program.
	if got := c.doors(); len(got) != 2 || got[0] != "ssh tcp/22 30s 0" || !strings.HasSuffix(got[1], " tcp/5432 30s 0") {
		t.Errorf("doors %q", got)
	}
	said := strings.ReplaceAll(c.heard.String(), "\r\n", "\n")
	for _, want := range []string{"you", "from 192.0.2.7 through tcp/22; this session is not cut", "should be a door", "tcp/80", "http",
		"\x1b[1mWhich become doors?", "[1 3]", "Nothing is closed yet", "--host 192.0.2.1", "sallyport ssh 192.0.2.1"} {
		if !strings.Contains(said, want) {
			t.Errorf("does not say %q:\n%s", want, said)
		}
	}
	if strings.Contains(said, "5353") {
		t.Errorf("offers service discovery as a door:\n%s", said)
	}
}

func TestInitWithAnswers(t *testing.T) {
	t.Parallel()
	c := converse(t)
	c.after("Which become doors?", "9\n")
	c.after(`"9" is neither`, "1 1\n")
	c.after("is there twice", "vpn=sctp/1\n")
	c.after(`unknown protocol "sctp"`, "2, vpn=udp/51820\n")
	c.after("How long", "soon\n")
	c.after(`"soon" is not a time`, "5m\n")
	c.after("sequence of knocks too", "perhaps\n")
	c.after("yes or no?", "y\n")
	c.after("A console, too", "y\n")
	c.after("with 2 doors (http, vpn)?", "y\n")
	if status := c.end(); status != exitDone {
		t.Fatalf("status %d\n%s", status, c.heard)
	}
	if got, want := c.doors(), []string{"http tcp/80 5m0s 5", "vpn udp/51820 5m0s 5"}; !slices.Equal(got, want) {
		t.Errorf("doors %q, want %q", got, want)
	}
	if !strings.Contains(c.heard.String(), "sallyport console login") {
		t.Errorf("does not say how to log in at the console:\n%s", c.heard)
	}
	if cfg, err := config.Load(os.DirFS("/"), filepath.Join(c.dir, "etc", "sallyport.toml")); err != nil || !slices.Equal(cfg.API.Act, []string{"sallyport-console"}) {
		t.Errorf("the console may not ask: %v", err)
	}
}

// Anyone who goes away in the middle finds nothing changed.
func TestInitLeavesNothing(t *testing.T) {
	t.Parallel()
	for last, want := range map[string]int{interrupt: exitInterrupted, endOfFile: exitFailed, "n\n": exitFailed} {
		c := converse(t)
		c.after("Which become doors?", "all\n")
		c.after("How long", "\n")
		c.after("sequence of knocks too", "\n")
		c.after("A console, too", "\n")
		c.after("Write", last)
		if status := c.end(); status != want || !strings.Contains(c.heard.String(), "nothing was written") {
			t.Errorf("%q: status %d\n%s", last, status, c.heard)
		}
		if _, err := os.Stat(c.dir); err == nil {
			t.Errorf("%q: left %s", last, c.dir)
		}
	}
}

// On a terminal too nothing is asked where flags say everything.
func TestInitAsksNothing(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"--yes"}, {"--door", "ssh=tcp/22", "--door", "db=tcp/5432"}} {
		c := converse(t, args...)
		if status := c.end(); status != exitDone || strings.Contains(c.heard.String(), "?") {
			t.Fatalf("%q: status %d\n%s", args, status, c.heard)
		}
		if got := c.doors(); len(got) != 2 {
			t.Errorf("%q: doors %q", args, got)
		}
	}
}
