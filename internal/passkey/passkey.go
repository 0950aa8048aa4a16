// Package passkey verifies what a passkey has signed in a browser (WebAuthn, level 3)
// where only a part of it has travelled: docs/PROTOCOL.md, section 15. What a server
// knows anyway (challenge, origin, the hash of its host) it puts in itself, so that a
// message has room for the rest, and nobody can say anything else there.
//
// A key is written as its type, the public key in base64, and the origin of the page
// that made it:
//
//	passkey-es256 A3LQ… https://knock.example.org
//
// It is an ssh.PublicKey, so that clients with it are known as all others are; ssh
// itself knows nothing of the two types.
package passkey

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/crypto/ssh"
)

// The types of passkeys.
const (
	ES256 = "passkey-es256"   // ECDSA over P-256 with SHA-256
	EdDSA = "passkey-ed25519" // Ed25519
)

// IsType reports whether keys of a type are passkeys.
func IsType(name string) bool { return name == ES256 || name == EdDSA }

// ProofSize is the length of a proof: signature 64, flags 1, counter 4, form 1.
const ProofSize = 70

const (
	signatureSize = 64
	flagsAt       = signatureSize
	counterAt     = flagsAt + 1
	formAt        = counterAt + 4

	maxHost = 253
	maxText = 600
)

// The flags of authenticatorData (WebAuthn, section 6.1).
const (
	userPresent  = 1 << 0
	userVerified = 1 << 2
	mayBackUp    = 1 << 3
	backedUp     = 1 << 4
	attested     = 1 << 6
	extended     = 1 << 7
)

// tails are what browsers write behind the origin in clientDataJSON, by form. They
// may add whatever they like; a page with a browser that does refuses to sign.
var tails = [...]string{
	`,"crossOrigin":false}`,
	`,"crossOrigin":false,"other_keys_can_be_added_here":"do not compare clientDataJSON against a template. See https://goo.gl/yabPex"}`,
	`}`,
}

// Key is a passkey for one origin. It does not change, so goroutines may share it.
type Key struct {
	kind   string
	raw    []byte // as it is written: 33 bytes (a point, compressed) or 32
	public crypto.PublicKey
	origin string
	host   [sha256.Size]byte // rpIdHash
}

// Parse reads the text of a key.
func Parse(text string) (*Key, error) {
	fields := strings.Fields(text)
	if len(text) > maxText || len(fields) != 3 || !IsType(fields[0]) {
		return nil, fmt.Errorf("want a passkey as the page shows it: %s, the key, and the origin of the page such as https://knock.example.org", ES256)
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(fields[1])
	if err != nil {
		return nil, errors.New("the part after the type is not whole base64: copy the line of the page again")
	}
	k := &Key{kind: fields[0], raw: raw, origin: fields[2]}
	if k.public, err = publicOf(k.kind, raw); err != nil {
		return nil, err
	}
	host, err := hostOf(k.origin)
	if err != nil {
		return nil, err
	}
	k.host = sha256.Sum256([]byte(host))
	return k, nil
}

func publicOf(kind string, raw []byte) (crypto.PublicKey, error) {
	if kind == EdDSA && len(raw) == ed25519.PublicKeySize {
		return ed25519.PublicKey(raw), nil
	}
	if kind == ES256 {
		if k, err := ParseP256(raw); err == nil {
			return k, nil
		}
	}
	return nil, fmt.Errorf("the key is none of type %s: copy the line of the page again", kind)
}

// ParseP256 returns the key of a point in its compressed form of 33 bytes (SEC 1,
// section 2.3.4), as devices give theirs.
func ParseP256(compressed []byte) (*ecdsa.PublicKey, error) {
	x, y := elliptic.UnmarshalCompressed(elliptic.P256(), compressed)
	if x == nil {
		return nil, errors.New("is no point of P-256")
	}
	point := make([]byte, 1+2*32)
	point[0] = 4 // uncompressed
	x.FillBytes(point[1:33])
	y.FillBytes(point[33:])
	return ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
}

// hostOf returns the host of an origin. It has to be written as browsers write it,
// since every character of it is signed.
func hostOf(origin string) (string, error) {
	want := fmt.Errorf("the origin %.100q is none: want that of the page as browsers write it, such as https://knock.example.org or https://knock.example.org:8443", origin)
	rest, https := strings.CutPrefix(origin, "https://")
	host, port, ported := strings.Cut(rest, ":")
	if n, err := strconv.ParseUint(port, 10, 16); ported && (err != nil || n == 0 || n == 443 || strconv.FormatUint(n, 10) != port) {
		return "", want
	}
	if !https || host == "" || len(host) > maxHost {
		return "", want
	}
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return "", want
		}
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return "", fmt.Errorf("the origin %q has an address: browsers make passkeys for names only", origin)
	}
	return host, nil
}

// String returns the text that Parse reads.
func (k *Key) String() string {
	return k.kind + " " + base64.StdEncoding.EncodeToString(k.raw) + " " + k.origin
}

// Origin returns that of the page at which the key can sign.
func (k *Key) Origin() string { return k.origin }

// Type returns the type of the key.
func (k *Key) Type() string { return k.kind }

// CryptoPublicKey returns the public key itself.
func (k *Key) CryptoPublicKey() crypto.PublicKey { return k.public }

// Marshal returns the key as SSH writes keys; the client id comes of it.
func (k *Key) Marshal() []byte {
	return ssh.Marshal(struct {
		Kind   string
		Raw    []byte
		Origin string
	}{k.kind, k.raw, k.origin})
}

// Verify returns nil if a signature, whose blob is a proof, is the key's for data.
func (k *Key) Verify(data []byte, signature *ssh.Signature) error {
	if signature.Format != k.kind {
		return fmt.Errorf("the signature is of type %q: want %s", signature.Format, k.kind)
	}
	return k.verify(sha256.Sum256(data), signature.Blob)
}

// verify takes as long for every proof of the right form: two short hashes and one
// signature.
func (k *Key) verify(challenge [sha256.Size]byte, proof []byte) error {
	if len(proof) != ProofSize {
		return fmt.Errorf("the proof has %d bytes: want %d", len(proof), ProofSize)
	}
	flags, form := proof[flagsAt], int(proof[formAt])
	switch {
	case form >= len(tails):
		return fmt.Errorf("form %d of clientDataJSON is not known", form)
	case flags&userPresent == 0 || flags&userVerified == 0:
		return errors.New("the user was not there, or did not prove to be the one")
	case flags&(attested|extended) != 0 || flags&backedUp != 0 && flags&mayBackUp == 0:
		return fmt.Errorf("flags %#02x cannot be", flags)
	}
	text := clientData(challenge, k.origin, form)
	sum := sha256.Sum256(text)
	signed := append(append(k.host[:len(k.host):len(k.host)], proof[flagsAt:formAt]...), sum[:]...)
	if !k.signed(signed, proof[:signatureSize]) {
		return errors.New("the proof does not fit the key and the message")
	}
	return nil
}

// clientData writes clientDataJSON (WebAuthn, section 5.8.1.1).
func clientData(challenge [sha256.Size]byte, origin string, form int) []byte {
	var b bytes.Buffer
	b.WriteString(`{"type":"webauthn.get","challenge":"`)
	b.WriteString(base64.RawURLEncoding.EncodeToString(challenge[:]))
	b.WriteString(`","origin":"`)
	b.WriteString(origin)
	b.WriteString(`"`)
	b.WriteString(tails[form])
	return b.Bytes()
}

func (k *Key) signed(data, signature []byte) bool {
	switch public := k.public.(type) {
	case ed25519.PublicKey:
		return ed25519.Verify(public, data, signature)
	case *ecdsa.PublicKey:
		sum := sha256.Sum256(data)
		r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
		return ecdsa.Verify(public, sum[:], r, s)
	}
	return false
}
