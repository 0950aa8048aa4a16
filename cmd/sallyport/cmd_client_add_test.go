//go:build linux && !client_only

package main

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"rsc.io/qr"

	"sallyport/client"
	"sallyport/internal/key"
)

func TestClientAdd(t *testing.T) {
	s := newServer(t, oneDoor)
	k := newEd25519(t)
	out := s.must(k, "client", "add", "alice", "--key", "-", "--door", "ssh", "--from", "192.0.2.0/24", "--from", "2001:db8::/32",
		"--expires", "2199-01-31", "--max-open", "30m", "--single", "--suite", "mlkem768-x25519")
	file := filepath.Join(s.dir, "conf.d", "client-alice.toml")
	if !strings.Contains(out, `client "alice" may open ssh (`+file) || !strings.Contains(out, "no daemon is running") {
		t.Errorf("said %q", out)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	cfg, err := loadConfig(s.config)
	if err != nil {
		t.Fatal(err)
	}
	c := findClient(cfg, "alice")
	if c == nil || c.MaxOpen.Minutes() != 30 || !c.Single || c.Expires.Year() != 2199 || c.Place.File != file || c.MayUse(key.X25519) || !c.MayUse(key.Hybrid) {
		t.Errorf("got %+v", c)
	}
	var list []listedClient
	if err := json.Unmarshal([]byte(s.must("", "client", "list", "--json")), &list); err != nil {
		t.Fatal(err)
	}
	if len(list) != 1 || list[0].Name != "alice" || !strings.HasPrefix(list[0].Key, "ssh-ed25519 SHA256:") || !strings.HasPrefix(list[0].Place, file+":") || !strings.HasPrefix(list[0].Expires, "2199-01-31") {
		t.Errorf("list: %+v", list)
	}
	s.refuses(newEd25519(t), "there already", "client", "add", "alice", "--key", "-", "--door", "ssh")
	s.refuses(newEd25519(t), "config set spa.stun true", "client", "add", "phone", "--key", "-", "--door", "ssh", "--browser")
	s.refuses(newEd25519(t), "suites", "client", "add", "phone", "--key", "-", "--door", "ssh", "--suite", "rsa")
	s.refuses(k, "same key", "client", "add", "bob", "--key", "-", "--door", "ssh")
	if out := s.must("", "client", "remove", "alice"); !strings.Contains(out, "removed") {
		t.Errorf("said %q", out)
	}
	if _, err := os.Lstat(file); !os.IsNotExist(err) {
		t.Errorf("the file is still there: %v", err)
	}
	s.refuses("", `no client "alice"`, "client", "remove", "alice")
}

func TestClientAddRefuses(t *testing.T) {
	s := newServer(t, oneDoor)
	s.serverKey(key.Hybrid)
	good := newEd25519(t)
	private := string(pem.EncodeToMemory(&pem.Block{Type: "OPENSSH PRIVATE KEY", Bytes: []byte("nothing")}))
	for _, name := range []string{"", ".", "..", "../x", "/etc/x", "a/b", "Alice", "-c", ".hidden", "ä", "a b", "a\nb", "a\x00b", `a"b`, "x;id", strings.Repeat("a", 33), "\xff"} {
		s.refuses(good, "", "client", "add", "--key", "-", "--door", "ssh", "--", name)
		s.refuses("", "", "client", "remove", "--", name)
	}
	for _, c := range []struct{ what, stdin, want string }{
		{"nothing", "", "key"},
		{"nonsense", "hello", "key"},
		{"two keys", good + newEd25519(t), "one line"},
		{"a private key", private, "private key"},
		{"cut short", good[:40], "key"},
		{"DSA", "ssh-dss AAAAB3NzaC1kc3MAAACBA", "DSA"},
		{"a short RSA key", newRSA(t, 1024), "1024"},
		{"a key too long for the suite", newECDSA(t), "Ed25519"},
		{"RSA, too long for the suite", newRSA(t, 2048), "rotate --suite x25519"},
		{"options", "restrict " + good, "options"},
		{"a way out of the string", "ssh-ed25519 AAAA\"\n[[door]]\nname = \"evil\"", "key"},
		{"control characters", "ssh-ed25519 \x01\x07\x7f", ""},
		{"not UTF-8", "ssh-ed25519 \xff\xfe", ""},
		{"endless", strings.Repeat("a", 1<<20), "key"},
	} {
		t.Run(c.what, func(t *testing.T) {
			s := server{t, s.dir, s.config}
			s.refuses(c.stdin, c.want, "client", "add", "alice", "--key", "-", "--door", "ssh")
		})
	}
	for _, c := range []struct{ flag, value, want string }{
		{"--door", "web", `no door "web"`},
		{"--door", `a", "b`, "no door"},
		{"--max-open", "0s", "--max-open"},
		{"--max-open", "-5m", "--max-open"},
		{"--max-open", "soon", "--max-open"},
		{"--expires", "tomorrow", "expires"},
		{"--from", "192.0.2.1/24", "want the whole network, 192.0.2.0/24"},
		{"--from", `a"]`, "from"},
	} {
		s.refuses(good, c.want, "client", "add", "alice", "--key", "-", "--door", "ssh", c.flag, c.value)
	}
}

// A daemon that refuses the configuration gets the old one back.
func TestClientAddThatTheDaemonRefuses(t *testing.T) {
	s := newServer(t, oneDoor)
	var answer, asked atomic.Int32
	l, err := net.Listen("unix", filepath.Join(s.dir, "no.sock"))
	if err != nil {
		t.Fatal(err)
	}
	daemon := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		w.WriteHeader(int(answer.Load()))
		fmt.Fprint(w, `{"error": "the kernel has no room"}`)
	})}
	go daemon.Serve(l)
	t.Cleanup(func() { daemon.Close() })
	file := filepath.Join(s.dir, "conf.d", "client-alice.toml")
	add := []string{"client", "add", "alice", "--key", "-", "--door", "ssh"}

	answer.Store(http.StatusInternalServerError)
	if _, errs, status := s.sallyport(newEd25519(t), add...); status != exitFailed || !strings.Contains(errs, "no room") || asked.Load() != 1 {
		t.Errorf("status %d, %q, asked %d times", status, errs, asked.Load())
	}
	if left, _ := os.ReadDir(filepath.Dir(file)); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	answer.Store(http.StatusOK)
	if out := s.must(newEd25519(t), add...); !strings.Contains(out, "the daemon has taken it into use") || asked.Load() != 2 {
		t.Errorf("said %q, asked %d times", out, asked.Load())
	}
	answer.Store(http.StatusInternalServerError)
	if _, errs, status := s.sallyport("", "client", "remove", "alice"); status != exitFailed || !strings.Contains(errs, "lets the client in until it has reloaded") {
		t.Errorf("status %d, %q", status, errs)
	}
	if _, err := os.Lstat(file); err == nil {
		t.Error("a client that was to be removed would come back with the next start")
	}
	s.serverKey(key.X25519)
	if _, errs, status := s.sallyport("", "server-key", "rotate"); status != exitFailed || !strings.Contains(errs, "saved, but not in use") {
		t.Errorf("status %d, %q", status, errs)
	}
}

func TestEnrolRotating(t *testing.T) {
	s := newServer(t, "[[door]]\nname = \"ssh\"\nports = [\"tcp/22\"]\n")
	out, errs, status := s.sallyport("", "client", "add", "bob", "--rotating", "--door", "ssh", "--host", "gate.example.org")
	p, err := client.ParseProfile([]byte(out))
	if status != 0 || err != nil || !strings.Contains(errs, `client "bob" may open ssh`) {
		t.Fatalf("status %d, %v\n%s%s", status, err, out, errs)
	}
	bob := findClient(s.load(), "bob")
	if p.Rotating != bob.Rotating.Current || p.ServerKey != "" || p.Shape.Knocks != 5 || bob.Changed.IsZero() {
		t.Errorf("%+v", p)
	}
	if again := s.must("", "client", "profile", "bob", "--host", "gate.example.org"); again != out {
		t.Errorf("another profile:\n%s", again)
	}
	if list := s.must("", "client", "list"); !strings.Contains(list, "none") || strings.Contains(list, p.Rotating.Text()) {
		t.Errorf("%s", list)
	}
	checkQR(t, s.must("", "client", "profile", "bob", "--host", "gate.example.org", "--qr"), p)

	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	var added, problems bytes.Buffer
	if status := run(t.Context(), []string{"add", "-"}, stdio{strings.NewReader(p.RotatingURI() + "\n"), &added, &problems}); status != 0 || !strings.Contains(added.String(), `"gate"`) {
		t.Errorf("status %d\n%s%s", status, &added, &problems)
	}
	if got, err := client.Load("gate"); err != nil || got.Rotating != p.Rotating {
		t.Errorf("%+v, %v", got, err)
	}
}

// checkQR reads what was printed back into modules.
func checkQR(t *testing.T, printed string, p *client.Profile) {
	t.Helper()
	code, err := qr.Encode(p.RotatingURI(), qr.L)
	if err != nil {
		t.Fatal(err)
	}
	printed = strings.NewReplacer("\x1b[30;47m", "", "\x1b[0m", "").Replace(printed)
	lines := strings.Split(printed, "\n")
	if width := code.Size + 2*quietZone; width > 60 || len(lines) != (width+1)/2+2 || lines[len(lines)-2] != p.RotatingURI() {
		t.Fatalf("%d wide, %d lines", width, len(lines))
	}
	for y := range code.Size {
		row := []rune(lines[(y+quietZone)/2])
		for x := range code.Size {
			c := row[x+quietZone]
			dark := c == '█' || c == '▀' && y%2 == 0 || c == '▄' && y%2 == 1
			if dark != code.Black(x, y) {
				t.Fatalf("module %d, %d", x, y)
			}
		}
	}
	if first := lines[0]; strings.TrimSpace(first) != "" || !bytes.Contains([]byte(printed), []byte("sallyport://")) {
		t.Errorf("no margin: %q", first)
	}
}

// The comment of a public key is its owner's, and may hold anything.
func TestClientAddWithAnyComment(t *testing.T) {
	s := newServer(t, oneDoor)
	for i, comment := range []string{"bell\a", "escape\x1b[2J", "vertical\vtab", `quotes " and \ backslashes`, "del\x7f", "left\u202eright", "Zoë 北"} {
		k := strings.Join(strings.Fields(newEd25519(t))[:2], " ") + " " + comment + "\n"
		name := fmt.Sprintf("client%d", i)
		s.must(k, "client", "add", name, "--key", "-", "--door", "ssh")
		cfg, err := loadConfig(s.config)
		if err != nil {
			t.Fatalf("%q: %v", comment, err)
		}
		if findClient(cfg, name) == nil {
			t.Errorf("%q: there is no client", comment)
		}
	}
}
