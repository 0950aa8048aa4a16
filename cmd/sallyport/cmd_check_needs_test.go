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
