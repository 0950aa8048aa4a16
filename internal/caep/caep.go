// Package caep reads security event tokens (RFC 8417) by which an identity provider or a
// device management reports that a session is over, or that a device no longer complies
// with its rules (OpenID CAEP 1.0): what is known of the sender is pinned beforehand, and
// nothing that the token says of itself is believed.
//
// It has no input and no output of its own: time, keys and token are handed in.
package caep

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"sallyport/internal/strictjson"
)

// Bounds.
const (
	MaxToken = 32 << 10 // bytes

	oldest     = time.Hour       // a transmitter tries again for a while (RFC 8935, section 2.3)
	ahead      = 2 * time.Minute // of our clock
	maxEvents  = 16
	maxAliases = 16
	maxWord    = 512 // bytes
)

// The events that end grants. All others are taken note of, and do nothing.
const (
	sessionRevoked = "https://schemas.openid.net/secevent/caep/event-type/session-revoked"
	complianceLost = "https://schemas.openid.net/secevent/caep/event-type/device-compliance-change"
)

// Trust is whose tokens count, and for whom they are.
type Trust struct {
	Issuer   string
	Audience string
	Keys     []jose.JSONWebKey // public ones; see ParseKeys
}

// Notice is what a token says that was made by who is trusted.
type Notice struct {
	ID    string   // of the token: it is delivered again if our answer is lost
	Kinds []string // "session-revoked", "device-compliance-change"; none: there is nothing to do
	// How the subject is called there. A device is narrower than its user.
	Users, Devices []string
}

// Refusal is an error with a code of RFC 8935, section 2.4.
type Refusal struct{ Code, Text string }

func (r *Refusal) Error() string { return r.Text }

func refuse(code, format string, args ...any) error {
	return &Refusal{code, fmt.Sprintf(format, args...)}
}

// claims is the payload.
type claims struct {
	Issuer   string                     `json:"iss"`
	Audience audience                   `json:"aud"`
	Issued   *float64                   `json:"iat"`
	Expires  *float64                   `json:"exp"`
	ID       string                     `json:"jti"`
	Subject  *subject                   `json:"sub_id"`
	Events   map[string]json.RawMessage `json:"events"`
}

// audience is one or several.
type audience []string

func (a *audience) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &one) == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(text, (*[]string)(a))
}

// Read verifies a token and returns what it says. The signature comes before anything
// that stands in the token.
func Read(now time.Time, trust Trust, token string) (Notice, error) {
	payload, err := verify(trust.Keys, token)
	if err != nil {
		return Notice{}, err
	}
	var c claims
	if err := strictjson.Lenient(payload, &c); err != nil {
		return Notice{}, refuse("invalid_request", "the payload is not a set of claims")
	}
	if err := c.check(now, trust); err != nil {
		return Notice{}, err
	}
	return c.notice(trust)
}

// verify returns the payload of a token that one of the keys has signed.
func verify(keys []jose.JSONWebKey, token string) ([]byte, error) {
	if len(token) > MaxToken {
		return nil, refuse("invalid_request", "the token is too long")
	}
	signed, err := jose.ParseSignedCompact(token, algorithms(keys))
	if err != nil || len(signed.Signatures) != 1 {
		return nil, refuse("invalid_request", "this is no token that is signed with an algorithm of a key that is known here")
	}
	head := signed.Signatures[0].Protected
	// A token for something else, such as an access token, must not pass for one of these
	// (RFC 8417, section 2.3).
	if kind, _ := head.ExtraHeaders[jose.HeaderType].(string); !strings.EqualFold(strings.TrimPrefix(strings.ToLower(kind), "application/"), "secevent+jwt") {
		return nil, refuse("invalid_request", "the type of the token is not secevent+jwt")
	}
	for _, k := range keys {
		if k.KeyID != "" && head.KeyID != "" && k.KeyID != head.KeyID || !slices.Contains(algorithmsOf(k), jose.SignatureAlgorithm(head.Algorithm)) {
			continue
		}
		if payload, err := signed.Verify(k.Key); err == nil {
			return payload, nil
		}
	}
	return nil, refuse("authentication_failed", "none of the keys that are known here has signed the token")
}

func (c claims) check(now time.Time, trust Trust) error {
	switch {
	case c.Issuer != trust.Issuer:
		return refuse("invalid_issuer", "the issuer is not the one that is known here")
	case !slices.Contains(c.Audience, trust.Audience):
		return refuse("invalid_audience", "the token is for someone else")
	case c.ID == "" || len(c.ID) > maxWord:
		return refuse("invalid_request", "jti is missing, or too long")
	case len(c.Events) == 0 || len(c.Events) > maxEvents:
		return refuse("invalid_request", "there is no event in it, or there are too many")
	case c.Issued == nil:
		return refuse("invalid_request", "iat is missing")
	}
	if age := now.Sub(at(*c.Issued)); age > oldest || age < -ahead {
		return refuse("invalid_request", "the token was not issued within the last hour")
	}
	if c.Expires != nil && !now.Before(at(*c.Expires)) {
		return refuse("invalid_request", "the token has expired")
	}
	return nil
}

// at is a NumericDate; what is no time is the year 1970.
func at(seconds float64) time.Time {
	if seconds < 0 || seconds > 1<<40 || seconds != seconds {
		return time.Unix(0, 0)
	}
	return time.Unix(int64(seconds), 0)
}

// notice collects what is to be done.
func (c claims) notice(trust Trust) (Notice, error) {
	n := Notice{ID: c.ID}
	for kind, text := range c.Events {
		if kind != sessionRevoked && kind != complianceLost {
			continue
		}
		var e struct {
			Subject *subject `json:"subject"` // before the final version of CAEP
			Status  string   `json:"current_status"`
		}
		if err := json.Unmarshal(text, &e); err != nil {
			return Notice{}, refuse("invalid_request", "an event cannot be understood")
		}
		if kind == complianceLost && e.Status != "not-compliant" {
			continue
		}
		who := c.Subject
		if who == nil {
			who = e.Subject
		}
		if who == nil {
			return Notice{}, refuse("invalid_request", "an event says of nobody whom it is about")
		}
		if err := n.about(who, trust.Issuer); err != nil {
			return Notice{}, err
		}
		n.Kinds = append(n.Kinds, kind[strings.LastIndexByte(kind, '/')+1:])
	}
	slices.Sort(n.Kinds)
	return n, nil
}

func (n *Notice) about(s *subject, issuer string) error {
	if s.Format != "complex" && s.Format != "" {
		names, err := s.names(issuer)
		n.Users = append(n.Users, names...)
		return err
	}
	for _, part := range []struct {
		of *subject
		to *[]string
	}{{s.User, &n.Users}, {s.Device, &n.Devices}} {
		if part.of == nil {
			continue
		}
		names, err := part.of.names(issuer)
		if err != nil {
			return err
		}
		*part.to = append(*part.to, names...)
	}
	if len(n.Users)+len(n.Devices) == 0 {
		return refuse("invalid_request", "the subject names neither a user nor a device")
	}
	return nil
}

// subject is an identifier of RFC 9493, or of several (OpenID SSF 1.0, section 3.2).
type subject struct {
	Format  string    `json:"format"`
	Email   string    `json:"email"`
	Issuer  string    `json:"iss"`
	Subject string    `json:"sub"`
	ID      string    `json:"id"`
	URI     string    `json:"uri"`
	Phone   string    `json:"phone_number"`
	Aliases []subject `json:"identifiers"`
	User    *subject  `json:"user"`
	Device  *subject  `json:"device"`
}

// names are the words for a subject that a configuration can have: an address, the
// subject of this issuer, "ISSUER SUBJECT" of another, an opaque id or a URI.
func (s *subject) names(issuer string) ([]string, error) {
	if s.Format == "aliases" {
		var all []string
		for _, a := range s.Aliases[:min(len(s.Aliases), maxAliases)] {
			if a.Format == "aliases" {
				return nil, refuse("invalid_request", "aliases have aliases")
			}
			names, err := a.names(issuer)
			if err != nil {
				return nil, err
			}
			all = append(all, names...)
		}
		if len(all) == 0 {
			return nil, refuse("invalid_request", "the subject has no name")
		}
		return all, nil
	}
	name := ""
	switch s.Format {
	case "email":
		name = s.Email
	case "iss_sub":
		if name = s.Subject; s.Issuer != issuer && name != "" {
			name = s.Issuer + " " + name
		}
	case "opaque":
		name = s.ID
	case "account", "uri", "did":
		name = s.URI
	case "phone_number":
		name = s.Phone
	}
	if name == "" || len(name) > maxWord {
		return nil, refuse("invalid_request", "the subject has a form that is not known here")
	}
	return []string{name}, nil
}

var errKey = errors.New("want public keys of RSA (2048 bits or more), ECDSA on P-256 or P-384, or Ed25519, as PEM or as a JWK set")
