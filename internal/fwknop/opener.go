package fwknop

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"hash"
	"strings"
)

// MaxKeys is how many keys an Opener may have: a packet does not say whose it
// is, so the keyed hash of each is tried.
const MaxKeys = 16

// ID is the same for two keys that cannot be told apart by the keyed hash. It
// does not depend on what the configuration calls the client.
func (k *Key) ID() [6]byte {
	h := hmac.New(sha256.New, k.mac)
	h.Write([]byte("sallyport: a client of fwknop"))
	return [6]byte(h.Sum(nil))
}

// Opener finds out which of several keys a packet was made with. To find that it
// is none takes one keyed hash for each key, and no memory. It is not safe for
// concurrent use.
type Opener struct {
	keys  []*Key
	macs  []hash.Hash
	sizes []int // of the hashes, in characters
	sum   []byte
	text  []byte
}

// NewOpener returns an Opener for at most MaxKeys keys.
func NewOpener(keys []*Key) *Opener {
	o := &Opener{keys: keys}
	for _, k := range keys {
		h := hmac.New(digests[k.digest], k.mac)
		o.macs = append(o.macs, h)
		o.sizes = append(o.sizes, raw.EncodedLen(h.Size()))
	}
	o.sum = make([]byte, 0, maxDigest)
	o.text = make([]byte, raw.EncodedLen(maxDigest))
	return o
}

// maxDigest is the size of the longest hash.
const maxDigest = 64

var prefix = []byte(salted)

// Find returns the place of the key that a packet was made with, or ErrForm, or
// ErrMAC if it is none of them.
func (o *Opener) Find(payload []byte) (int, error) {
	if !IsForm(payload) || string(payload[:len(salted)]) == salted {
		return 0, ErrForm
	}
	found := -1
	for i, h := range o.macs {
		at := len(payload) - o.sizes[i]
		if at < MinLength/2 {
			continue
		}
		h.Reset()
		h.Write(prefix)
		h.Write(payload[:at])
		o.sum = h.Sum(o.sum[:0])
		text := o.text[:o.sizes[i]]
		raw.Encode(text, o.sum)
		// Compared as text, so that of the bits behind the end nothing is free.
		if subtle.ConstantTimeCompare(text, payload[at:]) == 1 && found < 0 {
			found = i
		}
	}
	if found < 0 {
		return 0, ErrMAC
	}
	return found, nil
}

// Open reads a packet that Find says key i has made. The caller checks the time, the
// source and whether the packet was seen before.
func (o *Opener) Open(i int, payload []byte) (Message, error) {
	return o.keys[i].open(payload[:len(payload)-o.sizes[i]])
}

// ParseBase64 reads a key as fwknop writes it (KEY_BASE64): with padding, as
// --key-gen does, or without.
func ParseBase64(text string) ([]byte, error) {
	return base64.RawStdEncoding.Strict().DecodeString(strings.TrimRight(text, "="))
}
