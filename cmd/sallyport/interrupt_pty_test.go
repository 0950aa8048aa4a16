//go:build linux && !client_only

package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"sallyport/internal/lab"
)

const (
	interrupt            = "\x03" // Ctrl-C on a terminal
	endOfFile            = "\x04"
	exitInterrupted      = exitSignalled + int(unix.SIGINT)
	someKnocks           = "sequence = [\"tcp/7001\", \"udp/8002\", \"tcp/9003\"]\n"
	doorForInterruptions = "[[door]]\nname = \"ssh\"\nports = [\"tcp/22\"]\n" + someKnocks
)

// on starts sallyport on a host, on a terminal of its own.
func (w *world) on(h *lab.Host, env []string, args ...string) *conversation {
	w.t.Helper()
	cmd := w.sallyport(h, args...)
	cmd.Env = append(append(cmd.Env, "TERM=xterm", "NO_COLOR=1"), env...)
	return attached(w.t, cmd.Cmd, cmd.Start)
}

// broken requires that a command ended because it was interrupted, said what became of
// it, and left the terminal as it was.
func (c *conversation) broken(said string) {
	c.Helper()
	modes, err := unix.IoctlGetTermios(int(c.person.Fd()), unix.TCGETS)
	if status := c.end(); status != exitInterrupted {
		c.Errorf("status %d, want %d\n%s", status, exitInterrupted, c.heard)
	}
	if text := strings.Join(strings.Fields(c.heard.String()), " "); !strings.Contains(text, said) {
		c.Errorf("does not say %q:\n%s", said, text)
	}
	if usual := uint32(unix.ICANON | unix.ECHO | unix.ISIG); err != nil || modes.Lflag&usual != usual {
		c.Errorf("the terminal is left in mode %x, %v", modes.Lflag, err)
	}
}

// Ctrl-C at a question ends the command, and changes nothing.
func TestInterruptedQuestions(t *testing.T) {
	t.Parallel()
	w := newGuarded(t, doorForInterruptions)
	before, err := os.ReadFile(w.config)
	if err != nil {
		t.Fatal(err)
	}

	c := w.on(w.Gate, nil, "down", "-c", w.config)
	c.after("Open every door", interrupt)
	c.broken("nothing was opened")
	w.closed(w.Client, "tcp", at(w.Client, 22))
	if len(w.status().Doors) != 1 {
		t.Error("the daemon is not as before")
	}

	editor := filepath.Join(t.TempDir(), "editor")
	if err := os.WriteFile(editor, []byte("#!/bin/sh\necho nonsense >>\"$1\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	c = w.on(w.Gate, []string{"VISUAL=", "EDITOR=" + editor}, "config", "edit", "-c", w.config)
	c.after("Edit again?", interrupt)
	c.broken("nothing was written")
	w.unchanged(before)
}

// unchanged requires that the configuration is as before, with nothing beside it.
func (w *world) unchanged(before []byte) {
	w.t.Helper()
	if after, err := os.ReadFile(w.config); err != nil || string(after) != string(before) {
		w.t.Errorf("the configuration is now, %v:\n%s", err, after)
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(w.config), ".edit*")); err != nil || len(left) > 0 {
		w.t.Errorf("left: %q, %v", left, err)
	}
}

// In an editor Ctrl-C is the editor's.
func TestInterruptIsForTheEditor(t *testing.T) {
	t.Parallel()
	w := newGuarded(t, doorForInterruptions)
	editor := filepath.Join(t.TempDir(), "editor")
	script := "#!/bin/sh\ntrap 'echo caught' INT\necho editing\nuntil read line; do :; done\necho \"$line\" >>\"$1\"\n"
	if err := os.WriteFile(editor, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	env := []string{"VISUAL=", "EDITOR=" + editor}
	c := w.on(w.Gate, env, "config", "edit", "-c", w.config)
	c.after("editing", interrupt)
	c.after("caught", "nonsense\n")
	c.after("Edit again?", "y\n") // the interruption was not for us: we still ask
	c.after("editing", interrupt)
	c.after("caught", "# fine\n")
	c.after("Edit again?", interrupt)
	c.broken("nothing was written")

	c = w.on(w.Gate, env, "config", "edit", "-c", w.config)
	c.after("editing", interrupt)
	c.after("caught", "# fine\n")
	if status := c.end(); status != exitDone {
		t.Fatalf("status %d\n%s", status, c.heard)
	}
	if after, err := os.ReadFile(w.config); err != nil || !strings.HasSuffix(string(after), "# fine\n") {
		t.Errorf("what was edited is not there: %v\n%s", err, after)
	}
}

// Setup that is broken off has closed nothing, and goes on from there.
func TestInterruptedSetup(t *testing.T) {
	t.Parallel()
	w, _, args := setupWorld(t)
	c := w.on(w.Gate, nil, args...)
	c.after("Press Enter when that is done", interrupt)
	c.broken("nothing was closed: sallyport setup goes on from here")
	w.open(w.Client, "tcp", at(w.Client, 22))

	c = w.on(w.Gate, nil, append(args, "--wait", "20s")...)
	c.after("Press Enter when that is done", "\n")
	c.after("on trial", interrupt)
	c.broken("so the doors open again: interrupted")
	w.open(w.Client, "tcp", at(w.Client, 22))
}

// An invite that was only looked at is not used, and there is no key.
func TestInterruptedJoin(t *testing.T) {
	t.Parallel()
	w := newInviteWorld(t)
	link := w.invite("phone")
	home := t.TempDir()
	c := w.on(w.Client, []string{"HOME=" + home, "XDG_CONFIG_HOME=" + home}, "join", link)
	c.after("Enrol this device there?", interrupt)
	c.broken("nothing was written")
	if list, err := os.ReadDir(home); err != nil || len(list) > 0 {
		t.Errorf("left %v, %v", list, err)
	}
}

// What is begun when an interruption comes is carried out: files and what is in force
// stay the same.
func TestInterruptedReloadIsCarriedOut(t *testing.T) {
	t.Parallel()
	w := newGuarded(t, doorForInterruptions)
	a := alteration{path: w.config}
	before, err := os.ReadFile(w.config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(t.Context())
	end()
	after := strings.Replace(string(before), `"ssh"`, `"login"`, 1)
	if err := a.apply(ctx, new(strings.Builder), w.config, before, []byte(after)); err != nil {
		t.Fatal(err)
	}
	if doors := w.status().Doors; len(doors) != 1 || doors[0].Name != "login" {
		t.Errorf("the file has changed, and in force is %+v", doors)
	}
}
