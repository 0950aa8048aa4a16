//go:build linux && !client_only

package main

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"

	"sallyport/internal/demo"
	"sallyport/internal/lab/labtest"
)

// Without a daemon the door is open, and the demo must say so.
func TestDemoFailsWhereNothingIsGuarded(t *testing.T) {
	t.Parallel()
	labtest.Need(t, "netns")
	var out bytes.Buffer
	err := demo.Run(t.Context(), demo.Options{Out: &out, Executable: "/proc/self/exe", NoDaemon: true})
	if err == nil || !strings.Contains(err.Error(), "step 1, the door is closed") {
		t.Errorf("%v\n%s", err, &out)
	}
}

// The command itself, from outside any lab, as a user starts it.
func TestDemoCommand(t *testing.T) {
	t.Parallel()
	labtest.Need(t, "netns")
	admit(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "demo")
	cmd.Env = append(os.Environ(), actAsCommand+"=1", "SALLYPORT_LAB_OUTSIDE=")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if text := string(out); strings.Contains(text, "\x1b") || !strings.Contains(text, "Everything held") {
		t.Errorf("%s", text)
	}
}
