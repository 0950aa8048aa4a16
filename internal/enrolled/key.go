package enrolled

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"errors"
	"math/big"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/config"
	"sallyport/internal/spa"
)

// ParseKey returns the key of a new client, as an enrolling message brings it.
func ParseKey(kind byte, key []byte) (ssh.PublicKey, error) {
	switch {
	case kind == spa.KindEd25519 && len(key) == ed25519.PublicKeySize:
		k, err := ssh.NewPublicKey(ed25519.PublicKey(bytes.Clone(key)))
		if err != nil {
			return nil, err
		}
		return k, config.CheckKey(k)
	case kind == spa.KindP256 && len(key) == 33:
		var x, y *big.Int
		if x, y = elliptic.UnmarshalCompressed(elliptic.P256(), key); x == nil {
			return nil, errors.New("is no point of P-256")
		}
		return ssh.NewPublicKey(&ecdsa.PublicKey{Curve: elliptic.P256(), X: x, Y: y})
	}
	return nil, errors.New("is of no kind that this program knows")
}

// Same reports whether two uses are of the same key.
func (u *Use) Same(other *Use) bool { return u.Kind == other.Kind && bytes.Equal(u.Key, other.Key) }
