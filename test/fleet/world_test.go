//go:build linux

// Package fleet tests gates that share an etcd: real daemons on hosts of a lab, three
// real servers, and what happens to them. Only the network is made up.
package fleet

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/client"
	"sallyport/internal/control"
	"sallyport/internal/fleet/archive"
	"sallyport/internal/fleet/kept"
	"sallyport/internal/fleet/record"
	"sallyport/internal/fleet/roll"
	"sallyport/internal/fleet/roll/rolltest"
	etcdstore "sallyport/internal/fleet/store/etcd"
	"sallyport/internal/keyfile"
	"sallyport/internal/lab"
	"sallyport/internal/lab/etcd"
	"sallyport/internal/lab/labtest"
	"sallyport/internal/served"
)

func TestMain(m *testing.M) {
	os.Setenv("LC_ALL", "C") // programs of others speak English
	labtest.Main(m)
}

// executable builds the real program, once. Its file is held open and has no name any
// more, so that nothing is left behind.
var executable = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "sallyport-fleet-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "sallyport")
	if out, err := exec.Command("go", "build", "-o", path, "sallyport/cmd/sallyport").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build sallyport: %w\n%s", err, out)
	}
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), fd), err
})

// world is gates with real daemons, etcd in their midst, an operator, and a client.
type world struct {
	*lab.Lab
	shape
	labtest.Ports
	t     testing.TB
	dir   string // home of the client
	etcd  *etcd.Cluster
	store *etcdstore.Store // as root
	law   *rolltest.Fleet  // what the operator has signed
	roll  *archive.View
	gates []*gate
	key   string // the client's public half
}

// gate is one of them.
type gate struct {
	*lab.Host
	w      *world
	served served.Options
	daemon *served.Daemon
	log    *log
	key    ed25519.PrivateKey
}

const (
	spaPort = 20321
	door    = 7 // behind which a host greets
)

// shape is what differs from world to world.
type shape struct {
	without string // without_fleet of the door
	lines   string // more of the door
	fleet   string // more lines of [fleet]
	group   string // of all gates
	oneKey  bool   // all gates have the server key of the first
}

// newWorld starts etcd and gates, which know alice.
func newWorld(t testing.TB, without string, names ...string) *world {
	t.Helper()
	return newShaped(t, shape{without: without}, names...)
}

func newShaped(t testing.TB, s shape, names ...string) *world {
	t.Helper()
	needs(t)
	path, err := executable()
	must(t, err)
	w := &world{Lab: labtest.New(t, lab.Options{More: names}), Ports: labtest.Ports{T: t}, t: t, dir: t.TempDir(), law: rolltest.New(t), shape: s}
	w.startEtcd(names)
	must(t, archive.Found(t.Context(), w.store, w.law.Entries[0]))
	w.roll, err = archive.Load(t.Context(), w.store, nil, w.law.Head)
	must(t, err)
	for _, h := range w.More {
		g := &gate{Host: h, w: w, log: &log{}}
		w.gates = append(w.gates, g)
		g.join(path)
		g.start()
		if first := w.gates[0]; s.oneKey && first != g {
			g.kill() // it has a memory of messages from now on: one that had none would wait
			text, err := os.ReadFile(first.serverKey())
			must(t, err)
			must(t, os.WriteFile(g.serverKey(), text, 0o600))
			g.start()
		}
		g.describe()
	}
	w.enrol()
	return w
}

// needs skips what takes its time, and what cannot run here.
func needs(t testing.TB) {
	t.Helper()
	if !labtest.Long() {
		t.Skip("it takes its time: set SALLYPORT_LONG or SALLYPORT_REQUIRE")
	}
	labtest.Need(t, "netns", "go")
	labtest.Need(t, "peers", "etcd", "etcdctl", "nft")
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// startEtcd starts three servers, with a user for each gate who may what such a user may.
func (w *world) startEtcd(gates []string) {
	w.t.Helper()
	var err error
	w.etcd, err = etcd.Start(etcd.Options{Host: w.Gate, Address: w.Gate.IP4, Dir: w.t.TempDir()})
	must(w.t, err)
	w.t.Cleanup(func() { _ = w.etcd.Close() })
	grants := map[string][]etcd.Grant{}
	for _, name := range gates {
		grants[name] = []etcd.Grant{{Kind: "read", Prefix: "roll/"}, {Kind: "read", Prefix: "whole/"}, {Kind: "read", Prefix: "gate/"}, {Kind: "read", Prefix: "beat/"}, {Kind: "read", Prefix: "secret/" + name + "/"}}
		if w.shape.fleet != "" { // as fleet etcd-commands --address says
			grants[name] = append(grants[name], etcd.Grant{Kind: "readwrite", Prefix: record.AddressPrefix + "front/"})
		}
		for _, prefix := range record.Prefixes(name) {
			grants[name] = append(grants[name], etcd.Grant{Kind: "readwrite", Prefix: prefix})
		}
	}
	must(w.t, w.etcd.Users(grants))
	w.store = w.reach("root", w.etcd.Endpoints()...)
}

// reach connects to etcd as a user, from where it is, until the test ends.
func (w *world) reach(user string, endpoints ...string) *etcdstore.Store {
	w.t.Helper()
	s, err := w.dial(user, endpoints...)
	must(w.t, err)
	w.t.Cleanup(func() { _ = s.Close() })
	return s
}

func (w *world) dial(user string, endpoints ...string) (*etcdstore.Store, error) {
	id, err := w.etcd.Files(user)
	if err != nil {
		return nil, err
	}
	config, err := id.TLS()
	if err != nil {
		return nil, err
	}
	return etcdstore.Open(etcdstore.Options{Endpoints: endpoints, TLS: config, Dial: func(ctx context.Context, address string) (net.Conn, error) { return w.Gate.Dial(ctx, "tcp", address) }})
}

// sign has the operator sign an entry, and add it to the roll as soon as etcd takes it.
func (w *world) sign(changes ...roll.Change) {
	w.t.Helper()
	w.law.Append(changes...)
	w.Eventually("etcd takes the entry", func() bool { return w.add() == nil })
}

// add adds to the roll in etcd what the operator has signed and what is not there.
func (w *world) add() error {
	v, err := archive.Load(w.t.Context(), w.store, w.roll.State, w.roll.Head)
	if err != nil {
		return err
	}
	w.roll = v
	for _, e := range w.law.Entries {
		if e.Number > v.Head.Number {
			if err := w.roll.Append(w.t.Context(), w.store, e); err != nil {
				return err
			}
		}
	}
	return nil
}

// join gives a gate its key and its place in the roll, and writes its configuration.
func (g *gate) join(program string) {
	t := g.w.t
	dir := t.TempDir()
	g.served = served.Options{Gate: g.Host, Executable: program, Dir: dir, Config: filepath.Join(dir, "sallyport.toml"), Log: g.log}
	must(t, os.Mkdir(g.served.State(), 0o700))
	folder := kept.Of(g.served.State())
	var err error
	g.key, err = folder.MakeKey()
	must(t, err)
	must(t, folder.SetPin(g.w.law.Head))
	entry, _, _ := rolltest.Gate(t, g.Name)
	entry.Key = g.key.Public().(ed25519.PublicKey)
	g.w.sign(roll.GateAdd{Gate: entry})
	g.configure(g.w.etcd.Endpoints()...)
	t.Cleanup(func() {
		g.kill()
		if t.Failed() {
			t.Logf("the log of gate %s:\n%s", g.Name, g.log)
		}
	})
	_, err = g.Greet(netip.AddrPortFrom(netip.IPv6Unspecified(), door))
	must(t, err)
}

func (g *gate) configure(endpoints ...string) {
	id, err := g.w.etcd.Identity(g.Name, etcd.Year)
	must(g.w.t, err)
	text := fmt.Sprintf(`[daemon]
state_dir = %q
socket = %q
[gate]
name = %q
[fleet]
endpoints = ["%s"]
ca = %q
cert = %q
key = %q
%s
[spa]
port = %d
[[door]]
name = "hello"
ports = ["tcp/%d"]
open_for = "5m"
without_fleet = %q
%s
`, g.served.State(), filepath.Join(g.served.Dir, "control.sock"), g.Name, strings.Join(endpoints, `", "`), id.CA, id.Cert, id.Key, g.w.shape.fleet, spaPort, door, g.w.without, g.w.lines)
	must(g.w.t, os.WriteFile(g.served.Config, []byte(text), 0o600))
}

func (g *gate) serverKey() string { return filepath.Join(g.served.State(), "server.key") }

// describe has the operator put into the roll what the gate is.
func (g *gate) describe() {
	ring, err := keyfile.Load(g.serverKey())
	must(g.w.t, err)
	entry := g.w.law.Gates[g.Name]
	entry.Server, entry.Groups = nil, nil
	for _, h := range ring.All() {
		entry.Server = append(entry.Server, h.Current.Public())
	}
	if g.w.group != "" {
		entry.Groups = []string{g.w.group}
	}
	g.w.sign(roll.GateReplace{Gate: entry})
}

func (g *gate) start() {
	g.w.t.Helper()
	var err error
	if g.daemon, err = served.Start(g.served); err != nil {
		g.w.t.Fatalf("gate %s: %v\n%s", g.Name, err, g.log)
	}
}

func (g *gate) restart() {
	g.w.t.Helper()
	g.kill()
	g.start()
}

func (g *gate) kill() {
	if g.daemon != nil {
		g.daemon.Kill()
		g.daemon = nil
	}
}

// enrol makes alice's key, enrols her in the roll, and gives her a profile for each gate.
func (w *world) enrol() {
	w.t.Helper()
	w.sallyport(w.Client, "keygen", "--no-passphrase")
	public, err := os.ReadFile(filepath.Join(w.dir, ".ssh", "id_ed25519.pub"))
	must(w.t, err)
	w.key = strings.Join(strings.Fields(string(public))[:2], " ")
	w.sign(roll.ClientAdd{Client: w.client()})
	folder := filepath.Join(w.dir, ".config", "sallyport", "profiles")
	must(w.t, os.MkdirAll(folder, 0o700))
	for _, g := range w.gates {
		ring, err := keyfile.Load(g.serverKey())
		must(w.t, err)
		p := &client.Profile{Name: g.Name, Host: g.IP4.String(), Port: spaPort, ServerKey: ring.Current().Public().Text(), Doors: []string{"hello"}, Bind: []netip.Addr{w.Client.IP4}}
		must(w.t, os.WriteFile(filepath.Join(folder, g.Name+".profile"), p.Marshal(), 0o600))
		g.opens()
	}
}

// client is alice as the roll has her.
func (w *world) client() roll.Client {
	return roll.Client{Name: "alice", Key: w.key, Doors: []string{"hello"}}
}

// follows waits until the gate has in force what the operator has signed last.
func (g *gate) follows() {
	g.w.t.Helper()
	g.w.Eventually("the roll is in force at "+g.Name, func() bool {
		f := g.status().Fleet
		return f != nil && f.Entry == g.w.law.Head.Number
	})
}

// at is the door of a gate.
func (g *gate) at() netip.AddrPort { return netip.AddrPortFrom(g.IP4, door) }

// knock has alice knock at a gate, and reports whether it opened.
func (g *gate) knock() bool {
	_, err := g.w.try(g.w.Client, "knock", g.Name)
	return err == nil && g.w.Probe(g.w.Client, "tcp", g.at(), labtest.Patience) == lab.Open
}

// isOpen reports whether the door is open to alice.
func (g *gate) isOpen() bool {
	return g.w.Probe(g.w.Client, "tcp", g.at(), labtest.Silence) == lab.Open
}

// opens requires that alice gets in.
func (g *gate) opens() {
	g.w.t.Helper()
	g.w.Eventually("alice gets in at "+g.Name, g.knock)
}

// knocks has alice knock where nothing answers.
func (g *gate) knocks() { _, _ = g.w.try(g.w.Client, "knock", g.Name, "--timeout", "2s") }

// refuses requires that alice does not get in, and is not in.
func (g *gate) refuses() {
	g.w.t.Helper()
	if g.knocks(); g.isOpen() {
		g.w.t.Errorf("alice is in at %s", g.Name)
	}
}

// session is a connection of alice through a door.
func (g *gate) session() net.Conn {
	g.w.t.Helper()
	conn, err := g.w.Client.Dial(g.w.t.Context(), "tcp", g.at().String())
	must(g.w.t, err)
	g.w.t.Cleanup(func() { _ = conn.Close() })
	must(g.w.t, conn.SetDeadline(time.Now().Add(labtest.Patience)))
	_, err = io.ReadFull(conn, make([]byte, len(g.Greeting())))
	must(g.w.t, err)
	return conn
}

// answers reports whether a session still passes through.
func answers(conn net.Conn) bool {
	one := make([]byte, 1)
	_ = conn.SetDeadline(time.Now().Add(labtest.Silence))
	if _, err := conn.Write(one); err != nil {
		return false
	}
	_, err := io.ReadFull(conn, one)
	return err == nil
}

// status is how a gate is.
func (g *gate) status() control.Status {
	g.w.t.Helper()
	var s control.Status
	out, err := g.try("status", "-c", g.served.Config, "--json")
	must(g.w.t, err)
	must(g.w.t, json.Unmarshal([]byte(out), &s))
	return s
}

// says waits until the status names something.
func (g *gate) says(part string) {
	g.w.t.Helper()
	g.w.Eventually(fmt.Sprintf("gate %s says %q", g.Name, part), func() bool { return strings.Contains(g.problems(), part) })
}

// silent waits until the status does not name something any more.
func (g *gate) silent(part string) {
	g.w.t.Helper()
	g.w.Eventually(fmt.Sprintf("gate %s no longer says %q", g.Name, part), func() bool { return !strings.Contains(g.problems(), part) })
}

func (g *gate) problems() string {
	out, _ := g.try("status", "-c", g.served.Config)
	return out
}

// cut keeps a gate from etcd and from nothing else, by its own firewall, until mend.
func (g *gate) cut() {
	g.w.t.Helper()
	for _, rule := range []string{"add table inet cut", "add chain inet cut out { type filter hook output priority 0; }",
		"add chain inet cut in { type filter hook input priority -300; }", // before the daemon's
		fmt.Sprintf("add rule inet cut out ip daddr %s tcp sport != %d drop", g.w.Gate.IP4, door), fmt.Sprintf("add rule inet cut in ip saddr %s drop", g.w.Gate.IP4)} {
		g.run("nft", strings.Fields(rule)...)
	}
}

func (g *gate) mend() { g.w.t.Helper(); g.run("nft", "delete", "table", "inet", "cut") }

func (g *gate) run(name string, args ...string) {
	g.w.t.Helper()
	if out, err := g.w.run(g.Host, name, args...); err != nil {
		g.w.t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}

// try runs a command of sallyport on the gate.
func (g *gate) try(args ...string) (string, error) {
	return g.w.run(g.Host, g.served.Executable, args...)
}

// try runs a command of sallyport elsewhere, as alice.
func (w *world) try(h *lab.Host, args ...string) (string, error) {
	path, err := executable()
	if err != nil {
		return "", err
	}
	return w.run(h, path, args...)
}

func (w *world) sallyport(h *lab.Host, args ...string) string {
	w.t.Helper()
	out, err := w.try(h, args...)
	if err != nil {
		w.t.Fatalf("sallyport %v: %v\n%s", args, err, out)
	}
	return out
}

func (w *world) run(h *lab.Host, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := h.Command(ctx, name, args...)
	cmd.Env = append(os.Environ(), "HOME="+w.dir, "XDG_CONFIG_HOME="+filepath.Join(w.dir, ".config"), "SSH_AUTH_SOCK=")
	out, err := cmd.CombinedOutput()
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = ctx.Err()
	}
	return string(out), err
}

// log gathers what a program writes while a test reads it.
type log struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
