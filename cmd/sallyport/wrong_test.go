//go:build linux && !client_only

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sallyport/internal/manual"
)

// goSpeaks is what Go's packages say of a value, and what no user should read.
var goSpeaks = regexp.MustCompile(`strconv\.|invalid argument|invalid syntax|parsing |ParseAddr|ParsePrefix|time: |json: |exec: |dial (tcp|udp|unix)|lookup |` +
	`unexpected end|%!|runtime error|panic|\bEOF\b|no such host|i/o timeout|context deadline|fork/exec|<nil>|0x[0-9a-f]{6}|\*[a-z]+\.[A-Z]`)

// wrongValues are what people type, and what they do not.  None names a place outside
// the test that a command could make.
var wrongValues = []string{"", "x", "-1", "99999999999999999999", "10min", "1e9", "a=b", "[::1", "256.1.1.1/99", "http://x/", "/dev/null/file", "\x1b[2J", "５", "../..", "tcp/0", "2026-13-45",
	strings.Repeat("9", 5000)}

// actsAtOnce are commands that do much with few words: of these only the flags
// are tried that are refused while the command line is read.
var actsAtOnce = []string{"sallyport serve", "sallyport demo", "sallyport setup", "sallyport init"}

// wrongWorld is a folder with a configuration, a home, and nothing else: no
// program can be run.
func wrongWorld(t *testing.T) server {
	t.Helper()
	s := newServer(t, oneDoor)
	t.Setenv("HOME", filepath.Join(s.dir, "home"))
	t.Setenv("XDG_CONFIG_HOME", filepath.Join(s.dir, "home", ".config"))
	t.Setenv("STATE_DIRECTORY", filepath.Join(s.dir, "state"))
	for _, name := range []string{"PATH", "SSH_AUTH_SOCK", "SSH_CONNECTION", "SUDO_USER", "VISUAL", "EDITOR"} {
		t.Setenv(name, "")
	}
	t.Chdir(s.dir)
	if err := os.MkdirAll(filepath.Join(s.dir, "home"), 0o700); err != nil {
		t.Fatal(err)
	}
	return s
}

// answers runs a command line and returns what it prints, and how it ends.
func (s server) answers(words ...string) (string, int) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), 20*time.Second)
	defer cancel()
	out := new(strings.Builder)
	status := run(ctx, words, stdio{strings.NewReader(""), out, out})
	if ctx.Err() != nil {
		s.Errorf("sallyport %q does not end", words)
	}
	return out.String(), status
}

// least is the smallest number of arguments that a command takes.
func least(cmd *cobra.Command) (words []string) {
	for cmd.Args != nil && cmd.Args(cmd, words) != nil && len(words) < 4 {
		words = append(words, "x")
	}
	return words
}

// Whatever is wrong with a value, the answer is in our words.
func TestNoFlagSpeaksGo(t *testing.T) {
	s := wrongWorld(t)
	for _, cmd := range manual.Commands(newRoot(stdio{})) {
		base := strings.Fields(cmd.CommandPath())[1:]
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if slices.Contains(actsAtOnce, cmd.CommandPath()) && slices.Contains([]string{"string", "stringArray", "bool"}, f.Value.Type()) || f.Name == "help" || f.Name == "version" {
				return
			}
			for _, value := range wrongValues {
				words := slices.Concat(base, least(cmd), []string{fmt.Sprintf("--%s=%s", f.Name, value)})
				if cmd.Flags().Lookup("config") != nil && f.Name != "config" {
					words = append(words, "--config="+s.config)
				}
				s.inOurWords(words)
			}
		})
	}
}

// The same for the arguments.
func TestNoArgumentSpeaksGo(t *testing.T) {
	s := wrongWorld(t)
	for _, cmd := range manual.Commands(newRoot(stdio{})) {
		if slices.Contains(actsAtOnce, cmd.CommandPath()) {
			continue
		}
		base, arguments := strings.Fields(cmd.CommandPath())[1:], least(cmd)
		if cmd.Flags().Lookup("config") != nil {
			base = append(base, "--config="+s.config)
		}
		for i := range arguments {
			for _, value := range wrongValues {
				list := slices.Clone(arguments)
				list[i] = value
				s.inOurWords(slices.Concat(base, []string{"--"}, list))
			}
		}
	}
	for _, line := range []string{"knock nosuch.invalid 7000", "knock 127.0.0.1 70000", "knock 127.0.0.1 7000:icmp", "knock ::1 tcp/", "run x -- nosuchprogram", "pair root@nosuch.invalid",
		"open ssh --source 192.0.2.7 -c " + s.config, "ban add 192.0.2.7 -c " + s.config, "config edit -c " + s.config, "events verify --journal /dev/null", "report --html /dev/null/x.html -c " + s.config,
		"add -", "add /dev/null", "add " + s.dir, "import knockd /dev/null", "import fwknop " + s.dir, "client add x --door ssh --key /dev/null -c " + s.config, "keygen --file /dev/null/x --no-passphrase"} {
		s.inOurWords(strings.Fields(line))
	}
}

func (s server) inOurWords(words []string) {
	s.Helper()
	text, _ := s.answers(words...)
	if found := goSpeaks.FindString(text); found != "" {
		s.Errorf("sallyport %.200q says %q:\n%.400s", words, found, text)
	}
	if strings.ContainsAny(text, "\x1b") {
		s.Errorf("sallyport %.200q prints a control character:\n%.400q", words, text)
	}
}
