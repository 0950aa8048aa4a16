//go:build linux && !client_only

package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
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
