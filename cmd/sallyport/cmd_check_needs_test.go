//go:build linux && !client_only

package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"sallyport/internal/key"
	"sallyport/internal/keyfile"
)

// What the daemon would lack is found before it starts.
func TestCheckLooksForWhatIsNamed(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the server runs on Linux only")
	}
	dir := t.TempDir()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	token, program := filepath.Join(dir, "api.token"), filepath.Join(dir, "opened")
	text := fmt.Sprintf("[daemon]\nstate_dir = %q\nsocket = %q\n[metrics]\nlisten = %q\n[api]\nlisten = \"127.0.0.1:%d\"\ntoken_file = %q\n[[door]]\nname = \"ssh\"\nports = [\"tcp/22\"]\n[[hook]]\non = [\"open\"]\ncommand = [%q]\n",
		dir, filepath.Join(dir, "control.sock"), listener.Addr(), freePort(t), token, program)
	path := filepath.Join(dir, "sallyport.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	found := func() (names []string) {
		out, _, _ := call(t, "", "check", "--json", "-c", path)
		var c checked
		if err := json.Unmarshal([]byte(out), &c); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		for _, p := range c.Problems {
			if slices.Contains([]string{"missing-file", "missing-program", "busy-listener"}, p.Rule) {
				names = append(names, p.Rule)
			}
		}
		slices.Sort(names)
		return names
	}
	if got := strings.Join(found(), " "); got != "busy-listener missing-file missing-program" {
		t.Errorf("nothing is there: found %q", got)
	}
	if err := os.WriteFile(program, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(found(), " "); got != "busy-listener missing-file missing-program" {
		t.Errorf("the program is not executable: found %q", got)
	}
	for file, mode := range map[string]os.FileMode{program: 0o700, token: 0o600} {
		if err := os.WriteFile(file, []byte("x"), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
	}
	listener.Close()
	if got := strings.Join(found(), " "); got != "" {
		t.Errorf("all is there: found %q", got)
	}
}

// A client for whose suites there is no server key knocks in vain.
func TestCheckNamesAClientWithoutAKey(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "sallyport.toml")
	text := fmt.Sprintf("[daemon]\nstate_dir = %q\n[spa]\nport = 40321\n[[door]]\nname = \"ssh\"\nports = [\"tcp/22\"]\n[[client]]\nname = \"alice\"\ndoors = [\"ssh\"]\nkey = %q\nsuites = [\"x25519\"]\n", dir, newProver(t).authorized())
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		suite key.Suite
		found bool
	}{{0, false}, {key.Hybrid, true}, {key.X25519, false}} {
		file := filepath.Join(dir, "server.key")
		if c.suite != 0 {
			os.Remove(file)
			if _, err := keyfile.Create(file, c.suite); err != nil {
				t.Fatal(err)
			}
		}
		if out, _, _ := call(t, "", "check", "-c", path); strings.Contains(out, `client "alice" may use none of the suites`) != c.found {
			t.Errorf("with a key of %v:\n%s", c.suite, out)
		}
	}
}

// freePort returns a port at which nobody listens.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
