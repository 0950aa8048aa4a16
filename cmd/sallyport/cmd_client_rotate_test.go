package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"rsc.io/qr"

	"sallyport/client"
	"sallyport/internal/config"
)

const handMade = `
# The way in.
[[door]]
name     = "ssh"   # for people
ports    = ["tcp/22"]
sequence = ["tcp/7000", "udp/8000", "tcp/9000"] # keep it

# Bob has a phone.
[[client]]
name     = "bob"
doors    = ["ssh"]
rotating = "` + aSecret + `" # on paper, too
`

const aSecret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"

func (s server) load() *config.Config {
	s.Helper()
	cfg, err := loadConfig(s.config)
	if err != nil {
		s.Fatal(err)
	}
	return cfg
}

func (s server) read(path string) string {
	s.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		s.Fatal(err)
	}
	return string(text)
}

func TestClientRotate(t *testing.T) {
	s := newServer(t, handMade)
	before := s.read(s.config)
	out := s.must("", "client", "rotate", "bob", "--keep", "7d")
	if strings.Contains(out, aSecret) || !strings.Contains(out, "the old one works until") {
		t.Errorf("%s", out)
	}
	bob := findClient(s.load(), "bob")
	week := 7 * 24 * time.Hour
	if left := time.Until(bob.Rotating.PreviousUntil); bob.Rotating.Previous.Text() != aSecret || bob.Rotating.Current.Text() == aSecret || left > week || left < week-time.Minute {
		t.Errorf("%+v", bob)
	}
	if age := time.Since(bob.Changed); age < 0 || age > 25*time.Hour {
		t.Errorf("changed %s", bob.Changed)
	}
	// Everything else is as it was.
	added := regexp.MustCompile(`(?m)^(rotating_previous|rotating_previous_until|changed) = .*\n`)
	after := strings.Replace(added.ReplaceAllString(s.read(s.config), ""), bob.Rotating.Current.Text(), aSecret, 1)
	if after != before {
		t.Errorf("got\n%s\nwant\n%s", after, before)
	}
	if info, err := os.Stat(s.config); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}

	second := bob.Rotating.Current
	if out := s.must("", "client", "rotate", "bob", "--keep", "0s"); !strings.Contains(out, "the one before it was to work until") || !strings.Contains(out, "no longer works") {
		t.Errorf("%s", out)
	}
	if bob = findClient(s.load(), "bob"); !bob.Rotating.Previous.IsZero() || bob.Rotating.Current == second {
		t.Errorf("%+v", bob)
	}
	if left, _ := filepath.Glob(filepath.Join(s.dir, ".rotate-*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestDoorRotate(t *testing.T) {
	s := newServer(t, handMade)
	var result rotatedDoor
	if err := json.Unmarshal([]byte(s.must("", "door", "rotate", "ssh", "--json")), &result); err != nil {
		t.Fatal(err)
	}
	d := s.load().Door("ssh")
	if len(d.Sequence) != 5 || len(d.Previous) != 3 || d.Previous[0].String() != "tcp/7000" || !d.PreviousUntil.Equal(result.PreviousUntil) || len(result.Sequence) != 5 || result.Sequence[4] != d.Sequence[4] {
		t.Errorf("%+v\n%+v", d, result)
	}
	if text := s.read(s.config); !strings.Contains(text, "] # keep it\n") || !strings.Contains(text, "# Bob has a phone.") {
		t.Errorf("comments are gone:\n%s", text)
	}
	out := s.must("", "door", "rotate", "ssh")
	if knocks := s.load().Door("ssh").Sequence; !strings.Contains(out, "sallyport knock HOST "+strings.Join(words(knocks), " ")+"\n") {
		t.Errorf("%s", out)
	}
}

func TestRotateRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		toml, command, want string
		status              int
	}{
		"no such client": {handMade, "client rotate carol", `there is no client "carol"`, exitFailed},
		"no such door":   {handMade, "door rotate web", `there is no door "web"`, exitFailed},
		"no sequence":    {"[[door]]\nname = \"ssh\"\nports = [\"tcp/22\"]\n", "door rotate ssh", "one more way in", exitFailed},
		"no name":        {handMade, "door rotate", "usage", exitUsage},
		"broken already": {handMade + "colour = 7\n", "client rotate bob", "colour", exitFailed},
		"bad time":       {handMade, "client rotate bob --keep -1h", "--keep", exitUsage},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, c.toml)
			before := s.read(s.config)
			out, errs, status := s.sallyport("", strings.Fields(c.command)...)
			if status != c.status || !strings.Contains(errs, c.want) {
				t.Errorf("status %d\n%s%s", status, out, errs)
			}
			if s.read(s.config) != before {
				t.Error("the file has changed")
			}
		})
	}
}

// A file that somebody edits meanwhile is left alone.
func TestReplaceFileNoticesOthers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, []byte("theirs"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := replaceFile(path, []byte("ours"), []byte("new")); err == nil {
		t.Error("replaced")
	}
	if text, _ := os.ReadFile(path); string(text) != "theirs" {
		t.Errorf("%s", text)
	}
}

func TestEnrolRotating(t *testing.T) {
	s := newServer(t, "[[door]]\nname = \"ssh\"\nports = [\"tcp/22\"]\n")
	out, errs, status := s.sallyport("", "client", "add", "bob", "--rotating", "--door", "ssh", "--host", "gate.example.org")
	p, err := client.ParseProfile([]byte(out))
	if status != 0 || err != nil || !strings.Contains(errs, `client "bob" may open ssh`) {
		t.Fatalf("status %d, %v\n%s%s", status, err, out, errs)
	}
	bob := findClient(s.load(), "bob")
	if p.Rotating != bob.Rotating.Current || p.ServerKey != "" || p.Shape.Knocks != 5 || bob.Changed.IsZero() {
		t.Errorf("%+v", p)
	}
	if again := s.must("", "client", "profile", "bob", "--host", "gate.example.org"); again != out {
		t.Errorf("another profile:\n%s", again)
	}
	if list := s.must("", "client", "list"); !strings.Contains(list, "none") || strings.Contains(list, p.Rotating.Text()) {
		t.Errorf("%s", list)
	}
	checkQR(t, s.must("", "client", "profile", "bob", "--host", "gate.example.org", "--qr"), p)

	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	var added, problems bytes.Buffer
	if status := run(t.Context(), []string{"add", "-"}, stdio{strings.NewReader(p.RotatingURI() + "\n"), &added, &problems}); status != 0 || !strings.Contains(added.String(), `"gate"`) {
		t.Errorf("status %d\n%s%s", status, &added, &problems)
	}
	if got, err := client.Load("gate"); err != nil || got.Rotating != p.Rotating {
		t.Errorf("%+v, %v", got, err)
	}
}

// checkQR reads what was printed back into modules.
func checkQR(t *testing.T, printed string, p *client.Profile) {
	t.Helper()
	code, err := qr.Encode(p.RotatingURI(), qr.L)
	if err != nil {
		t.Fatal(err)
	}
	printed = strings.NewReplacer("\x1b[30;47m", "", "\x1b[0m", "").Replace(printed)
	lines := strings.Split(printed, "\n")
	if width := code.Size + 2*quietZone; width > 60 || len(lines) != (width+1)/2+2 || lines[len(lines)-2] != p.RotatingURI() {
		t.Fatalf("%d wide, %d lines", width, len(lines))
	}
	for y := range code.Size {
		row := []rune(lines[(y+quietZone)/2])
		for x := range code.Size {
			c := row[x+quietZone]
			dark := c == '█' || c == '▀' && y%2 == 0 || c == '▄' && y%2 == 1
			if dark != code.Black(x, y) {
				t.Fatalf("module %d, %d", x, y)
			}
		}
	}
	if first := lines[0]; strings.TrimSpace(first) != "" || !bytes.Contains([]byte(printed), []byte("sallyport://")) {
		t.Errorf("no margin: %q", first)
	}
}
