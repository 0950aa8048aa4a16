package consent

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"sallyport/internal/packet"
)

// Token is what an attacker gets: the right to attack, and where to look. It holds no
// secret of the gate but which ports it guards.
type Token struct {
	ID     string        `json:"i"` // public: it marks findings and bans
	Secret []byte        `json:"s"`
	Until  int64         `json:"u"` // by the gate's clock, in seconds since 1970
	Ports  []packet.Port `json:"d"` // a port of each door that is tried
	Decoys []packet.Port `json:"y,omitempty"`
	Tries  int           `json:"t,omitempty"` // pieces of evidence that make a ban
	SPA    uint16        `json:"p,omitempty"` // 0: the gate takes no messages
	Spared bool          `json:"n,omitempty"` // the gate never bans the attacker: it is too near, or has opened a door
	Reject bool          `json:"r,omitempty"` // closed ports answer
	Scan   int           `json:"f"`           // closed ports that make a fast scan
	Slow   int           `json:"l"`           // and a slow one
	Window int           `json:"w"`           // of a fast scan, in seconds
}

const (
	prefix     = "drill1-"
	secretSize = 16
	idSize     = 4
	maxToken   = 4096 // bytes of its text
)

// RandomSize is how many random bytes make a token.
const RandomSize = secretSize + idSize

// Identified gives a token its secret and its identifier.
func (t Token) Identified(random [RandomSize]byte) Token {
	t.Secret, t.ID = random[:secretSize:secretSize], hex.EncodeToString(random[secretSize:])
	return t
}

// String is the text of the token, as it is handed over.
func (t Token) String() string {
	text, _ := json.Marshal(t) // nothing in it can fail
	sum := sha256.Sum256(text)
	return prefix + base64.RawURLEncoding.EncodeToString(append(sum[:3:3], text...))
}

// Parse reads what String has written, and nothing else. Three bytes of a hash find
// what was lost or mistyped on the way.
func Parse(s string) (Token, error) {
	var t Token
	bad := errors.New("this is no token of a drill, or not all of it")
	s = strings.TrimSpace(s)
	text, ok := strings.CutPrefix(s, prefix)
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if !ok || len(s) > maxToken || err != nil || len(raw) < 3 || json.Unmarshal(raw[3:], &t) != nil {
		return Token{}, bad
	}
	if id, err := hex.DecodeString(t.ID); err != nil || len(id) != idSize || len(t.Secret) != secretSize || t.String() != s {
		return Token{}, bad
	}
	return t, nil
}

// Ends is when the consent is over, by the gate's clock.
func (t Token) Ends() time.Time { return time.Unix(t.Until, 0) }

// Proof shows to the daemon who has the token, without showing it. The daemon keeps a
// hash of this.
func (t Token) Proof() []byte { return t.mac("sallyport drill proof v1", nil) }

// Sign is the proof of a record of what was done with the token.
func (t Token) Sign(record []byte) []byte { return t.mac("sallyport drill record v1", record) }

// Signed reports whether a record is as it was signed.
func (t Token) Signed(record, proof []byte) bool { return hmac.Equal(t.Sign(record), proof) }

func (t Token) mac(label string, data []byte) []byte {
	h := hmac.New(sha256.New, t.Secret)
	h.Write([]byte(label))
	h.Write([]byte{0})
	h.Write(data)
	return h.Sum(nil)
}
