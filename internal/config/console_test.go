package config

import (
	"net/netip"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
)

const consoleFile = "/etc/sallyport-console/console.toml"

func consoleOf(text string) (*Console, error) {
	return LoadConsole(fstest.MapFS{consoleFile[1:]: {Data: []byte(text), Mode: 0o640}}, consoleFile)
}

// Without a file, and with the one that is shown, the console is as it is by default.
func TestConsoleDefaults(t *testing.T) {
	reference, err := os.ReadFile("console.toml")
	if err != nil {
		t.Fatal(err)
	}
	want := &Console{
		Path: consoleFile, Listen: netip.MustParseAddrPort("127.0.0.1:9479"), Socket: DefaultSocket, StateDir: "/var/lib/sallyport-console", RunDir: "/run/sallyport-console",
		Idle: 30 * time.Minute, Longest: 12 * time.Hour,
	}
	same := cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })
	for name, text := range map[string]string{"reference": string(reference), "a comment": "# nothing\n"} {
		if c, err := consoleOf(text); err != nil || cmp.Diff(want, c, same) != "" {
			t.Errorf("%s: %v\n%s", name, err, cmp.Diff(want, c, same))
		}
	}
	if c, err := LoadConsole(fstest.MapFS{}, consoleFile); err != nil || cmp.Diff(want, c, same) != "" {
		t.Errorf("no file: %v\n%s", err, cmp.Diff(want, c, same))
	}
	if _, err := LoadConsole(fstest.MapFS{}, "/other.toml"); err == nil {
		t.Error("another file, which is not there")
	}
}

// Every key stands in the file that is shown, and what is commented out there is valid.
func TestConsoleReference(t *testing.T) {
	text, err := os.ReadFile("console.toml")
	if err != nil {
		t.Fatal(err)
	}
	key := regexp.MustCompile(`(?m)^# ((\[|[a-z_]+ = ).*)$`)
	all := key.ReplaceAllString(string(text), "$1")
	socket, address, ok := strings.Cut(all, "# At an address instead of a socket:\n")
	if !ok {
		t.Fatal("the reference shows no address for a proxy")
	}
	c, err := consoleOf(socket)
	if err != nil || c.Origin != "https://gate.example.net" || c.User("alice") == nil || c.User("alice").Rights != "act" || c.Proxy.Peer != "caddy" || c.Proxy.UserHeader != "Remote-User" {
		t.Errorf("%+v, %v", c, err)
	}
	before, _, _ := strings.Cut(socket, "[proxy]")
	c, err = consoleOf(before + "[proxy]\n" + address)
	if err != nil || c.Proxy.ClientName != "proxy.example.net" || c.Host() != "gate.example.net" {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestConsoleRefuses(t *testing.T) {
	const origin = "[console]\norigin = \"https://gate.example.net\"\n"
	for text, want := range map[string]string{
		"[console]\nlisten = \"0.0.0.0:9479\"":                                                       `:2: console: listen: without TLS a session could be overheard`,
		"[console]\nlisten = \"/run/x\"":                                                             `:2: console: listen: want an address and a port`,
		"[console]\nlisten = \"gate:9479\"":                                                          `:2: console: listen = "gate:9479": want an address and a port`,
		"[console]\norigin = \"https://192.0.2.7\"":                                                  `want a name: browsers make no passkey for an address`,
		"[console]\norigin = \"https://[2001:db8::1]\"":                                              `want a name: browsers make no passkey for an address`,
		"[console]\norigin = \"https://localhost\"":                                                  `want a name of this gate`,
		"[console]\norigin = \"https://x.localhost\"":                                                `want a name of this gate`,
		"[console]\norigin = \"http://gate.example\"":                                                `want the address by which browsers reach the console`,
		"[console]\norigin = \"https://gate.example/\"":                                              `without a path`,
		"[console]\norigin = \"https://Gate.example\"":                                               `without a path`,
		"[console]\norigin = \"https://u@gate.example\"":                                             `without a path`,
		"[console]\norigin = \"https://gate.ex:443\"":                                                `without a path`,
		"[console]\norigin = \"https://gate\"":                                                       `without a path`,
		origin:                                                                                       `origin: nothing serves it`,
		"[console]\ntls_cert = \"/a\"":                                                               `tls_cert and tls_key go together`,
		"[console]\ntls_cert = \"/a\"\ntls_key = \"/b\"":                                             `origin is missing`,
		"[console]\nidle = \"1s\"":                                                                   `:2: console: idle = "1s": want 1m to 12h`,
		"[console]\nlongest = \"48h\"":                                                               `want 10m to 24h`,
		"[console]\nadmin = true":                                                                    `unknown key "admin"`,
		"[consol]\n":                                                                                 `:1: unknown key "consol": did you mean "console"?`,
		"[[user]]\nrights = \"act\"":                                                                 `:1: user: name is missing`,
		"[[user]]\nname = \"a b\"":                                                                   `:2: user: name = "a b": want a name of 1 to 64`,
		"[[user]]\nname = \"a\"\nrights = \"root\"":                                                  `:3: user "a": rights = "root": want "view" or "act" or "admin"`,
		"[[user]]\nname = \"a\"\n[[user]]\nname = \"a\"":                                             `:3: user "a": is there twice: first at `,
		origin + "[proxy]\nlisten = \"/run/x\"":                                                      `:4: proxy: peer is missing`,
		origin + "[proxy]\npeer = \"caddy\"":                                                         `listen is missing`,
		origin + "[proxy]\nlisten = \"127.0.0.1:1\"":                                                 `the proxy has to show a certificate`,
		origin + "[proxy]\nlisten = \"127.0.0.1:1\"\npeer = \"caddy\"":                               `the proxy has to show a certificate`,
		origin + "[proxy]\nlisten = \"/run/x\"\npeer = \"@caddy\"":                                   `peer = "@caddy": want the name or number of the user`,
		origin + "[proxy]\nlisten = \"/run/x\"\npeer = \"caddy\"\ntls_cert = \"/a\"":                 `a socket has no TLS`,
		origin + "[proxy]\nlisten = \"/run/x\"\npeer = \"caddy\"\nuser_header = \"Cookie\"":          `user_header = "Cookie": want a header that begins with`,
		origin + "[proxy]\nlisten = \"/run/x\"\npeer = \"caddy\"\nuser_header = \"X-Forwarded-For\"": `user_header = "X-Forwarded-For": want`,
		"[proxy]\nlisten = \"/run/x\"\npeer = \"caddy\"":                                             `origin is missing`,
		"[console]\n[console]\n":                                                                     `:2: `,
		"[[client]]\nname = \"a\"":                                                                   `unknown key "client"`,
		"":                                                                                           `is empty`,
		"[console]\nsocket = \"run/x\"":                                                              `want an absolute path`,
	} {
		c, err := consoleOf(text)
		if err == nil || c != nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\n%v\nwant %q", text, err, want)
		}
	}
	fsys := fstest.MapFS{consoleFile[1:]: {Data: []byte("# x\n"), Mode: 0o666}}
	if _, err := LoadConsole(fsys, consoleFile); err == nil || !strings.Contains(err.Error(), "everybody may change this file") {
		t.Errorf("%v", err)
	}
}

// Whatever stands in the file, reading it ends, and gives a configuration or mistakes.
func FuzzConsole(f *testing.F) {
	text, err := os.ReadFile("console.toml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(text))
	f.Add("[[user]]\nname = \"a\"\n[proxy]\nlisten = \"/x\"\n")
	f.Fuzz(func(t *testing.T, text string) {
		if c, err := consoleOf(text); (c == nil) == (err == nil) {
			t.Errorf("%v, %v", c, err)
		}
	})
}
