package config

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"testing/fstest"
)

// Every TOML snippet in the documents loads.
func TestSnippetsInDocuments(t *testing.T) {
	snippet := regexp.MustCompile("(?s)```toml\n(.*?)```")
	documents, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, document := range append(documents, "../../README.md") {
		text, err := os.ReadFile(document)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range snippet.FindAllSubmatch(text, -1) {
			found++
			if regexp.MustCompile(`^# ` + DefaultConsole).Match(m[1]) { // of the console, which has a file of its own
				if _, err := consoleOf(string(m[1])); err != nil {
					t.Errorf("%s: %v\n%s", document, err, m[1])
				}
				continue
			}
			if _, err := Load(fstest.MapFS{"s.toml": {Data: m[1], Mode: 0o600}}, "/s.toml"); err != nil {
				t.Errorf("%s: %v\n%s", document, err, m[1])
			}
		}
	}
	if found == 0 {
		t.Error("no snippets found")
	}
}
