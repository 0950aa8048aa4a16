//go:build linux && !client_only

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const knockdWeb = "[ssh]\nsequence = 17001,9002,24003\n" + "command = ufw allow from %IP% to any port 22 proto tcp\n" +
	"[web]\nsequence = 17001,9002,24004\ncommand = ufw allow from %IP% to any port 8443 proto tcp\n"

// After init an import becomes part of the configuration, which stays as it is.
func TestImportAdds(t *testing.T) {
	s := newServer(t, "# of mine\n"+oneDoor)
	before, _ := os.ReadFile(s.config)
	file := filepath.Join(s.dir, "conf.d", "knockd.toml")

	out, said, status := imports(t, knockdWeb, "knockd", "-", "-c", s.config, "--add", "--dry-run")
	if status != exitDone || exists(file) || !strings.Contains(out, `name     = "web"`) || !strings.Contains(said, "nothing was written; without --dry-run this would be "+file) {
		t.Errorf("--dry-run: status %d, %s\n%s", status, said, out)
	}
	out, said, status = imports(t, knockdWeb, "knockd", "-", "-c", s.config, "--add")
	if status != exitDone || !strings.Contains(out, "the next one will know") || !strings.Contains(out, "written to "+file) || !strings.Contains(said, "1 door imported") {
		t.Fatalf("status %d, %s\n%s", status, said, out)
	}
	if after, _ := os.ReadFile(s.config); string(after) != string(before) {
		t.Errorf("the configuration has become\n%s", after)
	}
	cfg := s.load()
	if len(cfg.Doors) != 2 || cfg.Doors[1].Name != "web" || len(cfg.Doors[0].Sequence) != 0 {
		t.Errorf("%+v", cfg.Doors)
	}
	text, _ := os.ReadFile(file)
	_, command, found := strings.Cut(string(text), "#  sallyport config set door.ssh.sequence ")
	if !found {
		t.Fatalf("no command for the door that is there:\n%s", text)
	}
	command, _, _ = strings.Cut(command, "\n")
	s.must("", "config", "set", "door.ssh.sequence", command)
	if got := tomlPorts(s.load().Doors[0].Sequence); got != `["tcp/17001", "tcp/9002", "tcp/24003"]` {
		t.Errorf("the sequence has become %s", got)
	}

	if _, said, status := imports(t, knockdWeb, "knockd", "-", "-c", s.config, "--add"); status != exitFailed || !strings.Contains(said, "it was imported before") {
		t.Errorf("a second time: status %d, %s", status, said)
	}
	again, said, status := imports(t, knockdWeb, "knockd", "-", "-c", s.config)
	if status != exitDone || !strings.Contains(said, "1 door imported") || !strings.Contains(again, "That door has the same sequence") {
		t.Errorf("printed again: status %d, %s\n%s", status, said, again)
	}
}

func TestImportAddRefuses(t *testing.T) {
	s := newServer(t, oneDoor)
	broken := newServer(t, oneDoor+"ports = 1\n")
	for _, c := range []struct {
		name string
		args []string
		want int
		says string
	}{
		{"without a configuration", []string{"--add", "-c", filepath.Join(s.dir, "none.toml")}, exitFailed, "there is no configuration"},
		{"with a broken one", []string{"--add", "-c", broken.config}, exitFailed, "ports"},
		{"--dry-run alone", []string{"--dry-run", "-c", s.config}, exitUsage, "--dry-run goes with --add"},
		{"--confirm alone", []string{"--confirm", "1m", "-c", s.config}, exitUsage, "--confirm goes with --add"},
		{"to a file, too", []string{"--add", "-o", "x", "-c", s.config}, exitUsage, "add"},
	} {
		if out, said, status := imports(t, knockdWeb, append([]string{"knockd", "-"}, c.args...)...); status != c.want || !strings.Contains(said, c.says) {
			t.Errorf("%s: status %d, %s\n%s", c.name, status, said, out)
		}
	}
	const sshAlone = "[ssh]\nsequence = 17001,9002,24003\ncommand = ufw allow from %IP% to any port 22 proto tcp\n"
	for _, more := range []string{"--dry-run", "--dry-run=false"} {
		_, said, status := imports(t, sshAlone, "knockd", "-", "--add", more, "-c", s.config)
		if status != exitFailed || !strings.Contains(said, "there is nothing to add") || strings.Contains(said, "without --dry-run") {
			t.Errorf("nothing to add, %s: status %d, %s", more, status, said)
		}
	}
	if _, said, status := imports(t, knockdWeb, "knockd", "-", "-c", broken.config); status != exitDone || !strings.Contains(said, "this is made for an empty one") {
		t.Errorf("printed beside a broken one: status %d, %s", status, said)
	}
}
