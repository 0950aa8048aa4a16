//go:build linux && !client_only

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/internal/lab/labtest"
)

// tmuxed is a terminal, a real one, of a program that draws it in memory.
type tmuxed struct {
	*world
	socket string
}

// onTerminal shows the command on a terminal of a size.
func (w *world) onTerminal(width, height int, env string, args ...string) *tmuxed {
	w.t.Helper()
	self, err := os.Executable()
	if err != nil {
		w.t.Fatal(err)
	}
	at := &tmuxed{w, filepath.Join(w.dir, fmt.Sprintf("tmux-%dx%d%s", width, height, env))}
	conf := filepath.Join(w.dir, "tmux.conf")
	if err := os.WriteFile(conf, []byte("set -g status off\nset -g exit-empty off\n"), 0o600); err != nil {
		w.t.Fatal(err)
	}
	command := strings.Join(append([]string{"exec", "env", actAsCommand + "=1", env, self}, args...), " ")
	at.tmux("-f", conf, "new-session", "-d", "-x", fmt.Sprint(width), "-y", fmt.Sprint(height), command)
	w.t.Cleanup(func() { _ = exec.Command("tmux", "-S", at.socket, "kill-server").Run() })
	return at
}

func (at *tmuxed) tmux(args ...string) string {
	at.t.Helper()
	out, err := exec.CommandContext(at.t.Context(), "tmux", append([]string{"-S", at.socket}, args...)...).CombinedOutput()
	if err != nil {
		at.t.Fatalf("tmux %q: %v\n%s", args, err, out)
	}
	return string(out)
}

func (at *tmuxed) shows(words ...string) string {
	at.t.Helper()
	screen := ""
	at.eventually(fmt.Sprintf("the terminal shows %q", words), func() bool {
		screen = at.tmux("capture-pane", "-p", "-e")
		for _, w := range words {
			if !strings.Contains(screen, w) {
				return false
			}
		}
		return true
	})
	return screen
}

// An operator sees what happens as it does, also after a restart of the daemon, and acts
// on it.
func TestTopOnATerminal(t *testing.T) {
	t.Parallel()
	labtest.Need(t, "peers", "tmux")
	w := newGuarded(t, sshDoor)
	service := at(w.Client, 22)
	for _, c := range []struct {
		width, height int
		env           string
		color         bool
	}{{80, 24, "NO_COLOR=1", false}, {160, 48, "COLORTERM=", true}} {
		w.must(w.Gate, "revoke", "--all", "-c", w.config)
		view := w.onTerminal(c.width, c.height, c.env, "top", "-c", w.config)
		view.shows("1 door, 0 open", "nobody: every door is closed", "q quit")
		w.must(w.Gate, "open", "ssh", "--source", w.Client.IP4.String(), "--for", "1h", "-c", w.config)
		screen := view.shows("1 door, 1 open", "IN  1 grant", w.Client.IP4.String(), "59m", "ordered by root")
		if got := strings.Contains(screen, "\x1b[32m"); got != c.color {
			t.Errorf("%+v: colours are %v", c, got)
		}
		if lines := strings.Count(screen, "\n"); lines != c.height {
			t.Errorf("%d lines, want %d", lines, c.height)
		}
		w.stop()
		view.shows("the daemon does not answer")
		w.start()
		w.open(w.Client, "tcp", service)
		view.shows("1 door, 1 open", "start")
		view.tmux("send-keys", "Tab", "r")
		view.shows("close door ssh for "+w.Client.IP4.String()+"?", "(y/n)")
		view.tmux("send-keys", "y")
		view.shows("1 door, 0 open", "is closed for "+w.Client.IP4.String(), "revocation")
		w.closed(w.Client, "tcp", service)
		view.tmux("send-keys", "q")
	}
}
