//go:build linux && !client_only

package main

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"sallyport/internal/manual"
)

// A result that a full disk does not take is a failure of whichever command, so
// that no script goes on with half of it. Of each command the help is a result.
func TestResultsThatAreLost(t *testing.T) {
	emptyHome(t)
	s := newServer(t, oneDoor)
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer full.Close()
	lines := [][]string{{"version"}, {"check", "--offline", "-c", s.config}, {"config", "show", "-c", s.config}, {"door", "list", "-c", s.config},
		{"drill", "--list", "-c", s.config}, {"guide", "-c", s.config}, {"guide", "--html", "-", "-c", s.config}, {"page"}, {"completion", "bash"}}
	for _, cmd := range manual.Commands(newRoot(stdio{})) {
		lines = append(lines, append(strings.Fields(cmd.CommandPath())[1:], "--help"))
	}
	for _, line := range lines {
		var errs bytes.Buffer
		status := run(t.Context(), line, stdio{strings.NewReader(""), full, &errs})
		if status != exitFailed || strings.Count(errs.String(), "sallyport: ") != 1 || !strings.Contains(errs.String(), "no space left on device") {
			t.Errorf("sallyport %q: status %d, %q", line, status, errs.String())
		}
	}
}
