//go:build linux && !client_only

package main

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// completed returns what a shell offers after some words.
func completed(t *testing.T, words ...string) []string {
	t.Helper()
	var out bytes.Buffer
	if status := run(t.Context(), append([]string{"__complete"}, words...), stdio{strings.NewReader(""), &out, &bytes.Buffer{}}); status != exitDone {
		t.Fatalf("%q: status %d, %s", words, status, out.String())
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	var list []string
	for _, line := range lines {
		name, _, _ := strings.Cut(line, "\t")
		list = append(list, name)
	}
	slices.Sort(list[:len(list)-1])
	return list
}

// The last word is cobra's directive: :4 keeps files from being offered, :0
// and :8 do not.
func TestCompletions(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", dir)
	path := filepath.Join(dir, "gate.toml")
	text := "[spa]\nport = 23000\n[[door]]\nname = \"ssh\"\nports = [\"tcp/22\"]\n[[door]]\nname = \"web\"\nports = [\"tcp/443\"]\n" +
		"[[client]]\nname = \"alice\"\ndoors = [\"ssh\"]\nkey = \"" + strings.TrimSpace(newEd25519(t)) + "\"\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		"open -c " + path:                       "ssh web :4",
		"open -c " + path + " ssh":              ":4",
		"open -c " + path + " w":                "web :4",
		"open -c /nonexistent":                  ":4",
		"door rotate -c " + path:                "ssh web :4",
		"client rotate -c " + path:              "alice :4",
		"client remove -c " + path:              "alice :4",
		"client add bob -c " + path + " --door": "ssh web :4",
		"client add bob --key":                  ":0",
		"revoke -c " + path + " --client":       "alice :4",
		"why -c " + path:                        "alice me ssh web :4",
		"events -c " + path + " --door":         "ssh web :4",
		"check --severity":                      "error info warning :4",
		"check -c":                              "toml :8",
		"findings --severity h":                 "high :4",
		"init --suite":                          "mlkem768-x25519 x25519 :4",
		"events --format":                       "ecs ocsf :4",
		"status":                                ":4",
		"knock":                                 ":4",
		"add":                                   ":0",
		"import knockd":                         ":0",
		"client":                                "add invite label list profile remove rotate :4",
	} {
		words := strings.Fields(line)
		if last := words[len(words)-1]; last != "w" && last != "h" {
			words = append(words, "")
		}
		if got := strings.Join(completed(t, words...), " "); got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}

func TestCompletedCommandsExist(t *testing.T) {
	root := newRoot(stdio{})
	for _, path := range slices.Sorted(maps.Keys(argumentNames)) {
		cmd, rest, err := root.Find(strings.Fields(path)[1:])
		if err != nil || len(rest) > 0 || cmd.CommandPath() != path {
			t.Errorf("%s: %v, %q", path, err, rest)
		}
	}
	for _, path := range argumentFiles {
		if cmd, rest, err := root.Find(strings.Fields(path)[1:]); err != nil || len(rest) > 0 || cmd.CommandPath() != path {
			t.Errorf("%s: %v, %q", path, err, rest)
		}
	}
}
