package roll

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"strings"
)

// The recovery key is written on paper as 56 letters and digits in groups of four: the
// seed of an Ed25519 key, and three bytes of checksum.
const (
	paperLabel = "sallyport recovery key v1\x00"
	paperCheck = 3
)

func paperSum(seed []byte) []byte {
	sum := sha256.Sum256(append([]byte(paperLabel), seed...))
	return sum[:paperCheck]
}

// PaperText returns what is written on paper: four lines.
func PaperText(key ed25519.PrivateKey) string {
	text := base32.StdEncoding.EncodeToString(append(key.Seed(), paperSum(key.Seed())...))
	var b strings.Builder
	for i := 0; i < len(text); i += 4 {
		switch {
		case i == 0:
		case i%16 == 0:
			b.WriteByte('\n')
		default:
			b.WriteByte(' ')
		}
		b.WriteString(text[i : i+4])
	}
	return b.String()
}

// misread repairs what people mistake for something else: none of these digits is in it.
var misread = strings.NewReplacer(" ", "", "\n", "", "\r", "", "\t", "", "-", "", "0", "O", "1", "I", "8", "B")

// ParsePaper reads what was typed from paper.
func ParsePaper(text string) (ed25519.PrivateKey, error) {
	const want = "want 56 letters and digits, in groups of four"
	if len(text) > 1024 {
		return nil, errors.New(want)
	}
	raw, err := base32.StdEncoding.DecodeString(misread.Replace(strings.ToUpper(text)))
	if err != nil || len(raw) != ed25519.SeedSize+paperCheck {
		return nil, errors.New(want)
	}
	seed := raw[:ed25519.SeedSize]
	if string(raw[ed25519.SeedSize:]) != string(paperSum(seed)) {
		return nil, errors.New("a character is not as it was written: the checksum is wrong")
	}
	return ed25519.NewKeyFromSeed(seed), nil
}
