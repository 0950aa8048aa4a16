//go:build linux && !client_only

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/internal/consent"
)

// Whatever file a command is given that is not what it wants, it says so in one
// sentence of ours, fails, and writes nothing.
func TestFilesThatAreSomethingElse(t *testing.T) {
	s := wrongWorld(t)
	dir := t.TempDir()
	for name, text := range map[string]string{
		"empty": "", "zeros": strings.Repeat("\x00", 4096), "binary": "\x7fELF\x02\x01\xff\xfe\x80\n\r\n", "json": "{\"a\":1}\n", "null": "null\n",
		"list": "[1,2]\n", "cut": "{\"results\":[{", "deep": strings.Repeat("[", 200_000), "long": strings.Repeat("x", 5_000_000), "escapes": "\x1b]0;title\a\x1b[2J\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	files = append(files, filepath.Join(dir, "none"), "/dev/null")
	made := filepath.Join(t.TempDir(), "made")
	for _, command := range []string{
		"guide -c CONFIG --policy FILE", "check --offline -c CONFIG --policy FILE", "drill -c CONFIG --since FILE", "drill -c CONFIG --result TOKEN FILE", "observe report --file FILE", "page --with FILE",
		"init --dir MADE --state MADE --socket MADE --yes --from-observed=FILE", "import sequences FILE", "import fwknop FILE", "add FILE", "events --journal FILE", "findings --journal FILE",
	} {
		for _, file := range files {
			words := strings.Fields(strings.NewReplacer("CONFIG", s.config, "TOKEN", consent.Token{}.Identified([consent.RandomSize]byte{}).String(), "FILE", file, "MADE", made).Replace(command))
			text, status := s.answers(words...)
			if status == exitDone || strings.Count(text, "sallyport: ") != 1 || strings.ContainsAny(text, "\x00\x1b\a") ||
				strings.Contains(text, "looking for beginning") || strings.Contains(text, "EOF") {
				t.Errorf("sallyport %q: status %d\n%.400q", words, status, text)
			}
			if _, err := os.Stat(made); err == nil {
				t.Fatalf("sallyport %q has left something behind", words)
			}
		}
	}
}
