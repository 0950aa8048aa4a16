//go:build linux && !client_only

package main

import (
	"os"
	"path/filepath"
	"testing"
)

// A file that someone edits meanwhile is left alone.
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
