package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/crypto/ssh"

	"sallyport/client"
	"sallyport/internal/key"
	"sallyport/internal/keyfile"
)

// server is a server's configuration in a folder of its own, with no daemon.
type server struct {
	*testing.T
	dir, config string
}

const oneDoor = "[spa]\nport = 40321\n[[door]]\nname = \"ssh\"\nports = [\"tcp/22\"]\n"

func newServer(t *testing.T, rest string) server {
	t.Helper()
	dir := t.TempDir()
	s := server{t, dir, filepath.Join(dir, "sallyport.toml")}
	s.write("sallyport.toml", fmt.Sprintf("[daemon]\nstate_dir = %q\nsocket = %q\n%s", dir, filepath.Join(dir, "no.sock"), rest))
	return s
}

func (s server) write(name, text string) string {
	s.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		s.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o640); err != nil {
		s.Fatal(err)
	}
	return path
}

// sallyport runs a command line in this process.
func (s server) sallyport(stdin string, args ...string) (stdout, stderr string, status int) {
	s.Helper()
	var out, errs bytes.Buffer
	status = run(s.Context(), append(args, "-c", s.config), stdio{strings.NewReader(stdin), &out, &errs})
	return out.String(), errs.String(), status
}

func (s server) must(stdin string, args ...string) string {
	s.Helper()
	out, errs, status := s.sallyport(stdin, args...)
	if status != exitDone {
		s.Fatalf("sallyport %s: status %d\n%s%s", strings.Join(args, " "), status, out, errs)
	}
	return out
}

// refuses runs a command line that has to fail, saying so, and to change nothing.
func (s server) refuses(stdin, want string, args ...string) {
	s.Helper()
	before := s.tree()
	_, errs, status := s.sallyport(stdin, args...)
	if status == exitDone || !strings.HasPrefix(errs, "sallyport: ") || !strings.Contains(errs, want) {
		s.Errorf("sallyport %q: status %d, %q; want %q", args, status, errs, want)
	}
	if after := s.tree(); !slices.Equal(before, after) {
		s.Errorf("sallyport %q changed files: %q", args, after)
	}
}

// tree returns every file with what it holds.
func (s server) tree() (list []string) {
	s.Helper()
	root := os.DirFS(s.dir)
	err := walkFiles(root, func(path string, text []byte) { list = append(list, path+"\n"+string(text)) })
	if err != nil {
		s.Fatal(err)
	}
	return list
}

// serverKey makes the server key.
func (s server) serverKey(suite key.Suite) key.Keyring {
	s.Helper()
	ring, err := keyfile.Create(filepath.Join(s.dir, "server.key"), suite)
	if err != nil {
		s.Fatal(err)
	}
	return ring
}

// line returns a public key as the line of a .pub file.
func line(t *testing.T, public any) string {
	t.Helper()
	k, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(k))) + " somebody@laptop\n"
}

func newEd25519(t *testing.T) string {
	t.Helper()
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return line(t, public)
}

func newECDSA(t *testing.T) string {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return line(t, &k.PublicKey)
}

func newRSA(t *testing.T, bits int) string {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return line(t, &k.PublicKey)
}

func TestClientAdd(t *testing.T) {
	s := newServer(t, oneDoor)
	k := newEd25519(t)
	out := s.must(k, "client", "add", "alice", "--key", "-", "--door", "ssh", "--from", "192.0.2.0/24", "--from", "2001:db8::/32",
		"--expires", "2199-01-31", "--max-open", "30m", "--single")
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
	if c == nil || c.MaxOpen.Minutes() != 30 || !c.Single || c.Expires.Year() != 2199 || c.Place.File != file {
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
		{"--max-open", "0s", "max_open"},
		{"--max-open", "-5m", "max_open"},
		{"--max-open", "soon", "max_open"},
		{"--expires", "tomorrow", "expires"},
		{"--from", "192.0.2.1/24", "from"},
		{"--from", `a"]`, "from"},
	} {
		s.refuses(good, c.want, "client", "add", "alice", "--key", "-", "--door", "ssh", c.flag, c.value)
	}
}

func TestClientWithABrokenConfiguration(t *testing.T) {
	s := newServer(t, oneDoor+"typo = 1\n")
	for _, command := range [][]string{
		{"client", "add", "alice", "--key", "-", "--door", "ssh"},
		{"client", "list"},
		{"client", "remove", "alice"},
		{"client", "profile", "alice", "--host", "gate"},
		{"server-key", "show"},
		{"server-key", "rotate"},
	} {
		s.refuses(newEd25519(t), "typo", command...)
	}
}

// A file that makes the configuration bad can be removed; and whoever removes
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

func TestClientProfile(t *testing.T) {
	s := newServer(t, oneDoor)
	s.must(newEd25519(t), "client", "add", "alice", "--key", "-", "--door", "ssh")
	s.refuses("", "make the server key", "client", "profile", "alice", "--host", "gate.example.org")
	ring := s.serverKey(key.Hybrid)
	p, err := client.ParseProfile([]byte(s.must("", "client", "profile", "alice", "--host", "gate.example.org", "--port", "444")))
	if err != nil {
		t.Fatal(err)
	}
	if p.Host != "gate.example.org" || p.Port != 444 || p.Name != "gate" || p.ServerKey != ring.Current().Public().Text() || !slices.Equal(p.Doors, []string{"ssh"}) {
		t.Errorf("got %+v", p)
	}
	s.refuses("", "--host", "client", "profile", "alice")
	s.refuses("", "host", "client", "profile", "alice", "--host", "a b\nc")
	s.refuses("", "port", "client", "profile", "alice", "--host", "gate", "--port", "70000")
	s.refuses("", "no client", "client", "profile", "bob", "--host", "gate")
	off := newServer(t, strings.Replace(oneDoor, "40321", "0", 1))
	off.must(newEd25519(t), "client", "add", "alice", "--key", "-", "--door", "ssh")
	off.refuses("", "set port in [spa]", "client", "profile", "alice", "--host", "gate")
}

func walkFiles(fsys fs.FS, visit func(path string, text []byte)) error {
	return fs.WalkDir(fsys, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(fsys, path)
		visit(path, text)
		return err
	})
}

// One command adds a client and prints what it needs, and nothing else where
// that is read from.
func TestAddPrintsTheProfile(t *testing.T) {
	s := newServer(t, oneDoor)
	s.serverKey(key.X25519)
	out, errs, status := s.sallyport(newEd25519(t), "client", "add", "alice", "--key", "-", "--door", "ssh", "--host", "gate.example.org")
	if status != exitDone || !strings.Contains(errs, `client "alice" may open ssh`) {
		t.Fatalf("status %d, %q", status, errs)
	}
	if want := s.must("", "client", "profile", "alice", "--host", "gate.example.org"); out != want {
		t.Errorf("printed %q, want %q", out, want)
	}
}
