package key

import (
	"bytes"
	"crypto/hpke"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
)

var errNoKey = errors.New("there is no server key")

// Public is the public key of a server. Anyone who has it can make the server do
// work, though never open a door, so it is handed to clients only. The zero
// Public is no key. Safe for concurrent use.
type Public struct {
	suite Suite
	key   hpke.PublicKey
	wire  []byte
	hash  [sha256.Size]byte
	prk   []byte // HKDF-Extract of wire
}

// ParsePublic reads the text that Text writes, and nothing else.
func ParsePublic(text string) (Public, error) {
	suite, wire, err := decode(publicPrefix, text)
	if err != nil {
		return Public{}, fmt.Errorf("server public key: %w", err)
	}
	spec, _ := suite.spec()
	if len(wire) != spec.public {
		return Public{}, fmt.Errorf("server public key: %d bytes: want %d", len(wire), spec.public)
	}
	k, err := spec.kem.NewPublicKey(wire)
	if err != nil {
		return Public{}, fmt.Errorf("server public key: %w", err)
	}
	public, err := newPublic(suite, k)
	if err == nil && !bytes.Equal(public.wire, wire) {
		err = errors.New("server public key: not one that Sallyport has made")
	}
	return public, err
}

func newPublic(suite Suite, k hpke.PublicKey) (Public, error) {
	wire := k.Bytes()
	prk, err := extract(wire)
	if err != nil {
		return Public{}, err
	}
	return Public{suite: suite, key: k, wire: wire, hash: sha256.Sum256(wire), prk: prk}, nil
}

// IsZero reports whether this is no key.
func (p Public) IsZero() bool { return p.key == nil }

// Suite returns the suite of the key.
func (p Public) Suite() Suite { return p.suite }

// Text returns the form in which clients get the key: one line of 1,670
// characters, or 82 with the X25519 suite.
func (p Public) Text() string {
	if p.IsZero() {
		return ""
	}
	return encode(publicPrefix, p.suite, p.wire)
}

// Hash is the SHA-256 of the key as HPKE serialises it. Proofs name the server
// by it.
func (p Public) Hash() [sha256.Size]byte { return p.hash }

// Fingerprint is the hash for people to compare, as ssh-keygen would write it.
func (p Public) Fingerprint() string {
	if p.IsZero() {
		return "none"
	}
	return "SHA256:" + base64.RawStdEncoding.EncodeToString(p.hash[:])
}

// Equal reports whether both are the same key.
func (p Public) Equal(other Public) bool {
	return p.suite == other.suite && p.hash == other.hash
}

// LogValue is the fingerprint: the key itself is not for everybody.
func (p Public) LogValue() slog.Value { return slog.StringValue(p.Fingerprint()) }

// Encapsulate begins a message to the server. The error says what is wrong
// with the key.
func (p Public) Encapsulate(info []byte) (enc []byte, sender *hpke.Sender, err error) {
	if p.IsZero() {
		return nil, nil, errNoKey
	}
	return hpke.NewSender(p.key, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), info)
}
