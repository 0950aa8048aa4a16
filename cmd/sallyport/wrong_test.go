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
	`unexpected end|listen (tcp|udp)|bind: |bad flag|%!|runtime error|panic|\bEOF\b|no such host|i/o timeout|context deadline|fork/exec|<nil>|0x[0-9a-f]{6}|\*[a-z]+\.[A-Z]`)

// wrongValues are what people type, and what they do not.  None names a place outside
// the test that a command could make.
var wrongValues = []string{"", "x", "-1", "99999999999999999999", "10min", "1e9", "a=b", "[::1", "256.1.1.1/99", "http://x/", "/dev/null/file", "\x1b[2J", "５", "../..", "tcp/0", "2026-13-45",
	strings.Repeat("9", 5000)}

// actsAtOnce are commands that do much with few words: of these only the flags
// are tried that are refused while the command line is read.
var actsAtOnce = []string{"sallyport serve", "sallyport demo", "sallyport setup", "sallyport init", "sallyport drill", "sallyport observe", "sallyport console", "sallyport asks serve"}

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
			if slices.Contains(actsAtOnce, cmd.CommandPath()) && slices.Contains([]string{"string", "stringArray", "stringSlice", "bool"}, f.Value.Type()) || f.Name == "help" || f.Name == "version" {
				return
			}
			values := wrongValues
			if f.Value.Type() == "bool" {
				values = values[:3] // all are read by one function
			}
			for _, value := range values {
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
		"page --serve=192.0.2.1:8022", "page --serve =x", "page --=x", "page ---serve", "add -", "add /dev/null", "add " + s.dir, "import knockd /dev/null", "import fwknop " + s.dir, "client add x --door ssh --key /dev/null -c " + s.config, "keygen --file /dev/null/x --no-passphrase"} {
		s.inOurWords(strings.Fields(line))
	}
}

// hostileNames are no names of anything: each is refused, in a few words, and leaves
// no file.
var hostileNames = []string{`a"b`, "a\nb", "a]b", "[[client]]", "a\x1b[2Jb", "a\u202eb", "../x", "a/../../b", "..", ".hidden", "門", "ｓｓｈ", "SSH", "a b", "'", `\`, "#", "a\u0301", "\xff\xfe",
	strings.Repeat("n", 10_000), strings.Repeat("門", 10_000), strings.Repeat("n ", 5_000), strings.Repeat("../", 3_000) + "etc/x"}

func TestHostileNames(t *testing.T) {
	s := wrongWorld(t)
	before := s.files()
	for _, name := range hostileNames {
		for _, words := range [][]string{
			{"door", "add", "-c", s.config, "--", name + "=tcp/8443"}, {"door", "add", "-c", s.config, "--", "web=" + name}, {"door", "remove", "-c", s.config, "--", name},
			{"door", "rotate", "-c", s.config, "--", name}, {"client", "add", "-c", s.config, "--door", "ssh", "--rotating", "--", name}, {"client", "add", "-c", s.config, "--door", name, "--rotating", "--", "bob"},
			{"client", "remove", "-c", s.config, "--", name}, {"client", "rotate", "-c", s.config, "--", name}, {"client", "label", "-c", s.config, "--", name, "x"}, {"client", "profile", "-c", s.config, "--", name},
			{"config", "set", "-c", s.config, "--", "door." + name + ".ports", "tcp/1"}, {"config", "set", "-c", s.config, "--", name, "x"}, {"config", "get", "-c", s.config, "--", name},
			{"open", "-c", s.config, "--source", "192.0.2.7", "--", name}, {"revoke", "-c", s.config, "--client", name}, {"ban", "add", "-c", s.config, "--", name}, {"knock", "--", name}, {"remove", "--", name}, {name},
		} {
			s.inOurWords(words)
			text, status := s.answers(words...)
			if status == 0 {
				s.Errorf("sallyport %.100q: status 0:\n%.400s", words, text)
			}
			if len([]rune(text)) > 5_000 {
				s.Errorf("sallyport %.100q prints %d characters: %.400s", words, len([]rune(text)), text)
			}
		}
	}
	if after := s.files(); after != before {
		s.Errorf("files are there now:\n%s\nbefore:\n%s", after, before)
	}
}

// files lists what is in the world.
func (s server) files() string {
	s.Helper()
	var list []string
	if err := filepath.WalkDir(s.dir, func(path string, _ os.DirEntry, err error) error {
		list = append(list, path)
		return err
	}); err != nil {
		s.Fatal(err)
	}
	return strings.Join(list, "\n")
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
