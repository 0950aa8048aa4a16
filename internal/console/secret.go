//go:build linux

package console

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
)

// A secret is 32 random bytes, as text for a link, a cookie or a header. Only its hash is
// kept: a map that is searched by it takes no time that depends on the secret, and what
// is read out of the memory of the process lets nobody in.
type digest [sha256.Size]byte

func newSecret() (text string, of digest) {
	var b [32]byte
	_, _ = rand.Read(b[:]) // it never fails
	text = base64.RawURLEncoding.EncodeToString(b[:])
	return text, digestOf(text)
}

func digestOf(text string) digest { return sha256.Sum256([]byte(text)) }
