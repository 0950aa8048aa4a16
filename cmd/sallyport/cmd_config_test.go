//go:build linux && !client_only

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sallyport/internal/phrase"
)

const commented = `[spa]
port = 40321   # drawn at random

[gate]
# who is never asked
trusted = ["192.168.1.0/24"] # the office

# the way in for administrators
[[door]]
name     = "ssh"
ports    = ["tcp/22"]
sequence = ["tcp/7100", "udp/8000", "tcp/9100", "udp/7700"] # a secret
`

func TestConfigGet(t *testing.T) {
	s := newServer(t, commented)
	for key, want := range map[string]string{
		"gate.trusted": `["192.168.1.0/24"]`, "spa.port": "40321", "door.ssh.ports": `["tcp/22"]`,
		"door.ssh.sequence": `["tcp/7100", "udp/8000", "tcp/9100", "udp/7700"]`,
	} {
		if got := strings.TrimSpace(s.must("", "config", "get", key)); got != want {
			t.Errorf("%s is %s, want %s", key, got, want)
		}
	}
	for key, want := range map[string]int{"gate.policy": exitFailed, "gate": exitUsage, "door.ssh": exitUsage, "door.web.ports": exitFailed, "nosuch.key": exitFailed} {
		if _, errs, status := s.sallyport("", "config", "get", key); status != want {
			t.Errorf("%s: status %d: %s", key, status, errs)
		}
	}
}

func TestConfigSet(t *testing.T) {
	s := newServer(t, commented)
	for _, c := range [][2]string{
		{"door.ssh.open_for", "1m"}, {"door.ssh.single", "true"}, {"gate.trusted", "192.168.1.0/24, 10.8.0.0/16"},
		{"gate.closed", "reject"}, {"spa.ack", "false"}, {"journal.max_size", "64MiB"}, {"door.ssh.label", "管理者のログイン"},
	} {
		s.must("", "config", "set", c[0], c[1])
	}
	text := s.read(s.config)
	for _, want := range []string{
		"# the way in for administrators\n", "# drawn at random", `trusted = ["192.168.1.0/24", "10.8.0.0/16"] # the office`, `open_for = "1m"`,
		"single = true", `closed = "reject"`, "ack = false", "[journal]\nmax_size = \"64MiB\"", `label = "管理者のログイン"`, "# a secret",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	s.must("", "config", "set", "door.ssh.single", "")
	if strings.Contains(s.read(s.config), "single") {
		t.Error("an empty value leaves the key")
	}
}

func TestConfigSetRefuses(t *testing.T) {
	s := newServer(t, commented)
	before := s.read(s.config)
	for _, c := range [][2]string{
		{"door.ssh.open_for", "for ever"}, {"gate.polcy", "all"}, {"gate.policy", "some"}, {"door.ssh.ports", "tcp/99999"}, {"door.ssh.label", "a\u202eb"},
	} {
		if _, errs, status := s.sallyport("", "config", "set", c[0], c[1]); status == 0 || !strings.Contains(errs, "nothing was written") {
			t.Errorf("%s = %s: status %d: %s", c[0], c[1], status, errs)
		}
	}
	if s.read(s.config) != before {
		t.Error("the file has changed")
	}
}

func TestConfigShowHidesSecrets(t *testing.T) {
	s := newServer(t, commented)
	s.write("conf.d/client-bob.toml", "[[client]]\nname = \"bob\"\ndoors = [\"ssh\"]\nrotating = \"GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\"\n")
	out := s.must("", "config", "show")
	if strings.Contains(out, "7100") || strings.Contains(out, "GEZDG") || !strings.Contains(out, `sequence = "…" # a secret`) || !strings.Contains(out, "client-bob.toml") {
		t.Errorf("%s", out)
	}
	if out := s.must("", "config", "show", "--secrets"); !strings.Contains(out, "7100") || !strings.Contains(out, "GEZDG") {
		t.Errorf("%s", out)
	}
}

func TestConfigEdit(t *testing.T) {
	s := newServer(t, commented)
	script := s.write("editor", "#!/bin/sh\nsed -i 's/^port = 40321/port = 40555/' \"$1\"\n")
	if err := os.Chmod(script, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("VISUAL", script)
	s.must("", "config", "edit")
	if !strings.Contains(s.read(s.config), "port = 40555   # drawn at random") {
		t.Errorf("%s", s.read(s.config))
	}
	broken := s.write("broken", "#!/bin/sh\necho 'nonsense = 1' >> \"$1\"\n")
	if err := os.Chmod(broken, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("VISUAL", broken)
	before := s.read(s.config)
	if _, errs, status := s.sallyport("", "config", "edit"); status != exitFailed || !strings.Contains(errs, "nonsense") {
		t.Errorf("status %d: %s", status, errs)
	}
	if s.read(s.config) != before {
		t.Error("a mistake was written")
	}
	left, _ := filepath.Glob(filepath.Join(s.dir, ".*"))
	if len(left) > 0 {
		t.Errorf("%v is left behind", left)
	}
}

func TestDoorAddListRemove(t *testing.T) {
	s := newServer(t, commented)
	s.must("", "door", "add", "mosh=tcp/2222,udp/60000-60010", "--open-for", "1m", "--label", "携帯から")
	cfg := s.load()
	d := cfg.Door("mosh")
	if d == nil || len(d.Ports) != 12 || d.OpenFor.String() != "1m0s" || d.Label != "携帯から" {
		t.Fatalf("%+v", d)
	}
	if out := s.must("", "door", "list"); !strings.Contains(out, "mosh") || !strings.Contains(out, "携帯から") || !strings.Contains(out, "sequence") {
		t.Errorf("%s", out)
	}
	if _, errs, status := s.sallyport("", "door", "add", "mosh=tcp/2223"); status != exitFailed || !strings.Contains(errs, "already") {
		t.Errorf("status %d: %s", status, errs)
	}
	if _, errs, status := s.sallyport("", "door", "add", "again=tcp/22"); status != exitFailed || !strings.Contains(errs, "nothing was written") {
		t.Errorf("status %d: %s", status, errs)
	}
	for _, bad := range []string{"web", "web=", "=tcp/1", "web=8443", "../x=tcp/1"} {
		if _, errs, status := s.sallyport("", "door", "add", bad); status != exitUsage {
			t.Errorf("%s: status %d: %s", bad, status, errs)
		}
	}
	s.must("", "door", "remove", "mosh")
	if s.load().Door("mosh") != nil {
		t.Error("the door is still there")
	}
	if files, _ := filepath.Glob(filepath.Join(s.dir, "conf.d", "*")); len(files) > 0 {
		t.Errorf("%v", files)
	}
}

func TestDoorRemoveFromTheMainFile(t *testing.T) {
	s := newServer(t, commented+"\n# a comment of the next\n[[door]]\nname = \"web\"\nports = [\"tcp/8443\"]\n\n[[client]]\nname = \"bob\"\ndoors = [\"ssh\"]\nrotating = \"GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\"\n")
	if _, errs, status := s.sallyport("", "door", "remove", "ssh"); status != exitFailed || !strings.Contains(errs, `client "bob"`) {
		t.Errorf("status %d: %s", status, errs)
	}
	s.must("", "door", "remove", "web")
	text := s.read(s.config)
	if strings.Contains(text, "web") || strings.Contains(text, "a comment of the next") || !strings.Contains(text, `name = "bob"`) || !strings.Contains(text, "# a secret") {
		t.Errorf("%s", text)
	}
	if _, errs, status := s.sallyport("", "door", "remove", "web"); status != exitFailed || !strings.Contains(errs, "there are: ssh") {
		t.Errorf("status %d: %s", status, errs)
	}
}

func TestClientLabel(t *testing.T) {
	s := newServer(t, commented)
	s.write("conf.d/client-bob.toml", "[[client]]\nname = \"bob\" # a person\ndoors = [\"ssh\"]\nrotating = \"GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\"\n")
	s.must("", "client", "label", "bob", "営業部 田中のノート")
	if c := findClient(s.load(), "bob"); c.Label != "営業部 田中のノート" {
		t.Errorf("%q", c.Label)
	}
	if out := s.must("", "client", "list"); !strings.Contains(out, "営業部 田中のノート") {
		t.Errorf("%s", out)
	}
	if _, _, status := s.sallyport("", "client", "label", "bob", "two\nlines"); status != exitFailed {
		t.Errorf("status %d", status)
	}
	s.must("", "client", "label", "bob", "")
	if c := findClient(s.load(), "bob"); c.Label != "" {
		t.Errorf("%q", c.Label)
	}
}

func TestDurationText(t *testing.T) {
	for text, want := range map[string]string{"30s": "30s", "10m": "10m", "1h": "1h", "90m": "1h30m", "24h": "24h", "48h": "2d", "1h0m5s": "1h0m5s", "720h": "30d"} {
		var d durationFlag
		if err := d.Set(text); err != nil {
			t.Fatal(err)
		}
		if got := phrase.Duration(time.Duration(d)); got != want {
			t.Errorf("%s is %s, want %s", text, got, want)
		}
	}
}
