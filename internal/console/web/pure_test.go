package web

import (
	"os/exec"
	"testing"
)

// The deciding parts of the page, and its texts, are tested by Node without a browser.
func TestParts(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("needs node")
	}
	cmd := exec.CommandContext(t.Context(), node, "--test", "--test-reporter=tap", "test/")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
