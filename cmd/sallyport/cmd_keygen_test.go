package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestKeygen(t *testing.T) {
	home := emptyHome(t)
	path := filepath.Join(home, ".ssh", "id_ed25519")
	if out, errs, status := call(t, "", "keygen", "--no-passphrase", "-C", "me"); status != 0 || !strings.Contains(out, "ssh-ed25519 AAAA") {
		t.Fatalf("status %d\n%s%s", status, out, errs)
	}
	for p, want := range map[string]os.FileMode{path: 0o600, path + ".pub": 0o644} {
		if info, err := os.Stat(p); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", p, info, err)
		}
	}
	before, _ := os.ReadFile(path)
	if _, errs, status := call(t, "", "keygen", "--no-passphrase"); status != 1 || !strings.Contains(errs, "is left alone") {
		t.Errorf("again: status %d\n%s", status, errs)
	}
	if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
		t.Error("the key was overwritten")
	}
}
