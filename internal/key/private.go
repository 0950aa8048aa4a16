package key

import (
	"bytes"
	"crypto/hpke"
	"fmt"
	"log/slog"
)

// Private is the private key of a server. It cannot be compared or printed;
// Reveal is the only way to its text. The zero Private is no key.
type Private struct {
	key    func() hpke.PrivateKey // a closure, which package fmt cannot look into, with any verb
	public Public
}

// Generate makes a new server key.
func Generate(suite Suite) (Private, error) {
	spec, ok := suite.spec()
	if !ok {
		return Private{}, fmt.Errorf("make a server key: no such %v", suite)
	}
	k, err := spec.kem.GenerateKey()
	if err != nil {
		return Private{}, fmt.Errorf("make a server key: %w", err)
	}
	return newPrivate(suite, k)
}

// ParsePrivate reads the text that Reveal writes, and nothing else.
func ParsePrivate(text string) (Private, error) {
	suite, wire, err := decode(privatePrefix, text)
	if err != nil {
		return Private{}, fmt.Errorf("server private key: %w", err)
	}
	spec, _ := suite.spec()
	if len(wire) != spec.private {
		return Private{}, fmt.Errorf("server private key: %d bytes: want %d", len(wire), spec.private)
	}
	k, err := spec.kem.NewPrivateKey(wire)
	if err != nil {
		return Private{}, fmt.Errorf("server private key: %w", err)
	}
	// RFC 9180, section 7.1.2: X25519 keys are written clamped.
	if again, err := k.Bytes(); err != nil || !bytes.Equal(again, wire) {
		return Private{}, fmt.Errorf("server private key: not one that Sallyport has made")
	}
	return newPrivate(suite, k)
}

func newPrivate(suite Suite, k hpke.PrivateKey) (Private, error) {
	public, err := newPublic(suite, k.PublicKey())
	return Private{key: func() hpke.PrivateKey { return k }, public: public}, err
}

// Reveal returns the secret as text. It belongs into the key file and nowhere
// else.
func (p Private) Reveal() string {
	if p.IsZero() {
		return ""
	}
	wire, err := p.key().Bytes()
	if err != nil {
		return "" // cannot be: both constructors leave the seed in the key
	}
	return encode(privatePrefix, p.public.suite, wire)
}

// IsZero reports whether this is no key.
func (p Private) IsZero() bool { return p.key == nil }

// Public returns the public half.
func (p Private) Public() Public { return p.public }

// LogValue keeps the secret out of logs: it is the public key's fingerprint.
func (p Private) LogValue() slog.Value { return p.public.LogValue() }

// Decapsulate returns the context of a message to this server, or an error if
// enc is no encapsulation. Safe for concurrent use.
func (p Private) Decapsulate(enc, info []byte) (*hpke.Recipient, error) {
	if p.IsZero() {
		return nil, errNoKey
	}
	return hpke.NewRecipient(enc, p.key(), hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), info)
}
