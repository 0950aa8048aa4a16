package enrolled

import (
	"bytes"
	"crypto/ed25519"
	"errors"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/config"
	"sallyport/internal/passkey"
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
	case kind == spa.KindP256:
		k, err := passkey.ParseP256(key)
		if err != nil {
			return nil, err
		}
		return ssh.NewPublicKey(k)
	}
	return nil, errors.New("is of no kind that this program knows")
}

// Same reports whether two uses are of the same key.
func (u *Use) Same(other *Use) bool { return u.Kind == other.Kind && bytes.Equal(u.Key, other.Key) }
