// Package fwknoptest makes packets as fwknop's client does, for tests. It shares
// no code with the reader.
package fwknoptest

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/md5"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"
)

// Packet is what a packet asks for.
type Packet struct {
	User    string // empty: "alice"
	Time    time.Time
	Message string // such as "198.51.100.7,tcp/22"
	Seconds int    // 0: not said
	Type    int    // 0: what Seconds calls for
}

// Seal makes a packet with two passphrases, in CBC mode and with SHA-256.
func (p Packet) Seal(t testing.TB, encryption, mac []byte) []byte {
	t.Helper()
	most := new(big.Int).Exp(big.NewInt(10), big.NewInt(16), nil)
	random, err := rand.Int(rand.Reader, most)
	if err != nil {
		t.Fatal(err)
	}
	if p.User == "" {
		p.User = "alice"
	}
	fields := []string{fmt.Sprintf("%016d", random), encode([]byte(p.User)), fmt.Sprint(p.Time.Unix()), "3.0.0", "1", encode([]byte(p.Message))}
	if p.Seconds != 0 {
		fields[4] = "3"
		fields = append(fields, fmt.Sprint(p.Seconds))
	}
	if p.Type != 0 {
		fields[4] = fmt.Sprint(p.Type)
	}
	plain := strings.Join(fields, ":")
	sum := sha256.Sum256([]byte(plain))
	plain += ":" + encode(sum[:])
	fill := aes.BlockSize - len(plain)%aes.BlockSize
	plain += strings.Repeat(string(rune(fill)), fill)

	salt := make([]byte, 8)
	_, _ = rand.Read(salt) // never fails
	key, iv := derive(encryption, salt)
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	sealed := make([]byte, len(plain))
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(sealed, []byte(plain))
	text := encode(append(append([]byte("Salted__"), salt...), sealed...))
	h := hmac.New(sha256.New, mac)
	h.Write([]byte(text))
	return []byte(strings.TrimPrefix(text, "U2FsdGVkX1") + encode(h.Sum(nil)))
}

func encode(b []byte) string { return base64.RawStdEncoding.EncodeToString(b) }

// derive is openssl's EVP_BytesToKey with MD5 and one round.
func derive(passphrase, salt []byte) (key, iv []byte) {
	one := md5.Sum(append(append([]byte{}, passphrase...), salt...))
	two := md5.Sum(append(append(one[:], passphrase...), salt...))
	three := md5.Sum(append(append(two[:], passphrase...), salt...))
	return append(append([]byte{}, one[:]...), two[:]...), three[:]
}
