//go:build linux && !client_only

package main

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"sallyport/internal/fleet/kept"
	"sallyport/internal/fleet/roll/rolltest"
	"sallyport/internal/fleet/store"
	"sallyport/internal/fleet/store/etcd"
	"sallyport/internal/key"
	"sallyport/internal/keyfile"
	"sallyport/internal/lab/labtest"
)

// etcdServer runs a server of etcd on loopback, and returns its address.
func etcdServer(t *testing.T) string {
	t.Helper()
	labtest.Need(t, "peers", "etcd")
	client, peer := "127.0.0.1:"+loopbackPort(t), "127.0.0.1:"+loopbackPort(t)
	cmd := exec.Command("etcd", "--name", "a", "--data-dir", t.TempDir(), "--listen-client-urls", "http://"+client, "--advertise-client-urls", "http://"+client,
		"--listen-peer-urls", "http://"+peer, "--initial-advertise-peer-urls", "http://"+peer, "--initial-cluster", "a=http://"+peer, "--log-level", "error")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	s, err := etcd.Open(etcd.Options{Endpoints: []string{client}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		if _, err := s.Read(t.Context(), store.Query{Prefix: "roll/"}); err == nil {
			return client
		} else if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

func loopbackPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// tokenAgent is an ssh-agent that holds a FIDO2 key.
type tokenAgent struct {
	agent.Agent
	token *rolltest.Token
}

func (a tokenAgent) List() ([]*agent.Key, error) {
	k := a.token.PublicKey()
	return []*agent.Key{{Format: k.Type(), Blob: k.Marshal()}}, nil
}

func (a tokenAgent) Sign(_ ssh.PublicKey, data []byte) (*ssh.Signature, error) {
	return a.token.Sign(nil, data)
}

// operatorWorld is an operator with a FIDO2 key in an agent, and an etcd.
type operatorWorld struct {
	*testing.T
	home, etcd string
}

func newOperator(t *testing.T) operatorWorld {
	w := operatorWorld{t, emptyHome(t), etcdServer(t)}
	l, err := net.Listen("unix", filepath.Join(w.home, "agent"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	t.Setenv("SSH_AUTH_SOCK", l.Addr().String())
	a := tokenAgent{agent.NewKeyring(), rolltest.NewToken(t)}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _ = agent.ServeAgent(a, conn); conn.Close() }()
		}
	}()
	return w
}

// run runs a command line, which has to end well or not.
func (w operatorWorld) run(good bool, stdin string, words ...string) string {
	w.Helper()
	var out, errs bytes.Buffer
	status := run(w.Context(), words, stdio{strings.NewReader(stdin), &out, &errs})
	if (status == exitDone) != good {
		w.Fatalf("sallyport %s: status %d\n%s%s", strings.Join(words, " "), status, &out, &errs)
	}
	if !good {
		return errs.String()
	}
	return out.String()
}

func (w operatorWorld) found() string {
	w.Helper()
	return w.run(true, "", "fleet", "init", "--operator", "alice", "--endpoint", w.etcd, "--yes")
}

// gate makes the configuration of a gate without a daemon.
func (w operatorWorld) gate() server {
	w.Helper()
	s := newServer(w.T, oneDoor)
	if _, err := keyfile.Create(filepath.Join(s.dir, "server.key"), key.Hybrid); err != nil {
		w.Fatal(err)
	}
	return s
}

func TestFleetOfOneOperator(t *testing.T) {
	w := newOperator(t)
	if errs := w.run(false, "", "fleet", "status"); !strings.Contains(errs, "no operator of a fleet") {
		t.Errorf("before there is one: %s", errs)
	}
	if errs := w.run(false, "", "fleet", "init", "--operator", "alice", "--endpoint", w.etcd); !strings.Contains(errs, "written down") {
		t.Errorf("nobody was asked whether the recovery key is on paper: %s", errs)
	}
	paper := w.found()
	if errs := w.run(false, "", "fleet", "init", "--operator", "eve", "--endpoint", w.etcd, "--yes"); !strings.Contains(errs, "there is a fleet already") {
		t.Errorf("a second fleet: %s", errs)
	}
	if out := w.run(true, "", "fleet", "status"); !strings.Contains(out, "alice") || !strings.Contains(out, "entry 0") {
		t.Errorf("status: %s", out)
	}

	bob := rolltest.Software(t)
	file := filepath.Join(w.home, "bob.pub")
	if err := os.WriteFile(file, ssh.MarshalAuthorizedKey(bob.PublicKey()), 0o600); err != nil {
		t.Fatal(err)
	}
	if errs := w.run(false, "", "fleet", "operator", "add", "bob", "--key", file); !strings.Contains(errs, "no FIDO2 key") {
		t.Errorf("a software key: %s", errs)
	}
	w.run(true, "", "fleet", "operator", "add", "bob", "--key", file, "--allow-software-key")
	w.run(true, "", "fleet", "operator", "remove", "bob")
	if errs := w.run(false, "", "fleet", "operator", "remove", "alice"); !strings.Contains(errs, "last operator") {
		t.Errorf("the last one: %s", errs)
	}
	_, text, _ := strings.Cut(paper, "\n\n")
	text, _, _ = strings.Cut(text, "\n\n")
	t.Setenv("SSH_AUTH_SOCK", "")
	w.run(true, text, "fleet", "operator", "add", "carol", "--key", file, "--allow-software-key", "--recovery")
	w.run(false, text[1:], "fleet", "operator", "add", "dave", "--key", file, "--allow-software-key", "--recovery")
	if out := w.run(true, "", "fleet", "log"); !strings.Contains(out, "the recovery key") || !strings.Contains(out, `operator "bob" is removed`) {
		t.Errorf("log: %s", out)
	}
}

func TestAGateJoins(t *testing.T) {
	w := newOperator(t)
	w.found()
	invitation := w.run(true, "", "fleet", "invite", "tokyo-1", "--group", "tokyo")
	s := w.gate()
	join := func(good bool, more ...string) string {
		t.Helper()
		return w.run(good, invitation, append([]string{"fleet", "join", "-", "-c", s.config, "--wait", "1s", "--address", "192.0.2.1"}, more...)...)
	}
	if errs := join(false); !strings.Contains(errs, "nobody to ask") {
		t.Errorf("nobody was asked: %s", errs)
	}
	if errs := join(false, "--yes"); !strings.Contains(errs, "no operator has signed") {
		t.Errorf("without an operator: %s", errs)
	}
	if out := w.run(true, "", "fleet", "status"); strings.Contains(out, "tokyo") && !strings.Contains(out, "asks to be let in") {
		t.Errorf("it is in without an operator: %s", out)
	}
	if out := w.run(true, "", "fleet", "approve", "--yes", "--wait", "1s"); !strings.Contains(out, `gate "tokyo-1" is in the fleet`) {
		t.Errorf("approve: %s", out)
	}
	w.run(false, "", "fleet", "approve", "--yes", "--wait", "1s")
	if out := w.run(true, "", "fleet", "status", "--json"); !strings.Contains(out, `"heard": false`) {
		t.Errorf("status: %s", out)
	}
	text, err := os.ReadFile(filepath.Join(s.dir, "conf.d", "fleet.toml"))
	if err != nil || !strings.Contains(string(text), w.etcd) || !strings.Contains(string(text), `name = "tokyo-1"`) {
		t.Errorf("fleet.toml: %s, %v", text, err)
	}
	if errs := join(false, "--yes"); !strings.Contains(errs, "belongs to a fleet already") {
		t.Errorf("a second time: %s", errs)
	}
	w.rotates(s)

	w.run(true, "", "fleet", "leave", "--yes", "-c", s.config)
	if _, err := os.Stat(string(kept.Of(s.dir))); err == nil {
		t.Error("what the gate knew is there still")
	}
	w.run(true, "", "fleet", "remove", "tokyo-1", "--wait", "1s")
	if errs := join(false, "--yes"); !strings.Contains(errs, "no operator has signed") {
		t.Errorf("join after leaving: %s", errs)
	}
	if errs := w.run(false, "", "fleet", "approve", "--yes", "--wait", "1s"); !strings.Contains(errs, "no invitation") {
		t.Errorf("the invitation works twice: %s", errs)
	}
}

// rotates gives the gate another key, which an operator has to approve.
func (w operatorWorld) rotates(s server) {
	w.Helper()
	before, err := kept.Of(s.dir).Key()
	if err != nil {
		w.Fatal(err)
	}
	w.run(false, "", "fleet", "rotate-key", "-c", s.config, "--wait", "1s")
	if k, err := kept.Of(s.dir).Key(); err != nil || !k.Equal(before) {
		w.Errorf("the new key is in use before it is approved: %v", err)
	}
	w.run(true, "", "fleet", "approve", "tokyo-1", "--yes", "--wait", "1s")
	w.run(true, "", "fleet", "rotate-key", "-c", s.config)
	if k, err := kept.Of(s.dir).Key(); err != nil || k.Equal(before) {
		w.Errorf("the old key is in use after it was approved: %v", err)
	}
}

// Invitations are for one gate, and do not last.
func TestInvitationsThatDoNotFit(t *testing.T) {
	w := newOperator(t)
	w.found()
	s := w.gate()
	s.write("conf.d/name.toml", "[gate]\nname = \"osaka\"\n")
	invitation := w.run(true, "", "fleet", "invite", "tokyo-1")
	if errs := w.run(false, invitation, "fleet", "join", "-", "-c", s.config, "--yes"); !strings.Contains(errs, `this one is called "osaka"`) {
		t.Errorf("for another gate: %s", errs)
	}
	if errs := w.run(false, invitation[:100], "fleet", "join", "-", "-c", s.config, "--yes"); !strings.Contains(errs, "no invitation of a gate") {
		t.Errorf("a part of one: %s", errs)
	}
}

func TestEtcdCommands(t *testing.T) {
	if text := etcdCommands([]string{"tokyo-1"}, "front"); !strings.Contains(text, "gate-tokyo-1 --prefix=true readwrite address/front/\n") {
		t.Errorf("a gate may not write what is used at its address:\n%s", text)
	}
	text := etcdCommands([]string{"tokyo-1"}, "")
	for _, line := range []string{
		"etcdctl role grant-permission gate-tokyo-1 --prefix=true readwrite gate/tokyo-1/\n",
		"etcdctl role grant-permission gate-tokyo-1 readwrite beat/tokyo-1\n",
		"etcdctl role grant-permission gate-tokyo-1 --prefix=true read secret/tokyo-1/\n",
		"etcdctl role grant-permission gate-tokyo-1 --prefix=true read roll/\n",
		"-keyout root.key -subj /CN=root ", // or nobody could add a gate later
		" ETCDCTL_CERT=root.pem ETCDCTL_KEY=root.key\n",
	} {
		if !strings.Contains(text, line) {
			t.Errorf("missing: %s", line)
		}
	}
	if strings.Contains(text, "gate-tokyo-1 --prefix=true readwrite roll/") {
		t.Error("a gate may write the roll")
	}
}
