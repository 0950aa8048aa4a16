// Package seal hands secrets for rotating sequences to the gates of a fleet, through hands
// that must neither read nor change them.
//
// Each gate gets what only it can use, the secret as sequence.Secret.At makes it, sealed
// with HPKE to its server key. HPKE says nothing about who has sealed, so the sealed text
// is signed, with a key that comes from the secret itself and whose public half the roll
// holds in the record of the client. So what is sealed needs no signature of an operator
// for each gate; a secret that has been replaced is none any more; and who has the
// client's profile can seal to a gate that joins later.
package seal

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"sallyport/internal/fleet/roll"
	"sallyport/internal/key"
	"sallyport/internal/sequence"
)

// Place says for whom something is sealed. It cannot be opened in any other.
type Place struct {
	Fleet  roll.Hash
	Gate   string
	Client string
}

const (
	label    = "sallyport fleet secret v1\x00"
	keyLabel = "sallyport fleet secret key v1"

	// MaxSealed bounds what is looked at.
	MaxSealed = 4096

	textSize = 2 * sha256.Size // what At makes, in hexadecimal digits
	tagSize  = 16
)

// bytes is the place in one form. Names are ValidName, so none holds the divider.
func (p Place) bytes() []byte {
	return append(append([]byte(label), p.Fleet[:]...), p.Gate+"\x00"+p.Client+"\x00"...)
}

// signer returns the key that signs what is sealed of a secret.
func signer(fleet roll.Hash, client string, s sequence.Secret) (ed25519.PrivateKey, error) {
	seed, err := hkdf.Key(sha256.New, []byte(s.Text()), fleet[:], keyLabel+"\x00"+client, ed25519.SeedSize)
	if err != nil {
		return nil, err
	}
	return ed25519.NewKeyFromSeed(seed), nil
}

// Signer returns what the roll holds of a client's secret.
func Signer(fleet roll.Hash, client string, s sequence.Secret) (roll.Hash, error) {
	k, err := signer(fleet, client, s)
	if err != nil {
		return roll.Hash{}, err
	}
	return roll.Hash(k.Public().(ed25519.PublicKey)), nil
}

// Seal seals the whole secret of a client to a gate with a server key.
func Seal(to key.Public, p Place, s sequence.Secret) ([]byte, error) {
	k, err := signer(p.Fleet, p.Client, s)
	if err != nil {
		return nil, err
	}
	enc, sender, err := to.Encapsulate(p.bytes())
	if err != nil {
		return nil, fmt.Errorf("seal to gate %q: %w", p.Gate, err)
	}
	ct, err := sender.Seal(nil, []byte(s.At(p.Gate).Text()))
	if err != nil {
		return nil, fmt.Errorf("seal to gate %q: %w", p.Gate, err)
	}
	sealed := binary.BigEndian.AppendUint16(nil, uint16(to.Suite()))
	sealed = append(append(sealed, enc...), ct...)
	return append(sealed, ed25519.Sign(k, append(p.bytes(), sealed...))...), nil
}

var errSealed = errors.New("it is not sealed to this gate by those who know the secret")

// Open opens what is sealed to this gate. By is the key in the client's record in the roll.
// Nothing is opened before the signature is right, so what others put there costs little.
func Open(ring key.Keyring, by roll.Hash, p Place, sealed []byte) (sequence.Secret, error) {
	body := len(sealed) - ed25519.SignatureSize
	if body < 2 || len(sealed) > MaxSealed || !ed25519.Verify(by[:], append(p.bytes(), sealed[:body]...), sealed[body:]) {
		return sequence.Secret{}, errSealed
	}
	held, ok := ring.Of(key.Suite(binary.BigEndian.Uint16(sealed)))
	if !ok || body < 2+textSize+tagSize {
		return sequence.Secret{}, errSealed
	}
	enc, ct := sealed[2:body-textSize-tagSize], sealed[body-textSize-tagSize:body]
	for _, k := range []key.Private{held.Current, held.Previous} {
		if k.IsZero() {
			continue
		}
		recipient, err := k.Decapsulate(enc, p.bytes())
		if err != nil {
			continue
		}
		if text, err := recipient.Open(nil, ct); err == nil {
			return sequence.ParseAt(p.Gate, string(text))
		}
	}
	return sequence.Secret{}, errSealed
}
