package key

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

const (
	privatePrefix = "sallyport-server-private-v1:"
	publicPrefix  = "sallyport-server-public-v1:"
	checksumSize  = 4
	maxText       = 2048 // longer than any key; what is longer is not looked at
)

// encode writes PREFIX SUITE ":" BASE64URL(wire ‖ checksum). The checksum is
// there because nearly any damage to a key gives another valid key, and a
// client with the wrong one meets only silence.
func encode(prefix string, suite Suite, wire []byte) string {
	head := prefix + suite.String() + ":"
	sum := checksum(head, wire)
	return head + base64.RawURLEncoding.EncodeToString(append(wire[:len(wire):len(wire)], sum[:]...))
}

// checksum covers prefix and suite too, so that no part of the text can change.
func checksum(head string, wire []byte) [checksumSize]byte {
	h := sha256.New()
	h.Write([]byte(head))
	h.Write(wire)
	return [checksumSize]byte(h.Sum(nil))
}

// decode reads what encode writes, and nothing else. Its errors never repeat
// the text, which may be a secret.
func decode(prefix, text string) (Suite, []byte, error) {
	rest, ok := strings.CutPrefix(text, prefix)
	if !ok {
		return 0, nil, prefixError(prefix, text)
	}
	name, body, ok := strings.Cut(rest, ":")
	if !ok || len(text) > maxText {
		return 0, nil, fmt.Errorf("not a whole key: want %sSUITE:…, copied as one line", prefix)
	}
	suite, err := ParseSuite(name)
	if err != nil {
		return 0, nil, err
	}
	wire, err := base64.RawURLEncoding.Strict().DecodeString(body)
	if err != nil || len(wire) < checksumSize {
		return 0, nil, errDamaged
	}
	wire = wire[:len(wire)-checksumSize]
	if encode(prefix, suite, wire) != text { // checksum, and line ends that base64 skips
		return 0, nil, errDamaged
	}
	return suite, wire, nil
}

var errDamaged = errors.New("damaged, or cut short (the checksum is wrong): copy the whole line again")

func prefixError(prefix, text string) error {
	switch {
	case strings.HasPrefix(text, privatePrefix):
		return errors.New("that is a server's private key, which nobody else should see: want its public key")
	case strings.HasPrefix(text, publicPrefix):
		return errors.New("that is a server's public key: want its private key")
	case strings.HasPrefix(text, "ssh-"), strings.HasPrefix(text, "sk-ssh-"), strings.HasPrefix(text, "ecdsa-"):
		return fmt.Errorf("that is an SSH key: want a server key, %s…", prefix)
	}
	return fmt.Errorf("not a server key: want %s…", prefix)
}

// shown cuts text from outside to a length fit for a message.
func shown(text string) string {
	const limit = 40
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "") + "…"
}
