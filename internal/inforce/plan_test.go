package inforce

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"sallyport/internal/config"
	"sallyport/internal/packet"
)

// What this version writes is read for ever: change nothing here, add words.
const firstPlan = `# What Sallyport has closed. It closes this again if neither the configuration nor its copy can be read.
path /etc/sallyport/sallyport.toml
state_dir /var/lib/sallyport
socket /run/sallyport/control.sock
policy all
closed reject
interface eth0
interface ppp*
public tcp/80
trusted 192.0.2.0/24
trusted 2001:db8::/32
door ssh
port tcp/22
port udp/60000
to 203.0.113.0/24
door web
port tcp/443
`

const firstConfig = `
[gate]
policy = "all"
closed = "reject"
interfaces = ["eth0", "ppp*"]
public = ["tcp/80"]
trusted = ["192.0.2.0/24", "2001:db8::/32"]
[[door]]
name = "ssh"
ports = ["tcp/22", "udp/60000"]
to = ["203.0.113.0/24"]
sequence = ["tcp/7000", "tcp/6001"]
[[door]]
name = "web"
ports = ["tcp/443"]
`

func loaded(t *testing.T) *config.Config {
	t.Helper()
	cfg, err := config.Load(fstest.MapFS{"etc/sallyport/sallyport.toml": {Data: []byte(firstConfig), Mode: 0o600}}, "/etc/sallyport/sallyport.toml")
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestPlan(t *testing.T) {
	cfg := loaded(t)
	if diff := cmp.Diff(firstPlan, string(planOf(cfg))); diff != "" {
		t.Error(diff)
	}
	got, err := readPlan([]byte(firstPlan), "/elsewhere")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ got, want any }{
		{got.Gate.Policy, cfg.Gate.Policy}, {got.Gate.Closed, cfg.Gate.Closed}, {got.Gate.Interfaces, cfg.Gate.Interfaces},
		{got.Gate.Public, cfg.Gate.Public}, {got.Doors[0].Ports, cfg.Doors[0].Ports}, {got.Doors[1].Ports, cfg.Doors[1].Ports},
		{got.Daemon, cfg.Daemon}, {got.Journal.Path, cfg.Journal.Path}, {len(got.Doors), 2}, {len(got.Doors[0].Sequence), 0},
	} {
		if diff := cmp.Diff(c.want, c.got); diff != "" {
			t.Error(diff)
		}
	}
	for i, p := range cfg.Gate.Trusted {
		if got.Gate.Trusted[i] != p {
			t.Errorf("trusted %v", got.Gate.Trusted)
		}
	}
	if got.Doors[0].To[0] != cfg.Doors[0].To[0] {
		t.Errorf("to %v", got.Doors[0].To)
	}
}

// A later version's words, and damage, cost no more than their line; and nothing
// that is read trusts everybody.
func TestDamagedPlan(t *testing.T) {
	text := "colour blue\ndoor ssh\nport tcp/2\x002\nport tcp/22\ntrusted 0.0.0.0/0\ntrusted\n\nport\ninterface\nsocket run"
	cfg, err := readPlan([]byte(text), "/state")
	if err != nil || len(cfg.Doors) != 1 || len(cfg.Doors[0].Ports) != 1 || cfg.Doors[0].Ports[0] != (packet.Port{Proto: packet.TCP, Number: 22}) {
		t.Fatalf("%+v, %v", cfg, err)
	}
	if len(cfg.Gate.Trusted) != 0 || len(cfg.Gate.Interfaces) != 0 || cfg.Daemon.Socket != config.DefaultSocket {
		t.Errorf("%+v", cfg)
	}
	for _, text := range []string{"", "#\n", "door ssh\n", strings.Repeat("x", 1<<20)} {
		if cfg, err := readPlan([]byte(text), "/state"); err == nil && len(cfg.Doors) > 0 && len(cfg.Doors[0].Ports) > 0 {
			t.Errorf("%.20q is read as %+v", text, cfg)
		}
	}
}

func TestStore(t *testing.T) {
	s, cfg := open(t.TempDir()), loaded(t)
	if _, err := s.Closed("/x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
	if _, err := s.Keep(cfg, Files{Snapshot: Snapshot{"x": {Data: []byte("y")}}}, time.Now()); err != nil {
		t.Fatal(err)
	}
	if got := s.Socket(cfg.Path); got != cfg.Daemon.Socket {
		t.Errorf("socket %q", got)
	}
	if got := s.Socket("/etc/typo.toml"); got != "" {
		t.Errorf("the socket of another configuration: %q", got)
	}
	if err := s.Remove("alice", func() error { return nil }); err != nil {
		t.Fatal(err)
	}
	list, err := os.ReadDir(s.Dir())
	if err != nil || len(list) != 3 {
		t.Errorf("%v %v", list, err)
	}
	for _, e := range list {
		if info, err := e.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", e.Name(), info.Mode(), err)
		}
	}
	if err := errors.Join(s.Forget(), s.Forget()); err != nil {
		t.Fatal(err)
	}
	if list, _ := os.ReadDir(s.Dir()); len(list) != 0 {
		t.Errorf("%v is not forgotten", list)
	}
}

func TestWhereThingsLie(t *testing.T) {
	for value, want := range map[string]string{"": DefaultDir, "/a": "/a", "/a:/b": "/a", "relative": DefaultDir} {
		if got := Open(func(string) string { return value }).Dir(); got != want {
			t.Errorf("STATE_DIRECTORY=%s: %s, want %s", value, got, want)
		}
	}
	if got := open("/a").path("b"); got != filepath.Join("/a", "b") {
		t.Error(got)
	}
}

func FuzzPlan(f *testing.F) {
	f.Add([]byte(firstPlan))
	f.Fuzz(func(t *testing.T, text []byte) {
		cfg, err := readPlan(text, "/state")
		if err != nil {
			return
		}
		for _, p := range cfg.Gate.Trusted {
			if p.Bits() == 0 {
				t.Errorf("trusts everybody: %v", p)
			}
		}
		again, err := readPlan(planOf(cfg), "/state")
		if err != nil || len(again.Doors) != len(cfg.Doors) {
			t.Errorf("written and read again: %v", err)
		}
	})
}
