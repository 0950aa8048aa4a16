package client_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"sallyport/client"
	"sallyport/internal/key"
	"sallyport/internal/spa"
)

// find returns the fingerprint and place of the key that would be used.
func find(t *testing.T, identity string, opts client.Options) (client.Key, error) {
	t.Helper()
	return client.FindKey(t.Context(), &client.Profile{Name: "office", Identity: identity}, opts)
}

func TestKeyIsFound(t *testing.T) {
	one, onePublic := newKey(t)
	two, twoPublic := newKey(t)
	of := ssh.FingerprintSHA256
	large, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name     string
		agent    []any
		files    map[string]any
		identity string
		want     ssh.PublicKey
		from     string
	}{
		{"the only one in the agent", []any{one}, nil, "", onePublic, "agent"},
		{"the only usable one", []any{large, one}, nil, "", onePublic, "agent"},
		{"agent before files", []any{one}, map[string]any{"id_ed25519": two}, "", onePublic, "agent"},
		{"by fingerprint in the agent", []any{one, two}, nil, of(twoPublic), twoPublic, "agent"},
		{"by fingerprint in a file", []any{one}, map[string]any{"id_ed25519": two}, of(twoPublic), twoPublic, "id_ed25519"},
		{"by path", []any{one}, map[string]any{"work": two}, "~/.ssh/work", twoPublic, "work"},
		{"default file", nil, map[string]any{"id_ed25519": two}, "", twoPublic, "id_ed25519"},
		{"usable default file", nil, map[string]any{"id_rsa": large, "id_ed25519": two}, "", twoPublic, "id_ed25519"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := home(t)
			if test.agent != nil {
				runAgent(t, holding(t, test.agent...))
			}
			for name, private := range test.files {
				writeKey(t, filepath.Join(dir, ".ssh", name), private, "")
			}
			got, err := find(t, test.identity, client.Options{})
			if err != nil || got.Fingerprint != of(test.want) || !strings.Contains(got.From, test.from) {
				t.Errorf("got %+v, %v", got, err)
			}
			if got.Size != 1232 {
				t.Errorf("messages of %d bytes", got.Size)
			}
		})
	}
}

func TestKeyIsNotFound(t *testing.T) {
	one, _ := newKey(t)
	two, _ := newKey(t)
	_, otherPublic := newKey(t)
	large, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	wide, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name       string
		agent      []any
		identity   string
		want, hint string
	}{
		{"none at all", nil, "", "no ssh-agent is running", "sallyport keygen"},
		{"empty agent", []any{}, "", "the ssh-agent holds no keys", "ssh-add"},
		{"several", []any{one, two}, "", "several", "identity ="},
		{"another one in the agent", []any{one}, ssh.FingerprintSHA256(otherPublic), "the ssh-agent holds ssh-ed25519 SHA256:", "ssh-add"},
		{"no such file", nil, "~/.ssh/nosuch", "no such file", ""},
		{"RSA and the hybrid suite", []any{large}, fingerprint(t, large), "too large for a server with the suite mlkem768-x25519", "ed25519"},
		{"P-384 and the hybrid suite", []any{wide}, fingerprint(t, wide), "too large", "x25519"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			home(t)
			if test.agent != nil {
				runAgent(t, holding(t, test.agent...))
			}
			_, err := find(t, test.identity, client.Options{})
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(hint(err), test.hint) {
				t.Errorf("got %v\nhint: %s", err, hint(err))
			}
		})
	}
}

func fingerprint(t *testing.T, private any) string {
	t.Helper()
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return ssh.FingerprintSHA256(signer.PublicKey())
}

func TestEncryptedKey(t *testing.T) {
	dir := home(t)
	private, _ := newKey(t)
	path := filepath.Join(dir, ".ssh", "id_ed25519")
	writeKey(t, path, private, "open sesame")
	tries := 0
	say := func(words ...string) client.Options {
		tries = 0
		return client.Options{Passphrase: func(asked string, try int) ([]byte, error) {
			if asked != path || try != tries {
				t.Errorf("asked for the passphrase of %s, try %d; want %s, try %d", asked, try, path, tries)
			}
			tries++
			return []byte(words[try]), nil
		}}
	}
	if _, err := find(t, "", say("open barley", "open", "", "open sesame")); err == nil || !strings.Contains(err.Error(), "the passphrase of "+path+" is wrong") || tries != client.Tries {
		t.Errorf("wrong passphrases: %v after %d tries", err, tries)
	}
	if got, err := find(t, "", say("open barley", "", "open sesame")); err != nil || got.From != path {
		t.Errorf("right at the third try: %+v, %v", got, err)
	}
	if _, err := find(t, "", client.Options{}); err == nil || !strings.Contains(err.Error(), "is encrypted") || !strings.Contains(hint(err), "ssh-add") {
		t.Errorf("nobody to ask: %v", err)
	}
	sorry := errors.New("sorry")
	if _, err := find(t, "", client.Options{Passphrase: func(string, int) ([]byte, error) { return nil, sorry }}); !errors.Is(err, sorry) {
		t.Errorf("no answer: %v", err)
	}
	if got, err := find(t, "", say("open sesame")); err != nil || got.From != path {
		t.Errorf("right passphrase: %+v, %v", got, err)
	}
	runAgent(t, holding(t, private))
	if got, err := find(t, path, client.Options{}); err != nil || got.From != "the ssh-agent" {
		t.Errorf("the agent holds it: %+v, %v", got, err)
	}
}

func TestBadKeyFiles(t *testing.T) {
	dir := home(t)
	private, public := newKey(t)
	good := filepath.Join(dir, "good")
	writeKey(t, good, private, "")
	text, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name string, text []byte, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, text, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for path, want := range map[string]string{
		write("truncated", text[:len(text)/2], 0o600):                            "cannot be read",
		write("empty", nil, 0o600):                                               "cannot be read",
		write("exposed", text, 0o644):                                            "chmod 600",
		write("alone.pub", ssh.MarshalAuthorizedKey(public), 0o644):              "can be used from an ssh-agent only",
		write("certificate.pub", []byte("ssh-ed25519-cert-v01 nonsense"), 0o644): "is not a public SSH key",
		dir: "",
	} {
		if _, err := find(t, path, client.Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", path, err)
		}
	}
}

// stubborn is an agent whose user says no.
type stubborn struct{ agent.Agent }

func (stubborn) Sign(ssh.PublicKey, []byte) (*ssh.Signature, error) {
	return nil, errors.New("the user said no")
}

func TestAgentRefuses(t *testing.T) {
	home(t)
	private, public := newKey(t)
	runAgent(t, stubborn{holding(t, private)})
	s := newServer(t, key.Hybrid, public)
	_, err := client.Knock(t.Context(), s.profile(), client.Options{})
	if err == nil || !strings.Contains(err.Error(), "did not sign") || !strings.Contains(hint(err), "confirm") {
		t.Errorf("got %v\nhint: %s", err, hint(err))
	}
	if len(s.messages()) > 0 {
		t.Error("something was sent")
	}
}

func TestAgentIsGone(t *testing.T) {
	home(t)
	t.Setenv("SSH_AUTH_SOCK", filepath.Join(t.TempDir(), "gone"))
	if _, err := find(t, "", client.Options{}); err == nil || !strings.Contains(err.Error(), "reach the ssh-agent") || !strings.Contains(hint(err), "SSH_AUTH_SOCK") {
		t.Errorf("got %v", err)
	}
}

// token is an agent with a FIDO2 key in software, which counts its touches.
type token struct {
	agent.Agent
	private ed25519.PrivateKey
	public  ssh.PublicKey
	touches int
}

func newToken(t *testing.T) *token {
	t.Helper()
	private, _ := newKey(t)
	public, err := ssh.ParsePublicKey(ssh.Marshal(struct {
		Type        string
		Key         []byte
		Application string
	}{ssh.KeyAlgoSKED25519, private.Public().(ed25519.PublicKey), "ssh:"}))
	if err != nil {
		t.Fatal(err)
	}
	return &token{Agent: agent.NewKeyring(), private: private, public: public}
}

func (k *token) List() ([]*agent.Key, error) {
	return []*agent.Key{{Format: k.public.Type(), Blob: k.public.Marshal()}}, nil
}

func (k *token) Sign(_ ssh.PublicKey, data []byte) (*ssh.Signature, error) {
	k.touches++
	application, message := sha256.Sum256([]byte("ssh:")), sha256.Sum256(data)
	rest := binary.BigEndian.AppendUint32([]byte{1}, uint32(k.touches)) // flags: a user was present
	blob := append(append(application[:], rest...), message[:]...)
	return &ssh.Signature{Format: k.public.Type(), Blob: ed25519.Sign(k.private, blob), Rest: rest}, nil
}

// A try costs the user of a hardware key a touch: the same message goes out
// again.
func TestOneTouchIsEnough(t *testing.T) {
	home(t)
	k := newToken(t)
	runAgent(t, k)
	s := newServer(t, key.Hybrid, k.public)
	s.answer(func(n int, m *spa.Message, source netip.AddrPort) [][]byte {
		if n == 1 {
			return nil // lost
		}
		return s.grant(n, m, source)
	})
	if _, err := client.Knock(t.Context(), s.profile(), client.Options{Timeout: 3 * time.Second}); err != nil {
		t.Fatal(err)
	}
	if m := s.messages(); len(m) != 2 || m[0].Nonce != m[1].Nonce || k.touches != 1 {
		t.Errorf("%d touches for %d messages", k.touches, len(m))
	}
}

// A key file that others can read is not used. That is said, rather than that
// there is none.
func TestKeyFileThatIsOpenToOthers(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("files have no mode there")
	}
	dir := home(t)
	private, public := newKey(t)
	path := filepath.Join(dir, ".ssh", "id_ed25519")
	writeKey(t, path, private, "")
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	for name, p := range map[string]*client.Profile{
		"any key":        {Name: "office"},
		"by fingerprint": {Name: "office", Identity: ssh.FingerprintSHA256(public)},
		"by path":        {Name: "office", Identity: path},
	} {
		for _, beside := range []bool{false, true} {
			if beside {
				if err := os.WriteFile(path+".pub", ssh.MarshalAuthorizedKey(public), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := client.FindKey(t.Context(), p, client.Options{}); err == nil || !strings.Contains(err.Error(), "is open to others") {
				t.Errorf("%s, public key beside it: %v: %v", name, beside, err)
			}
			os.Remove(path + ".pub")
		}
	}
}
