//go:build linux

package peers

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"sallyport/bench/internal/flood"
	"sallyport/bench/internal/probe"
	"sallyport/internal/control"
	"sallyport/internal/key"
	"sallyport/internal/keyfile"
	"sallyport/internal/replay"
	"sallyport/internal/replay/disk"
	"sallyport/internal/spa"
	"sallyport/internal/sshauth"
)

// SPA is the real daemon with single-packet authorisation: clients with an
// Ed25519 key each, which ask for an acknowledgement. Every source that knocks is
// a client of its own, as the daemon holds each of them to a rate; the messages
// of the last client are what someone has overheard.
type SPA struct {
	Program string    // path of the program
	Suite   key.Suite // of the server key
	Clients int       // how many there are; 0, or fewer: as many as knock
	Moat    bool      // with the filter in the kernel
}

// Name implements System.
func (s SPA) Name() string {
	switch {
	case s.Suite == key.X25519:
		return "sallyport (SPA + x25519)"
	case s.Moat:
		return "sallyport (SPA + moat)"
	}
	return "sallyport (SPA)"
}

// Programs implements System.
func (s SPA) Programs() []string { return []string{s.Program} }

// Unable reports why the system cannot take part, or nothing.
func (s SPA) Unable() string {
	if s.Moat && !maxPrivileged() {
		return "needs root outside of user namespaces"
	}
	return ""
}

// maxPrivileged reports whether this process may load programs into the kernel:
// whether it is root of the machine.
func maxPrivileged() bool {
	text, err := os.ReadFile("/proc/self/uid_map")
	return err == nil && os.Geteuid() == 0 && slices.Equal(strings.Fields(string(text)), []string{"0", "0", "4294967295"})
}

// Start implements System. It returns when the daemon says that it is ready.
// A second start finds the keys of the first.
func (s SPA) Start(ctx context.Context, site Site) (*Server, error) {
	ring, err := s.serverKey(site.Dir)
	if err != nil {
		return nil, err
	}
	clients := make([]prover, spaClients)
	for i := range clients {
		if clients[i], err = newProver(); err != nil {
			return nil, err
		}
	}
	k := knocker{ring.Current().Public(), clients[0]}
	length, err := spa.Length(s.Suite, k.client.ProofSize())
	if err != nil {
		return nil, err
	}
	files, err := s.files(site.Dir, clients)
	if err != nil {
		return nil, err
	}
	server, err := serve(ctx, site, s.Program, s.Name(), files)
	if err != nil {
		return nil, err
	}
	if s.Moat {
		if err := guarded(ctx, site); err != nil {
			server.Stop()
			return nil, err
		}
	}
	server.Knock = func(_ context.Context, source netip.Addr) (probe.Knock, error) {
		bytes := source.As4()
		return knocker{k.server, clients[int(bytes[3])%(spaClients-1)]}.knock()
	}
	server.Forge, server.Answers = k.forge, true
	server.Replay = knocker{k.server, clients[spaClients-1]}.messages
	server.Junk = flood.Junk{Port: spaPort, Payload: length}
	return server, nil
}

// serverKey returns the key that the daemon will find. The first time it makes
// what an administrator makes with "sallyport init".
func (s SPA) serverKey(dir string) (key.Keyring, error) {
	ring, err := keyfile.Load(filepath.Join(dir, "server.key"))
	if !errors.Is(err, fs.ErrNotExist) {
		return ring, err
	}
	if err := makeStore(dir, "replay", func(d *disk.Dir) error { return replay.Create(d) }); err != nil {
		return ring, err
	}
	return keyfile.Create(filepath.Join(dir, "server.key"), s.Suite)
}

// makeStore makes files for what has been used before the daemon first starts,
// as "sallyport init" does. A daemon that finds none does not trust what it has not seen.
func makeStore(dir, name string, create func(*disk.Dir) error) error {
	files, err := disk.Open(filepath.Join(dir, name))
	if err != nil {
		return err
	}
	return errors.Join(create(files), files.Close())
}

// guarded waits until the filter is in the kernel, which the daemon does not
// wait for, and requires it: without it the daemon works as well, and the figures
// would be another system's.
func guarded(ctx context.Context, site Site) error {
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		status, err := control.Dial(filepath.Join(site.Dir, SocketName)).Status(ctx)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(status.Moat.Interfaces, func(i control.MoatInterface) bool { return i.Mode == "native" || i.Mode == "generic" }) {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the moat guards nothing: %+v", status.Moat)
		}
	}
}

// files is the configuration. Clients are spread over several files, because one
// file may have a megabyte only.
func (s SPA) files(dir string, clients []prover) (map[string]string, error) {
	text := settings(dir, "all") + fmt.Sprintf(`
[spa]
port = %d

[[door]]
name = %q
ports = ["udp/%d"]
open_for = "1s"

[moat]
`, spaPort, spaDoor, Door)
	if s.Moat {
		text += "interfaces = [\"to-client\"]\n"
	} else {
		text += "mode = \"off\"\n"
	}
	for i, c := range clients {
		text += clientTable(fmt.Sprintf("client-%d", i), c.PublicKey())
	}
	files := map[string]string{"sallyport.toml": text}
	const most = 5000
	for first := len(clients); first < s.Clients; first += most {
		var b strings.Builder
		for i := first; i < min(first+most, s.Clients); i++ {
			idle, err := newProver()
			if err != nil {
				return nil, err
			}
			b.WriteString(clientTable(fmt.Sprintf("idle-%d", i), idle.PublicKey()))
		}
		files[fmt.Sprintf("conf.d/clients-%06d.toml", first)] = b.String()
	}
	return files, nil
}

func clientTable(name string, key ssh.PublicKey) string {
	return fmt.Sprintf("\n[[client]]\nname = %q\ndoors = [%q]\nkey = %q\n", name, spaDoor, bytes.TrimSpace(ssh.MarshalAuthorizedKey(key)))
}

const spaDoor = "door"

// spaClients is how many clients there are.
const spaClients = 64

// knocker makes the messages of one client.
type knocker struct {
	server key.Public
	client prover
}

func (k knocker) seal() (*spa.Sealed, error) {
	return spa.Seal(k.server, spa.Header{
		Op: spa.Open, Ack: true, Client: sshauth.ID(k.client.PublicKey()), Door: spa.DoorID(spaDoor), Time: time.Now(),
	}, netip.Addr{}, k.client)
}

// knock makes a message. The time that takes is part of no figure.
func (k knocker) knock() (probe.Knock, error) {
	sealed, err := k.seal()
	if err != nil {
		return nil, err
	}
	return probe.Knock{{Port: spaPort, Payload: sealed.Datagram, Answers: func(reply []byte) bool {
		ack, err := sealed.OpenAck(reply)
		return err == nil && ack.Status == spa.Opened
	}}}, nil
}

// forge makes messages that are damaged at their end: the tag is right, and
// what follows does not open.
func (k knocker) forge(n int) ([][]byte, error) {
	forged, err := k.messages(n)
	for _, datagram := range forged {
		datagram[len(datagram)-1] ^= 1
	}
	return forged, err
}

// messages makes valid messages.
func (k knocker) messages(n int) ([][]byte, error) {
	list := make([][]byte, n)
	for i := range list {
		sealed, err := k.seal()
		if err != nil {
			return nil, err
		}
		list[i] = sealed.Datagram
	}
	return list, nil
}

// prover makes proofs with an SSH key of its own.
type prover struct{ ssh.Signer }

// ProofSize implements spa.Prover.
func (p prover) ProofSize() int { return ed25519.SignatureSize }

// Prove implements spa.Prover.
func (p prover) Prove(message []byte) ([]byte, error) { return sshauth.Sign(p.Signer, message) }

func newProver() (prover, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return prover{}, err
	}
	signer, err := ssh.NewSignerFromKey(private)
	return prover{signer}, err
}
