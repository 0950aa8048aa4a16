package config

import (
	"errors"
	"io/fs"
	"net/netip"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/ssh"

	"sallyport/internal/packet"
	"sallyport/internal/sequence"
)

const (
	dir   = "/etc/sallyport/"
	main  = dir + "sallyport.toml"
	aKey  = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDDhD78bv1xi7z4WjU6K52xtsZ86oxYkSuJ6lO/7urRq alice@laptop"
	alice = `{name="alice", doors=["ssh"], key="` + aKey + `"}`
	aDoor = `{name="ssh", ports=["tcp/22"]}`
)

// tree makes a file system of pairs of names below dir and contents.
func tree(pairs ...string) fstest.MapFS {
	fsys := make(fstest.MapFS)
	for i := 0; i < len(pairs); i += 2 {
		fsys[strings.TrimPrefix(dir, "/")+pairs[i]] = &fstest.MapFile{Data: []byte(pairs[i+1]), Mode: 0o640}
	}
	return fsys
}

func loaded(t testing.TB, pairs ...string) *Config {
	t.Helper()
	c, err := Load(tree(pairs...), main)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// refuses checks the exact text of the error.
func refuses(t *testing.T, fsys fs.FS, want string) {
	t.Helper()
	c, err := Load(fsys, main)
	if err == nil {
		t.Fatalf("loaded; want the error\n%s", want)
	}
	if c != nil {
		t.Error("an error, and a configuration too")
	}
	if got := err.Error(); got != want {
		t.Errorf("error:\n got %s\nwant %s", got, want)
	}
}

var ports = packet.MustPorts

func TestDefaults(t *testing.T) {
	c := loaded(t, "sallyport.toml", `door = [`+aDoor+`]`)
	want := &Config{
		Path:     main,
		Daemon:   Daemon{StateDir: "/var/lib/sallyport", Socket: "/run/sallyport/control.sock"},
		Gate:     Gate{Policy: PolicyDoors, Closed: ClosedDrop},
		SPA:      SPA{ClockSkew: time.Minute, Ack: true, ServerKey: "/var/lib/sallyport/server.key"},
		Rotating: Rotating{Shape: sequence.DefaultShape, Within: 10 * time.Second},
		Journal:  Journal{"/var/lib/sallyport/journal.db", 90 * day, 256 << 20, true},
		Detect:   defaultDetect,
		Ban:      Ban{For: time.Hour, Tries: 3},
		Moat:     Moat{Mode: MoatAuto},
		Doors: []Door{{
			Name: "ssh", Ports: ports("tcp/22"), OpenFor: 30 * time.Second, Within: 10 * time.Second, WithoutFleet: 24 * time.Hour,
			Place: Place{main, 1},
		}},
	}
	if d := cmp.Diff(want, c, cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); d != "" {
		t.Error(d)
	}
}

func TestServerKeyLivesInStateDir(t *testing.T) {
	c := loaded(t, "sallyport.toml", `daemon.state_dir = "/srv/gate/"`)
	if c.SPA.ServerKey != "/srv/gate/server.key" || c.Daemon.StateDir != "/srv/gate" {
		t.Errorf("server key %q in %q", c.SPA.ServerKey, c.Daemon.StateDir)
	}
}

func TestConfDAddsUp(t *testing.T) {
	c := loaded(t,
		"sallyport.toml", "[gate]\npolicy = \"all\"\n[[door]]\nname = \"b\"\nports = [\"tcp/2\"]",
		"conf.d/20.toml", "[[door]]\nname = \"d\"\nports = [\"tcp/4\"]",
		"conf.d/10.toml", "[gate]\nclosed = \"reject\"\n\n[[door]]\nname = \"a\"\nports = [\"tcp/1\"]\n[[client]]\nname = \"alice\"\ndoors = [\"d\"]\nkey = \""+aKey+"\"",
		"conf.d/README", "not [ TOML",
		"conf.d/old.toml.bak", "nor { this",
		"conf.d/.hidden.toml", "nor this",
	)
	var names []string
	for _, d := range c.Doors {
		names = append(names, d.Name+" "+d.Place.String())
	}
	want := []string{"b " + main + ":3", "a " + dir + "conf.d/10.toml:4", "d " + dir + "conf.d/20.toml:1"}
	if d := cmp.Diff(want, names); d != "" {
		t.Error(d)
	}
	if c.Gate.Policy != PolicyAll || c.Gate.Closed != ClosedReject || len(c.Clients) != 1 {
		t.Errorf("gate %+v, %d clients", c.Gate, len(c.Clients))
	}
}

func TestEqualSequencesOpenBothDoors(t *testing.T) {
	const s = `sequence=["tcp/9","udp/3"]}`
	c := loaded(t, "sallyport.toml", `door = [{name="a", ports=["tcp/1"], `+s+`, {name="b", ports=["tcp/2"], `+s+`]`)
	if len(c.Doors) != 2 {
		t.Errorf("%d doors", len(c.Doors))
	}
}

func TestExpires(t *testing.T) {
	for text, want := range map[string]string{
		`2027-01-31`:                  "2027-01-31T00:00:00Z",
		`"2027-01-31"`:                "2027-01-31T00:00:00Z",
		`2027-01-31T18:00:00+01:00`:   "2027-01-31T17:00:00Z",
		`2027-01-31 18:00:00z`:        "2027-01-31T18:00:00Z",
		`"2027-01-31T18:00:00-01:00"`: "2027-01-31T19:00:00Z",
	} {
		c := loaded(t, "sallyport.toml", "door=["+aDoor+"]\nclient=[{name='a', doors=['ssh'], key='"+aKey+"', expires="+text+"}]")
		if got := c.Clients[0].Expires.Format(time.RFC3339); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

func TestErrorsAreAllToldInOrder(t *testing.T) {
	fsys := tree("sallyport.toml", "[spa]\nport = 70000\n[gate]\nclosed = \"deny\"", "conf.d/a.toml", "[[door]]\nname = \"A\"\nports = []")
	refuses(t, fsys, dir+`conf.d/a.toml:2: door: name = "A": want a name of 1 to 32 characters, a-z 0-9 . _ -, beginning with a letter or digit
`+dir+`conf.d/a.toml:3: door: ports is missing: want at least one port, such as ["tcp/22"]
`+main+`:2: spa: port = 70000: want 0 to 65535
`+main+`:4: gate: closed = "deny": want "drop" or "reject"`)
}

func TestErrorsAreBounded(t *testing.T) {
	for _, c := range []struct {
		doors, kept int // each lacks a name and ports
		last        string
	}{
		{10, 20, main + `:10: door: ports is missing: want at least one port, such as ["tcp/22"]`},
		{100, 200, "and 180 more"},
		{9999, maxErrors, "and at least 980 more"},
	} {
		_, err := Load(tree("sallyport.toml", strings.Repeat("[[door]]\n", c.doors)), main)
		lines := strings.Split(err.Error(), "\n")
		if len(lines) > shown+1 || lines[len(lines)-1] != c.last {
			t.Errorf("%d doors: %d lines, the last %q", c.doors, len(lines), lines[len(lines)-1])
		}
		var list Errors
		if !errors.As(err, &list) || len(list) != c.kept || list[0].Place != (Place{main, 1}) {
			t.Errorf("%d doors: %d errors", c.doors, len(list))
		}
	}
}

func TestMissingFileIsRecognised(t *testing.T) {
	if _, err := Load(tree(), main); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v, want fs.ErrNotExist inside", err)
	}
}

func TestReferenceLoads(t *testing.T) {
	c, err := Load(fstest.MapFS{
		"a.toml":                        {Data: []byte(Reference), Mode: 0o600},
		"etc/sallyport/authorized_keys": {Mode: 0o600},
		"etc/sallyport/ssh.sequences":   {Data: []byte("udp/1200 tcp/1100 tcp/1300\n"), Mode: 0o600},
	}, "/a.toml")
	if err != nil {
		t.Fatal(err)
	}
	d, cl := c.Doors[0], c.Clients[0]
	if len(d.Sequence) != 3 || len(d.To) != 1 || cl.Expires.IsZero() || cl.MaxOpen != 10*time.Minute || cl.Key.Type() != ssh.KeyAlgoED25519 {
		t.Errorf("door %+v, client %+v", d, cl)
	}
}

// offered lists the keys that the loader offers below a header.
func offered(header string) []string {
	_, err := Load(tree("sallyport.toml", header+"zzzzzzzzzzzz=1"), main)
	_, list, _ := strings.Cut(err.Error(), `unknown key "zzzzzzzzzzzz": want `)
	list, _, _ = strings.Cut(list, "\n")
	return strings.Split(strings.Replace(list, " or ", ", ", 1), ", ")
}

// What the loader knows is what it offers in place of an unknown key.
func TestReferenceHasEveryKey(t *testing.T) {
	root, ok := parse(file{path: "reference", data: []byte(Reference)}, new(Errors))
	if !ok {
		t.Fatal("not valid TOML")
	}
	known := 0
	for _, table := range offered("") {
		v := root.values[table]
		if v == nil {
			t.Errorf("no table %s", table)
			continue
		}
		in := v.table
		if in == nil {
			in = v.items[0].table
		}
		header := "[" + table + "]\n"
		if v.table == nil {
			header = "[" + header[:len(header)-1] + "]\n"
		}
		for _, key := range offered(header) {
			known++
			if in.values[key] == nil {
				t.Errorf("no key %q in %s", key, table)
			}
		}
	}
	if known != 125 {
		t.Errorf("%d keys known, want 125: correct this figure if a key came or went", known)
	}
}

func TestSocketIsFoundInABrokenConfiguration(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"good":               {"[daemon]\nsocket = \"/run/x.sock\"\n", "/run/x.sock"},
		"a mistake":          {"[daemon]\nsocket = \"/run/x.sock\"\ncolour = 7\n", "/run/x.sock"},
		"broken off after":   {"[daemon]\nsocket = \"/run/x.sock\"\n[[door", "/run/x.sock"},
		"unreadable":         {"\x00", DefaultSocket},
		"a socket of no use": {"[daemon]\nsocket = 7\n", DefaultSocket},
		"none named":         {"", DefaultSocket},
	} {
		fsys := fstest.MapFS{"etc/s.toml": &fstest.MapFile{Data: []byte(c.text), Mode: 0o600}}
		if got, _ := Socket(fsys, "/etc/s.toml"); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	if got, known := Socket(fstest.MapFS{}, "/etc/none.toml"); got != DefaultSocket || known {
		t.Errorf("no file: %q", got)
	}
}
