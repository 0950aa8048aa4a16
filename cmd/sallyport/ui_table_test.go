//go:build linux && !client_only

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func TestColoursOnTerminalsOnly(t *testing.T) {
	path := keepEvents(t, someEvents())
	f, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if status := run(t.Context(), []string{"events", "--journal", path}, stdio{nil, f, f}); status != 0 {
		t.Fatal(status)
	}
	out, err := os.ReadFile(f.Name())
	if err != nil || bytes.Contains(out, []byte("\x1b")) || len(out) == 0 {
		t.Errorf("%q, %v", out, err)
	}
}
