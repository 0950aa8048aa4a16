//go:build linux && !client_only

package main

import (
	"fmt"
	"strings"
	"testing"
)

// A file that makes the configuration bad can be removed; and anyone who removes
// it learns what still stands in the way.
func TestClientRemoveRepairs(t *testing.T) {
	s := newServer(t, oneDoor)
	s.write("conf.d/client-alice.toml", fmt.Sprintf("[[client]]\nname = \"alice\"\ndoors = [\"gone\"]\nkey = %q\n", strings.TrimSpace(newEd25519(t))))
	s.must("", "client", "remove", "alice")
	s.write("conf.d/client-bob.toml", "nonsense")
	s.write("conf.d/other.toml", "nonsense")
	if _, errs, status := s.sallyport("", "client", "remove", "bob"); status != exitFailed || !strings.Contains(errs, "until it has reloaded") || !strings.Contains(errs, "hint: ") {
		t.Errorf("status %d, %q", status, errs)
	}
}

func TestClientRemoveLeavesOthers(t *testing.T) {
	s := newServer(t, oneDoor)
	entry := func(name string) string {
		return fmt.Sprintf("[[client]]\nname = %q\ndoors = [\"ssh\"]\nkey = %q\n", name, strings.TrimSpace(newEd25519(t)))
	}
	team := s.write("conf.d/client-team.toml", entry("carol")+entry("dave"))
	s.refuses("", team+` defines client "carol" too`, "client", "remove", "team")
	s.refuses("", `client "dave" is defined at `+team, "client", "remove", "dave")
	s.write("conf.d/client-erin.toml", entry("erin")+"[[door]]\nname = \"web\"\nports = [\"tcp/443\"]\n")
	s.refuses("", `defines door "web" too`, "client", "remove", "erin")
}
