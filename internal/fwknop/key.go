// Package fwknop reads the packets of fwknop's client, so that devices which
// have it go on working while their users move to our own message.
//
// A packet is text: the standard base64 of a salt of eight bytes and an AES-256
// ciphertext, without the ten characters that the word "Salted__" makes and
// without padding, and behind it the base64 of a keyed hash (HMAC) over all of
// that. The plaintext holds fields with colons between them, the last of which
// is a hash over the others. Key and initialisation vector come from the
// passphrase and the salt as openssl(1) has made them since the 1990s
// (EVP_BytesToKey with MD5 and one round). The sources are the manual pages
// fwknop(8) and fwknopd(8), and packets of Debian's fwknop 2.6.10.
//
// What is weak in that format stays weak here: a passphrase that is shared with
// the server, one round of MD5, a clock in seconds. So a hash with a key is
// required, and checked in constant time before anything is decrypted; packets
// without one, encrypted with GnuPG, or asking for a command or for address
// translation are refused.
package fwknop

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/sha512"
	"crypto/subtle"
	"errors"
	"fmt"
	"hash"
	"maps"
	"slices"
	"strings"
)

// Mode is a way to chain the blocks of the cipher, by fwknop's name for it
// (ENCRYPTION_MODE).
type Mode string

// The modes of fwknop's client that go with a keyed hash ("legacy" does not). All
// of them fill the last block as PKCS #7 says.
const (
	CBC Mode = "cbc" // the default
	ECB Mode = "ecb" // equal blocks stay equal
	CFB Mode = "cfb" // by whole blocks
	OFB Mode = "ofb"
	CTR Mode = "ctr"
)

// Modes returns all modes, the default first.
func Modes() []Mode { return []Mode{CBC, ECB, CFB, OFB, CTR} }

// digests are the hashes of HMAC_DIGEST_TYPE, which also make the last field of
// the plaintext.
var digests = map[string]func() hash.Hash{
	"md5":      md5.New,
	"sha1":     sha1.New,
	"sha256":   sha256.New,
	"sha384":   sha512.New384,
	"sha512":   sha512.New,
	"sha3_256": func() hash.Hash { return sha3.New256() },
	"sha3_512": func() hash.Hash { return sha3.New512() },
}

// Digests returns the names of the hashes, in alphabetical order.
func Digests() []string { return slices.Sorted(maps.Keys(digests)) }

// DefaultDigest is the hash that client and server use unless told otherwise.
const DefaultDigest = "sha256"

// Lengths of keys, in bytes. The client takes up to 128 of either; what is
// shorter than minKey can be guessed by anyone who has one packet.
const (
	minKey = 8
	maxKey = 128
)

// Key is what a client and the server share. It has no text form, so that no
// log and no error holds it.
type Key struct {
	mode       Mode
	encryption []byte
	mac        []byte
	digest     string
}

// NewKey returns the key of a client. The two keys must differ, since knowing
// one would be knowing the other.
func NewKey(encryption, mac []byte, mode Mode, digest string) (*Key, error) {
	for _, k := range []struct {
		name string
		key  []byte
	}{{"key", encryption}, {"hmac", mac}} {
		if len(k.key) < minKey || len(k.key) > maxKey {
			return nil, fmt.Errorf("%s has %d bytes: want %d to %d", k.name, len(k.key), minKey, maxKey)
		}
	}
	switch {
	case subtle.ConstantTimeCompare(encryption, mac) == 1:
		return nil, errors.New("key and hmac are the same")
	case !slices.Contains(Modes(), mode):
		return nil, fmt.Errorf("mode %q is not known", mode)
	case digests[digest] == nil:
		return nil, fmt.Errorf("digest %q is not known: want one of %s", digest, strings.Join(Digests(), ", "))
	}
	return &Key{mode, slices.Clone(encryption), slices.Clone(mac), digest}, nil
}

// String keeps the key out of what is printed.
func (k *Key) String() string { return "fwknop key" }

// GoString keeps the key out of %#v.
func (k *Key) GoString() string { return k.String() }

// derive makes the key of AES-256 and the initialisation vector, as
// EVP_BytesToKey does it with MD5 and one round.
func (k *Key) derive(salt []byte) (key, iv []byte) {
	var all, last []byte
	for len(all) < 32+aes.BlockSize {
		h := md5.New()
		h.Write(last)
		h.Write(k.encryption)
		h.Write(salt)
		last = h.Sum(nil)
		all = append(all, last...)
	}
	return all[:32], all[32:]
}

var errDecrypt = errors.New("does not decrypt")

// decrypt returns the plaintext of whole blocks, without what fills the last.
func (k *Key) decrypt(salt, text []byte) ([]byte, error) {
	if len(text) == 0 || len(text)%aes.BlockSize != 0 {
		return nil, errDecrypt
	}
	key, iv := k.derive(salt)
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	plain := make([]byte, len(text))
	k.mode.decrypt(block, iv, plain, text)
	fill := int(plain[len(plain)-1])
	if fill == 0 || fill > aes.BlockSize {
		return nil, errDecrypt
	}
	for _, b := range plain[len(plain)-fill:] {
		if int(b) != fill {
			return nil, errDecrypt
		}
	}
	return plain[:len(plain)-fill], nil
}

func (m Mode) decrypt(block cipher.Block, iv, plain, text []byte) {
	const size = aes.BlockSize
	switch m {
	case CBC:
		cipher.NewCBCDecrypter(block, iv).CryptBlocks(plain, text)
	case CTR:
		cipher.NewCTR(block, iv).XORKeyStream(plain, text)
	case ECB:
		for i := 0; i < len(text); i += size {
			block.Decrypt(plain[i:], text[i:i+size])
		}
	case OFB, CFB:
		pad := slices.Clone(iv)
		for i := 0; i < len(text); i += size {
			block.Encrypt(pad, pad)
			next := slices.Clone(pad)
			if m == CFB {
				copy(next, text[i:i+size])
			}
			subtle.XORBytes(plain[i:], text[i:i+size], pad)
			copy(pad, next)
		}
	}
}
