package client_test

import (
	"bytes"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/client"
	"sallyport/internal/key"
)

// serverKey is a key whose text is short.
func serverKey(t testing.TB) string {
	t.Helper()
	private, err := key.Generate(key.X25519)
	if err != nil {
		t.Fatal(err)
	}
	return private.Public().Text()
}

// full is a profile in which everything is said.
func full(t testing.TB) *client.Profile {
	return &client.Profile{
		Name:      "office",
		Host:      "gate.example.org",
		Port:      40321,
		ServerKey: serverKey(t),
		Doors:     []string{"ssh", "db"},
		Identity:  "~/.ssh/id ed25519",
		Bind:      []netip.Addr{netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("2001:db8::7")},
		Skew:      90 * time.Second,
	}
}

func TestProfileText(t *testing.T) {
	p := full(t)
	want := "# sallyport profile v1: keep this to yourself\n" +
		"name = office\nhost = gate.example.org\nport = 40321\nserver_key = " + p.ServerKey + "\n" +
		"doors = ssh, db\nidentity = ~/.ssh/id ed25519\nbind = 192.0.2.7, 2001:db8::7\nskew = 90s\n"
	if got := string(p.Marshal()); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	for _, p := range []*client.Profile{p, {Name: "a", Host: "::1", Port: 1, ServerKey: p.ServerKey}, {Name: "a", Host: "fe80::1%eth0", Port: 1, ServerKey: p.ServerKey, BindLocal: true}} {
		got, err := client.ParseProfile(p.Marshal())
		if err != nil || !reflect.DeepEqual(got, p) {
			t.Errorf("got %+v, %v\nwant %+v", got, err, p)
		}
	}
}

func TestBadProfiles(t *testing.T) {
	p := full(t)
	text := string(p.Marshal())
	flipped := []byte(p.ServerKey)
	flipped[40] ^= 1
	tests := []struct{ name, from, to, want string }{
		{"typo in a key", "host =", "hots =", `line 3: "hots" is not a key: want one of name, host,`},
		{"no value", "host = gate.example.org\n", "host\n", `line 3: "host": want KEY = VALUE`},
		{"empty value", "doors = ssh, db", "doors = ", `line 6: doors = "": want door names`},
		{"missing", "host = gate.example.org\n", "", "the profile: host is missing"},
		{"missing at the end", text[strings.Index(text, "server_key"):], "", "server_key is missing"},
		{"twice", "port = 40321\n", "port = 40321\nport = 40321\n", `line 5: "port" stands there twice`},
		{"wrong order", "doors = ssh, db\nidentity = ~/.ssh/id ed25519\n", "identity = ~/.ssh/id ed25519\ndoors = ssh, db\n", `line 7: "doors" has to stand before "identity": the order is name, host, port, server_key, doors, identity,`},
		{"host behind doors", text[strings.Index(text, "host ="):], strings.Replace(text[strings.Index(text, "port ="):], "identity", "host = gate.example.org\nidentity", 1), `line 6: "host" has to stand before "doors"`},
		{"port 0", "40321", "0", `line 4: port = "0": want a UDP port, 1 to 65535`},
		{"port too large", "40321", "70000", `want a UDP port`},
		{"port with a zero", "40321", "040321", `want a UDP port`},
		{"option as host", "gate.example.org", "-oProxyCommand", `line 3: host = "-oProxyCommand"`},
		{"space in host", "gate.example.org", "gate example", "want the name or address"},
		{"host with a port", "gate.example.org", "gate:22", "want the name or address"},
		{"name with a path", "office", "../office", `line 2: name = "../office": want a name`},
		{"truncated key", p.ServerKey, p.ServerKey[:len(p.ServerKey)-3], "line 5: server_key: "},
		{"damaged key", p.ServerKey, string(flipped), "line 5: server_key: "},
		{"SSH key as server key", p.ServerKey, "ssh-ed25519 AAAA", "copy it again from the server"},
		{"door twice", "ssh, db", "ssh, ssh", "want door names"},
		{"doors without a space", "ssh, db", "ssh,db", "want door names"},
		{"bind to anything", "192.0.2.7,", "0.0.0.0,", "at most one address a family"},
		{"two of a family", "2001:db8::7", "192.0.2.8", "at most one address a family"},
		{"octal", "192.0.2.7", "192.0.02.7", "at most one address a family"},
		{"skew without a unit", "90s", "90", "want a time in whole seconds"},
		{"skew in minutes", "90s", "1m30s", "want a time in whole seconds"},
		{"skew too short", "90s", "5s", "10s to 600s"},
		{"first line", "# sallyport", "# Sallyport", "line 1: want"},
		{"cut off", "skew = 90s\n", "skew = 90s", "line 9: the last line has no end"},
		{"empty line", "port =", "\nport =", "want KEY = VALUE"},
		{"Windows line ends", "\n", "\r\n", "Unix line ends"},
		{"huge", "office", strings.Repeat("x", 20000), "is this a profile?"},
	}
	for _, test := range tests {
		_, err := client.ParseProfile([]byte(strings.ReplaceAll(text, test.from, test.to)))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v\nwant %s", test.name, err, test.want)
		}
	}
}

// A value with a line end in it would make a field of its own.
func TestValidate(t *testing.T) {
	if err := full(t).Validate(); err != nil {
		t.Error(err)
	}
	for name, spoil := range map[string]func(*client.Profile){
		"line end":   func(p *client.Profile) { p.Identity, p.Bind, p.Skew = "x\nskew = 60s", nil, 0 },
		"no host":    func(p *client.Profile) { p.Host = "" },
		"fine skew":  func(p *client.Profile) { p.Skew = time.Millisecond },
		"no address": func(p *client.Profile) { p.Bind = []netip.Addr{{}} },
	} {
		p := full(t)
		spoil(p)
		if err := p.Validate(); err == nil {
			t.Errorf("%s: valid", name)
		}
	}
}

// What is accepted is exactly what would be written.
func FuzzProfile(f *testing.F) {
	f.Add(full(f).Marshal())
	f.Add([]byte("# sallyport profile v1: keep this to yourself\nname = a\n"))
	f.Add([]byte("name = a\r\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := client.ParseProfile(text)
		if err == nil && !bytes.Equal(p.Marshal(), text) {
			t.Errorf("read %q\nwrote %q", text, p.Marshal())
		}
	})
}

func TestStore(t *testing.T) {
	home(t)
	if names, err := client.List(); err != nil || len(names) > 0 {
		t.Fatalf("at first there are %q, %v", names, err)
	}
	if _, err := client.Load("office"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	p := full(t)
	for _, name := range []string{"office", "home"} {
		p.Name = name
		if err := client.Save(p); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := client.Load("home"); err != nil || !reflect.DeepEqual(got, p) {
		t.Errorf("got %+v, %v", got, err)
	}
	if names, err := client.List(); err != nil || !slices.Equal(names, []string{"home", "office"}) {
		t.Errorf("there are %q, %v", names, err)
	}
	if err := client.Remove("home"); err != nil {
		t.Error(err)
	}
	if err := client.Remove("home"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("removed twice: %v", err)
	}
	for _, name := range []string{"", "../office", "Office"} {
		if _, err := client.Load(name); err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%q: got %v", name, err)
		}
	}
}

func TestProfilesArePrivate(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no modes")
	}
	home(t)
	if err := client.Save(full(t)); err != nil {
		t.Fatal(err)
	}
	dir, err := client.Dir()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "office.profile")
	for p, want := range map[string]fs.FileMode{dir: 0o700, path: 0o600} {
		if info, err := os.Stat(p); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: mode %v, %v: want %v", p, info.Mode(), err, want)
		}
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Load("office"); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("readable by others: got %v", err)
	}
}

func TestProfileUnderAnotherName(t *testing.T) {
	home(t)
	if err := client.Save(full(t)); err != nil {
		t.Fatal(err)
	}
	dir, _ := client.Dir()
	if err := os.Rename(filepath.Join(dir, "office.profile"), filepath.Join(dir, "home.profile")); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Load("home"); err == nil || !strings.Contains(err.Error(), `the name is "office"`) {
		t.Errorf("got %v", err)
	}
}

func TestSuggestName(t *testing.T) {
	for host, want := range map[string]string{
		"gate.example.org":      "gate",
		"GATE":                  "gate",
		"192.0.2.1":             "192.0.2.1",
		"2001:db8::1":           "2001-db8--1",
		"::1":                   "1",
		"::":                    "server",
		strings.Repeat("x", 40): strings.Repeat("x", 32),
	} {
		p := full(t)
		p.Name = client.SuggestName(host)
		if err := p.Validate(); p.Name != want || err != nil {
			t.Errorf("%s: got %q, want %q (%v)", host, p.Name, want, err)
		}
	}
}
