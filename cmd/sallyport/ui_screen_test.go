//go:build linux && !client_only

package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/event"
)

// onTerminal runs a command line on a terminal of some size and returns what is
// to be seen there.
func onTerminal(t *testing.T, width, height int, args ...string) string {
	t.Helper()
	return shownOn(t, width, height, func(terminal *os.File) {
		run(t.Context(), args, stdio{strings.NewReader(""), terminal, terminal})
	})
}

func shownOn(t *testing.T, width, height int, print func(*os.File)) string {
	t.Helper()
	person, terminal := pty(t)
	if err := unix.IoctlSetWinsize(int(terminal.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: uint16(width), Row: uint16(height)}); err != nil {
		t.Fatal(err)
	}
	seen := make(chan string)
	go func() {
		var b bytes.Buffer
		io.Copy(&b, person) // ends with EIO when the terminal is closed
		seen <- strings.ReplaceAll(b.String(), "\r\n", "\n")
	}()
	print(terminal)
	terminal.Close()
	return <-seen
}

// proseCommands are command lines that answer in sentences.
func proseCommands(t *testing.T) map[string][]string {
	t.Helper()
	emptyHome(t)
	s := newServer(t, "[gate]\npolicy = \"all\"\n"+oneDoor+"sequence = [\"tcp/7001\", \"udp/7000\"]\nwithin = \"10m\"\n")
	journal := keepEvents(t, someEvents(), event.Finding{ID: "059b", Rule: "near-miss", Severity: event.High, Source: visitor, First: time.Now(), Last: time.Now(), Count: 3,
		Explanation: "192.0.2.10 knows the sequence of door \"ssh\" but for its last knock.", Advice: "Ask those who know the sequence whether it was a mistake.",
		Evidence: []string{"3 right knocks of 4 of the sequence of door \"ssh\", which is a long line of evidence"}})
	broken := s.write("broken.toml", "[gate]\npolicy = \"everything\"\n[spa]\nport = 70000\n")
	return map[string][]string{
		"check":    {"check", "--offline", "-c", s.config},
		"mistakes": {"check", "--offline", "-c", broken},
		"error":    {"knock", "office"},
		"usage":    {"status", "--frobnicate"},
		"findings": {"findings", "--journal", journal, "-c", s.config},
		"why":      {"why", "192.0.2.10", "--journal", journal, "-c", s.config},
		"silence":  {"why", "192.0.2.99", "--journal", journal, "-c", s.config},
		"doctor":   {"doctor", "office", "--ntp", "off"},
		"help":     {"serve", "--help"},
	}
}

// timeless returns the words of a text. Times go on from one run to the next.
func timeless(text string) []string {
	return strings.Fields(regexp.MustCompile(`\d{4}-\d\d-\d\d|\d\d:\d\d:\d\d`).ReplaceAllString(text, "TIME"))
}

// On a terminal no line of prose is wider than it, and no word is broken: the
// words are those that a file gets, in the same order.
func TestProseFitsTheTerminal(t *testing.T) {
	t.Setenv("TERM", "xterm")
	t.Setenv("NO_COLOR", "")
	for name, args := range proseCommands(t) {
		var file bytes.Buffer
		run(t.Context(), args, stdio{strings.NewReader(""), &file, &file})
		if strings.Contains(file.String(), "\x1b") {
			t.Errorf("%s: escapes off a terminal: %q", name, file.String())
		}
		for _, width := range []int{40, 80} {
			seen := plain(onTerminal(t, width, 24, args...))
			if got, want := timeless(seen), timeless(file.String()); strings.Join(got, " ") != strings.Join(want, " ") {
				t.Errorf("%s in %d columns has other words:\n%s\nthan in a file:\n%s", name, width, seen, file.String())
			}
			for _, line := range strings.Split(seen, "\n") {
				if len([]rune(line)) > width && len(strings.Fields(line)) > 3 && !strings.Contains(line, "--") {
					t.Errorf("%s in %d columns: a line of %d: %q", name, width, len([]rune(line)), line)
				}
			}
		}
	}
}

// A colour says what a word says too, and only where a person looks.
func TestColours(t *testing.T) {
	commands := proseCommands(t)
	want := map[string]string{
		"check": "\x1b[33mwarning\x1b[0m:", "error": "\x1b[1;31msallyport: \x1b[0m", "findings": "\x1b[31mHIGH  \x1b[0m", "doctor": "\x1b[1;31mFAIL  profile  \x1b[0m",
	}
	for name, code := range want {
		for _, env := range []struct{ term, noColor string }{{"xterm", ""}, {"dumb", ""}, {"xterm", "1"}} {
			t.Setenv("TERM", env.term)
			t.Setenv("NO_COLOR", env.noColor)
			seen, colours := onTerminal(t, 200, 24, commands[name]...), env.term == "xterm" && env.noColor == ""
			if strings.Contains(seen, code) != colours || strings.Contains(seen, "\x1b") != colours {
				t.Errorf("%s with TERM=%s NO_COLOR=%s: %q", name, env.term, env.noColor, seen)
			}
		}
	}
}

// A page that is larger than the terminal keeps its top, and says that there is
// more; it never scrolls.
func TestPageFitsTheTerminal(t *testing.T) {
	t.Setenv("TERM", "dumb")
	print := func(s screen) {
		for i := range 30 {
			fmt.Fprintf(s, "line %d\n", i)
		}
		fmt.Fprintln(s, strings.Repeat("wide ", 40))
	}
	seen := shownOn(t, 40, 10, func(f *os.File) { (&pager{out: f}).show(print) })
	lines := strings.Split(seen, "\n")
	if len(lines) > 10 || !strings.HasSuffix(lines[0], "line 0") || lines[len(lines)-1] != "22 lines more: see a larger window" {
		t.Errorf("%d lines: %q", len(lines), lines)
	}
	if seen = shownOn(t, 40, 60, func(f *os.File) { (&pager{out: f}).show(print) }); strings.Contains(seen, "more:") {
		t.Errorf("all of it fits, but: %q", seen)
	}
	// With keys, what did not fit is a key away, and the top again after the end.
	keyed := func(f *os.File) {
		p := &pager{out: f, keys: "q ends this"}
		for range 5 {
			p.show(print)
			p.next()
		}
	}
	screens := strings.Split(shownOn(t, 40, 10, keyed), "\x1b[2J")[1:]
	for i, want := range []string{"line 0", "line 9", "line 18", "line 27", "line 0"} {
		if lines := strings.Split(screens[i], "\n"); lines[0] != want || len(lines) > 10 || !strings.Contains(lines[len(lines)-1], "more: space; q ends this") {
			t.Errorf("page %d: %q", i, screens[i])
		}
	}
	var file strings.Builder
	(&pager{out: &file}).show(print)
	if !strings.Contains(file.String(), "line 29") || strings.Contains(file.String(), "\x1b") {
		t.Errorf("in a file: %q", file.String())
	}
}
