//go:build linux

package daemon

import (
	"strings"
	"testing"
)

// Who may use no suite of which there is a key is named, with what mends it, and
// that mends it.
func TestClientsWithoutAKeyOfTheirSuite(t *testing.T) {
	h := newHouse(t)
	only := spaOn + doorSSH + client("alice") + "suites = [\"x25519\"]\n"
	said := func() string { return h.daemon.problems.Get(suitesSubject) }
	h.configure(only)
	h.start()
	if text := said(); !strings.Contains(text, `client "alice"`) || !strings.Contains(text, "server-key rotate --suite x25519") {
		t.Errorf("status says %q", text)
	}
	reload := func(text string) {
		t.Helper()
		h.configure(text)
		if _, err := h.daemon.Reload(t.Context(), reloadNow); err != nil {
			t.Fatal(err)
		}
	}
	for name, mended := range map[string]string{
		"all suites":        spaOn + doorSSH + client("alice"),
		"no SPA":            doorSSH,
		"a key of browsers": strings.Replace(only, spaOn, spaOn+"stun = true\n", 1), // which stays
	} {
		reload(mended)
		if text := said(); text != "" {
			t.Errorf("%s: status says %q", name, text)
		}
	}
}
