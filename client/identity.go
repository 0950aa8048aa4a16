package client

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/key"
	"sallyport/internal/spa"
	"sallyport/internal/sshauth"
)

// identity is an SSH key that can prove who this client is.
type identity struct {
	signer ssh.Signer
	from   string // where it is: "the ssh-agent" or a path
	size   int    // of its proofs, in bytes
}

func (id *identity) ProofSize() int { return id.size }

func (id *identity) Prove(message []byte) ([]byte, error) {
	proof, err := sshauth.Sign(id.signer, message)
	if err != nil {
		return nil, advise("if it is in an ssh-agent: confirm or touch when it asks, unlock it (ssh-add -X), or load the key again (ssh-add)",
			"the key %s in %s did not sign: %w", ssh.FingerprintSHA256(id.signer.PublicKey()), id.from, err)
	}
	return proof, nil
}

// touched reports whether each proof costs the user a touch.
func (id *identity) touched() bool {
	return id.signer.PublicKey().Type() == ssh.KeyAlgoSKED25519
}

// Key describes the SSH key that Knock would use.
type Key struct {
	Fingerprint string // SHA256:…
	Type        string // such as ssh-ed25519
	From        string // where it is: "the ssh-agent", or the path of a file
	Authorized  string // the public key as a line of an authorized_keys file
	Size        int    // bytes of a message to the server, without the headers of UDP and IP
}

// FindKey returns the key that Knock would use for the profile, without using
// it. The errors are those of Knock. It may ask for a passphrase. A profile
// without a server key stands for one of a server with the default suite.
func FindKey(ctx context.Context, p *Profile, opts Options) (Key, error) {
	suite := key.Hybrid
	if p.ServerKey != "" {
		server, err := parseServerKey(p)
		if err != nil {
			return Key{}, err
		}
		suite = server.Suite()
	}
	id, done, err := findIdentity(ctx, p, suite, opts)
	if err != nil {
		return Key{}, err
	}
	defer done()
	length, err := spa.Length(suite, id.size)
	pub := id.signer.PublicKey()
	return Key{
		Fingerprint: ssh.FingerprintSHA256(pub),
		Type:        pub.Type(),
		From:        id.from,
		Authorized:  strings.TrimSpace(string(ssh.MarshalAuthorizedKey(pub))),
		Size:        length,
	}, err
}

// findIdentity finds the key to use: the one that the options name, else the
// one that the profile names, else the only one there is. It is usable until
// done is called or ctx ends.
func findIdentity(ctx context.Context, p *Profile, suite key.Suite, opts Options) (id *identity, done func(), err error) {
	a, err := openAgent(ctx)
	if err != nil && !errors.Is(err, errNoAgent) {
		return nil, nil, err
	}
	f := finder{suite: suite, agent: a, passphrase: opts.Passphrase}
	wanted := opts.Identity
	if wanted == "" {
		wanted = p.Identity
	}
	switch {
	case wanted == "":
		id, err = f.only()
	case strings.HasPrefix(wanted, "SHA256:"):
		id, err = f.byFingerprint(wanted)
	default:
		id, err = f.byPath(wanted)
	}
	if err == nil {
		id.size, err = usable(id.signer.PublicKey(), suite)
	}
	if err != nil {
		a.Close()
		return nil, nil, fmt.Errorf("find the SSH key: %w", err)
	}
	return id, a.Close, nil
}

// usable returns the size of the key's proofs, or why it cannot be used with
// servers of this suite.
func usable(pub ssh.PublicKey, suite key.Suite) (int, error) {
	size, err := sshauth.ProofSize(pub)
	if err != nil {
		return 0, advise("use an ed25519 key: ssh-keygen -t ed25519, or sallyport keygen", "%s: %w", describe(pub), err)
	}
	if _, err := spa.Length(suite, size); err != nil {
		return 0, advise("use an ed25519 key (ssh-keygen -t ed25519, or sallyport keygen), or have the server use the suite x25519",
			"%s is too large for a server with the suite %s: %w", describe(pub), suite, err)
	}
	return size, nil
}

func describe(pub ssh.PublicKey) string {
	return fmt.Sprintf("the %s key %s", pub.Type(), ssh.FingerprintSHA256(pub))
}

// FindSigner finds a key of the user, as Knock would, for signing something else than a
// knock: the one that the options name, else the only one there is. It is usable until
// done is called or ctx ends. It may ask for a passphrase.
func FindSigner(ctx context.Context, opts Options) (signer ssh.Signer, done func(), err error) {
	id, done, err := findIdentity(ctx, &Profile{}, key.X25519, opts)
	if err != nil {
		return nil, nil, err
	}
	return id.signer, done, nil
}
