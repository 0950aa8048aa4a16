package client

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/key"
)

// finder looks for SSH keys where their users keep them.
type finder struct {
	suite      key.Suite
	agent      *keyAgent                                  // nil: there is none
	passphrase func(path string, try int) ([]byte, error) // nil: nobody can be asked
}

// defaultFiles are the keys that ssh itself looks for, best first.
var defaultFiles = []string{"id_ed25519", "id_ed25519_sk", "id_ecdsa", "id_rsa"}

// only finds the one key that is usable: of those in the agent, or, if it holds
// none, the first of the default files.
func (f *finder) only() (*identity, error) {
	signers, err := f.agent.signers()
	if err != nil {
		return nil, err
	}
	var found []ssh.Signer
	for _, s := range signers {
		if _, err := usable(s.PublicKey(), f.suite); err == nil {
			found = append(found, s)
		}
	}
	switch len(found) {
	case 1:
		return &identity{signer: found[0], from: fromAgent}, nil
	case 0:
		return f.firstFile(signers)
	}
	return nil, advise(`name one with -i, or with a line "identity = SHA256:…" in the profile`,
		"there are several that could be it: %s", holds(f.agent, found))
}

// firstFile finds the first usable key among the default files.
func (f *finder) firstFile(inAgent []ssh.Signer) (*identity, error) {
	var unusable error
	for _, path := range defaultPaths() {
		pub, err := publicKey(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			_, err = usable(pub, f.suite)
		}
		if err == nil {
			return f.byPath(path)
		}
		if unusable == nil {
			unusable = err
		}
	}
	if unusable != nil {
		return nil, unusable
	}
	return nil, advise("make one with sallyport keygen, or load yours with ssh-add; it must be one that the server knows",
		"there is none that could be used: %s, and there is none in the files ~/.ssh/id_*", holds(f.agent, inAgent))
}

// byFingerprint finds the key with that fingerprint in the agent or in the
// default files.
func (f *finder) byFingerprint(wanted string) (*identity, error) {
	signers, err := f.agent.signers()
	if err != nil {
		return nil, err
	}
	for _, s := range signers {
		if ssh.FingerprintSHA256(s.PublicKey()) == wanted {
			return &identity{signer: s, from: fromAgent}, nil
		}
	}
	var unusable error
	for _, path := range defaultPaths() {
		pub, err := publicKey(path)
		if err == nil && ssh.FingerprintSHA256(pub) == wanted {
			return f.byPath(path)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			pub, beside := publicFile(path + ".pub")
			if beside == nil && ssh.FingerprintSHA256(pub) == wanted {
				return nil, err // it is this one
			}
			unusable = errors.Join(unusable, err)
		}
	}
	if unusable != nil {
		return nil, fmt.Errorf("the key %s is not there: %s, and of the files ~/.ssh/id_* not all can be read: %w", wanted, holds(f.agent, signers), unusable)
	}
	return nil, advise("load it with ssh-add FILE, or name its file with -i FILE",
		"the key %s is not there: %s, and it is none of the files ~/.ssh/id_*", wanted, holds(f.agent, signers))
}

// byPath finds the key in a file. A key that cannot be used from the file
// (encrypted, or a FIDO2 key) is taken from the agent, if that holds it.
func (f *finder) byPath(path string) (*identity, error) {
	path = expand(path)
	if strings.HasSuffix(path, ".pub") {
		pub, err := publicFile(path)
		if err != nil {
			return nil, err
		}
		return f.held(pub, path)
	}
	text, err := readPrivate(path)
	if err != nil {
		return nil, err
	}
	signer, err := ssh.ParsePrivateKey(text)
	if err == nil {
		return &identity{signer: signer, from: path}, nil
	}
	pub, pubErr := publicKey(path)
	if pubErr == nil {
		if id, err := f.agent.find(pub); err == nil {
			return id, nil
		}
	}
	if errors.As(err, new(*ssh.PassphraseMissingError)) {
		return f.decrypt(path, text)
	}
	if pubErr == nil && pub.Type() == ssh.KeyAlgoSKED25519 {
		return f.held(pub, path)
	}
	return nil, advise("want a private key as ssh-keygen or sallyport keygen writes it", "%s cannot be read: %w", path, err)
}

// held finds a key that only an agent can use.
func (f *finder) held(pub ssh.PublicKey, path string) (*identity, error) {
	id, err := f.agent.find(pub)
	if err != nil {
		return nil, advise("load it with ssh-add", "the key of %s can be used from an ssh-agent only: %w", path, err)
	}
	return id, nil
}

// Tries is how often a passphrase may be wrong: as often as with ssh
// (NumberOfPasswordPrompts in ssh_config(5)).
const Tries = 3

// decrypt asks for the passphrase of a file.
func (f *finder) decrypt(path string, text []byte) (*identity, error) {
	if f.passphrase == nil {
		return nil, advise("load it with ssh-add, or run this on a terminal", "%s is encrypted, and nobody can be asked for its passphrase", path)
	}
	for try := range Tries {
		passphrase, err := f.passphrase(path, try)
		if err != nil {
			return nil, fmt.Errorf("ask for the passphrase of %s: %w", path, err)
		}
		signer, err := ssh.ParsePrivateKeyWithPassphrase(text, passphrase)
		clear(passphrase)
		if err == nil {
			return &identity{signer: signer, from: path}, nil
		}
		if len(passphrase) > 0 && !errors.Is(err, x509.IncorrectPasswordError) {
			return nil, advise("want a private key as ssh-keygen or sallyport keygen writes it", "%s cannot be read: %w", path, err)
		}
	}
	return nil, advise("try again, or load the key with ssh-add once", "the passphrase of %s is wrong", path)
}

// publicKey returns the public half of the key in a file, without its
// passphrase: from the file beside it, or from the file itself.
func publicKey(path string) (ssh.PublicKey, error) {
	text, err := readPrivate(path)
	if err != nil {
		return nil, err
	}
	signer, err := ssh.ParsePrivateKey(text)
	if err == nil {
		return signer.PublicKey(), nil
	}
	if locked := (*ssh.PassphraseMissingError)(nil); errors.As(err, &locked) && locked.PublicKey != nil {
		return locked.PublicKey, nil
	}
	return publicFile(path + ".pub")
}

// publicFile reads a public key.
func publicFile(path string) (ssh.PublicKey, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	pub, _, _, _, err := ssh.ParseAuthorizedKey(text)
	if err != nil {
		return nil, fmt.Errorf("%s is not a public SSH key: %w", path, err)
	}
	return pub, nil
}

func defaultPaths() []string {
	home, err := os.UserHomeDir()
	if err != nil {
		return nil
	}
	paths := make([]string, len(defaultFiles))
	for i, name := range defaultFiles {
		paths[i] = filepath.Join(home, ".ssh", name)
	}
	return paths
}

// expand puts the user's folder in the place of a leading ~.
func expand(path string) string {
	rest, ok := strings.CutPrefix(path, "~/")
	home, err := os.UserHomeDir()
	if !ok || err != nil {
		return path
	}
	return filepath.Join(home, rest)
}
