//go:build !linux || client_only

package main

import (
	"strings"
	"testing"
)

func TestServerCommandsSayWhatIsMissing(t *testing.T) {
	for _, words := range []string{"serve", "client add alice --key x", "status -c gate.toml", "demo --help"} {
		if _, said, status := call(t, "", strings.Fields(words)...); status != exitFailed || !strings.Contains(said, "needs Linux") {
			t.Errorf("%s: status %d, %q", words, status, said)
		}
	}
}
