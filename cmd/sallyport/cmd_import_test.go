//go:build linux && !client_only

package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sallyport/internal/setup"
)

// imports runs the command in this process.
func imports(t *testing.T, stdin string, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	var out, errs bytes.Buffer
	status = run(t.Context(), append([]string{"import"}, args...), stdio{strings.NewReader(stdin), &out, &errs})
	return out.String(), errs.String(), status
}

const weakKnockd = "[ssh]\nsequence = 1000,1001,1002\ncommand = ufw allow from %IP% to any port 22 proto tcp\n"

// What is printed is a configuration, with a new sequence in place of one that
// any scan completes, and different ones each time.
func TestImportPrintsAConfiguration(t *testing.T) {
	var before string
	for range 2 {
		out, said, status := imports(t, weakKnockd, "knockd", "-")
		if status != exitDone || !strings.HasPrefix(said, "1 door imported; 2 notes") {
			t.Fatalf("status %d: %s", status, said)
		}
		path := filepath.Join(t.TempDir(), "sallyport.toml")
		if err := os.WriteFile(path, []byte(out), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, err := loadConfig(path)
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		now := tomlPorts(cfg.Doors[0].Sequence)
		if len(cfg.Doors[0].Sequence) != setup.SequenceLength || now == before {
			t.Errorf("the new sequence is %s", now)
		}
		before = now
	}
}

// A file that is written belongs to whom its folder belongs, is not for
// everybody, and replaces none.
func TestImportWritesAFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "conf.d")
	if err := os.Mkdir(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "knockd.toml")
	if out, said, status := imports(t, weakKnockd, "knockd", "-", "-o", file); status != exitDone || out != "" || !strings.Contains(said, "1 door imported") {
		t.Fatalf("status %d, %q, %q", status, out, said)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if cfg, err := loadConfig(file); err != nil || len(cfg.Doors) != 1 {
		t.Errorf("%v", err)
	}
	before, _ := os.ReadFile(file)
	if _, said, status := imports(t, weakKnockd, "knockd", "-", "-o", file); status != exitFailed || !strings.Contains(said, "it is there already") {
		t.Errorf("status %d: %s", status, said)
	}
	if after, _ := os.ReadFile(file); !bytes.Equal(before, after) {
		t.Error("it was written over")
	}
	if _, said, status := imports(t, weakKnockd, "knockd", "-", "-o", file, "--json"); status != exitUsage {
		t.Errorf("status %d: %s", status, said)
	}
	if _, said, status := imports(t, weakKnockd, "knockd", "-", "-o", "/dev/null/x.toml"); status != exitFailed || !strings.Contains(said, "write /dev/null/x.toml") {
		t.Errorf("status %d: %s", status, said)
	}
}

func TestImportAsJSON(t *testing.T) {
	out, _, status := imports(t, "SOURCE ANY\nKEY hunter2\nOPEN_PORTS tcp/22\n", "fwknop", "-", "--json")
	var r struct {
		Text  string
		Doors int
		Notes []struct {
			Line int
			Text string
		}
		Problems []struct {
			Line int
			Text string
		}
	}
	if err := json.Unmarshal([]byte(out), &r); err != nil || status != exitDone {
		t.Fatalf("%v, status %d: %s", err, status, out)
	}
	if r.Doors != 1 || len(r.Notes) != 1 || r.Notes[0].Line != 2 || len(r.Problems) == 0 || !strings.Contains(r.Text, "[[door]]") || strings.Contains(out, "hunter2") {
		t.Errorf("%s", out)
	}
}

func TestImportRefuses(t *testing.T) {
	for _, c := range []struct {
		name, stdin string
		args        []string
		status      int
		says        string
	}{
		{"no file", "", []string{"knockd"}, exitUsage, "usage: sallyport import knockd"},
		{"a file that is not there", "", []string{"knockd", "/nonexistent/knockd.conf"}, exitFailed, "no such file"},
		{"a folder", "", []string{"fwknop", "/"}, exitFailed, "import /"},
		{"nothing", "", []string{"knockd", "-"}, exitFailed, "standard input: has no [section]"},
		{"the other program's", "SOURCE ANY\n", []string{"knockd", "-"}, exitFailed, "want a configuration of knockd"},
		{"a binary", "[a]\x00", []string{"fwknop", "-"}, exitFailed, "is not text"},
		{"without end", strings.Repeat("#", 3<<20), []string{"knockd", "-"}, exitFailed, "want at most 1048576"},
	} {
		out, said, status := imports(t, c.stdin, c.args...)
		if status != c.status || out != "" || !strings.Contains(said, c.says) {
			t.Errorf("%s: status %d, printed %q and %q", c.name, status, out, said)
		}
	}
}

// The command that the import of fwknop proposes for a person works as it is
// printed, beside what was imported.
func TestImportedClientIsAdded(t *testing.T) {
	const access = "SOURCE 192.0.2.0/24\nREQUIRE_USERNAME Alice\nOPEN_PORTS tcp/22,udp/1194\nFW_ACCESS_TIMEOUT 60\nACCESS_EXPIRE 12/31/2199\nKEY x\n"
	out, _, status := imports(t, access, "fwknop", "-")
	if status != exitDone {
		t.Fatalf("status %d", status)
	}
	s := newServer(t, out)
	_, command, found := strings.Cut(out, "#  sallyport ")
	if !found {
		t.Fatalf("no command in\n%s", out)
	}
	command, _, _ = strings.Cut(command, "\n")
	words := strings.Fields(strings.ReplaceAll(command, "alice.pub", s.write("alice.pub", newEd25519(t))))
	s.must("", words...)
	c := findClient(s.load(), "alice")
	if c == nil || strings.Join(c.Doors, " ") != "ssh openvpn" || c.MaxOpen != time.Minute || c.Expires.Year() != 2199 {
		t.Errorf("%q made %+v", command, c)
	}
}
