package client_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"sallyport/client"
	"sallyport/internal/key"
	"sallyport/internal/spa"
	"sallyport/internal/sshauth"
)

// home gives the test a home of its own, without keys, profiles or agent.
func home(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("HOME", dir)
	t.Setenv("XDG_CONFIG_HOME", filepath.Join(dir, ".config"))
	t.Setenv("SSH_AUTH_SOCK", "")
	return dir
}

// server is a server of the protocol on loopback. It answers as a test says.
type server struct {
	t      testing.TB
	conn   *net.UDPConn
	opener *spa.Opener
	public key.Public
	client ssh.PublicKey

	mu      sync.Mutex
	got     []*spa.Message
	respond respond
}

// respond makes the answers to the n-th message, from 1.
type respond func(n int, m *spa.Message, source netip.AddrPort) [][]byte

// answer sets how the server answers from now on.
func (s *server) answer(r respond) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.respond = r
}

// newServer starts a server that knows one client and grants what is asked.
func newServer(t testing.TB, suite key.Suite, client ssh.PublicKey) *server {
	t.Helper()
	private, err := key.Generate(suite)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, conn: conn, public: private.Public(), client: client,
		opener: spa.NewOpener(key.NewKeyring(private), skew)}
	s.respond = s.grant
	ended := make(chan struct{})
	go func() { defer close(ended); s.serve() }()
	t.Cleanup(func() { conn.Close(); <-ended })
	return s
}

func (s *server) serve() {
	buf := make([]byte, 2048)
	for {
		n, source, err := s.conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		source = netip.AddrPortFrom(source.Addr().Unmap(), source.Port())
		for _, answer := range s.take(buf[:n], source) {
			s.conn.WriteToUDPAddrPort(answer, source)
		}
	}
}

// skew is how far off the server lets clocks be.
const skew = time.Minute

// take does what a server does with a datagram, and returns its answers.
func (s *server) take(datagram []byte, source netip.AddrPort) [][]byte {
	tagged, reason := s.opener.Check(time.Now(), datagram)
	if reason != "" {
		return nil
	}
	m, reason := tagged.Open()
	if reason != "" || !m.Header.Fresh(time.Now(), skew) || m.Header.Client != sshauth.ID(s.client) || sshauth.Verify(s.client, m.Signed(source.Addr()), m.Proof) != nil {
		return nil
	}
	s.mu.Lock()
	s.got = append(s.got, m)
	n, answer := len(s.got), s.respond
	s.mu.Unlock()
	return answer(n, m, source)
}

// messages returns the authentic messages so far.
func (s *server) messages() []*spa.Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*spa.Message(nil), s.got...)
}

// grant is how an honest server answers.
func (s *server) grant(_ int, m *spa.Message, source netip.AddrPort) [][]byte {
	return [][]byte{s.ack(m, s.granted(m, source))}
}

// granted is the answer that the door asked for is open, 30s or as asked.
func (s *server) granted(m *spa.Message, source netip.AddrPort) spa.Ack {
	a := spa.Ack{Status: spa.Opened, Time: time.Now(), Source: source.Addr()}
	d := spa.AckDoor{ID: m.Header.Door, For: 30 * time.Second, Single: m.Header.Single}
	if d.ID == ([4]byte{}) {
		d.ID = spa.DoorID("ssh")
	}
	if m.Header.Seconds > 0 {
		d.For = time.Duration(m.Header.Seconds) * time.Second
	}
	if m.Header.Op == spa.Close {
		a.Status, d.For, d.Single = spa.Closed, 0, false
	}
	a.Doors = []spa.AckDoor{d}
	return a
}

func (s *server) ack(m *spa.Message, a spa.Ack) []byte {
	datagram, err := m.SealAck(a)
	if err != nil {
		s.t.Error(err)
	}
	return datagram
}

// profile is what the client knows of the server.
func (s *server) profile() *client.Profile {
	return &client.Profile{
		Name:      "office",
		Host:      "127.0.0.1",
		Port:      s.conn.LocalAddr().(*net.UDPAddr).AddrPort().Port(),
		ServerKey: s.public.Text(),
		Doors:     []string{"ssh", "db"},
	}
}

// newKey makes an SSH key.
func newKey(t testing.TB) (ed25519.PrivateKey, ssh.PublicKey) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public, err := ssh.NewPublicKey(private.Public())
	if err != nil {
		t.Fatal(err)
	}
	return private, public
}

// writeKey writes a private key as ssh-keygen would; encrypted, if there is a
// passphrase.
func writeKey(t testing.TB, path string, private any, passphrase string) {
	t.Helper()
	block, err := ssh.MarshalPrivateKey(private, "")
	if passphrase != "" {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(private, "", []byte(passphrase))
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
}

// runAgent runs an ssh-agent for the test.
func runAgent(t testing.TB, a agent.Agent) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "agent.sock")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	var sessions sync.WaitGroup
	sessions.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			sessions.Go(func() { defer conn.Close(); agent.ServeAgent(a, conn) })
		}
	})
	t.Cleanup(func() { listener.Close(); sessions.Wait() })
	t.Setenv("SSH_AUTH_SOCK", path)
}

// holding returns an agent that holds keys.
func holding(t testing.TB, keys ...any) agent.Agent {
	t.Helper()
	a := agent.NewKeyring()
	for _, k := range keys {
		if err := a.Add(agent.AddedKey{PrivateKey: k}); err != nil {
			t.Fatal(err)
		}
	}
	return a
}
