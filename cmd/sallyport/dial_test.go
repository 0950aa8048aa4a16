//go:build linux && !client_only

package main

import (
	"path/filepath"
	"strings"
	"testing"
)

// A mistyped -c does not reach the daemon of another configuration.
func TestConfigurationThatIsNotThere(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "sallyport.tmol")
	for _, words := range []string{
		"status", "open ssh --source 192.0.2.1", "revoke --all", "ban list", "ban add 192.0.2.1", "ban remove 192.0.2.1",
		"reload", "reload --dry-run", "confirm", "down",
	} {
		for _, path := range []string{missing, filepath.Dir(missing)} {
			_, said, status := call(t, "", append(strings.Fields(words), "-c", path)...)
			if status != exitFailed || !strings.Contains(said, path) {
				t.Errorf("%s: status %d, %q", words, status, said)
			}
		}
	}
}
