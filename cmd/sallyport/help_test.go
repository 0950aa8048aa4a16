package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/internal/key"
)

// call runs a command line in this process.
func call(t *testing.T, input string, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	var out, errs bytes.Buffer
	status = run(t.Context(), args, stdio{strings.NewReader(input), &out, &errs})
	return out.String(), errs.String(), status
}

// emptyHome gives the test a home without keys, profiles or agent.
func emptyHome(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("HOME", dir)
	t.Setenv("XDG_CONFIG_HOME", filepath.Join(dir, ".config"))
	t.Setenv("SSH_AUTH_SOCK", "")
	return dir
}

func newServerKey(t *testing.T) string {
	t.Helper()
	private, err := key.Generate(key.X25519)
	if err != nil {
		t.Fatal(err)
	}
	return private.Public().Text()
}
