package caep

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	issuer = "https://idp.example.com/"
	gate   = "https://gate.example.net/"
)

var now = time.Unix(1_900_000_000, 0)

// idp is an issuer with a key of its own.
type idp struct {
	t      *testing.T
	public crypto.PublicKey
	signer jose.Signer
}

func newIDP(t *testing.T, alg jose.SignatureAlgorithm, private crypto.Signer, kind string) *idp {
	t.Helper()
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: private}, (&jose.SignerOptions{}).WithType(jose.ContentType(kind)))
	if err != nil {
		t.Fatal(err)
	}
	return &idp{t, private.Public(), s}
}

func p256(t *testing.T) crypto.Signer {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func (i *idp) sign(payload string) string {
	i.t.Helper()
	signed, err := i.signer.Sign([]byte(payload))
	if err != nil {
		i.t.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		i.t.Fatal(err)
	}
	return token
}

func (i *idp) trust() Trust {
	return Trust{Issuer: issuer, Audience: gate, Keys: []jose.JSONWebKey{{Key: i.public}}}
}

const alice = `{"format":"email","email":"alice@example.com"}`

// claimed is a payload, with some claims replaced; an empty text takes one out.
func claimed(change map[string]string) string {
	all := map[string]string{"iss": `"` + issuer + `"`, "aud": `"` + gate + `"`, "iat": fmt.Sprint(now.Unix() - 5), "jti": `"756E69717565"`,
		"sub_id": alice, "events": `{"` + sessionRevoked + `":{"event_timestamp":1900000000}}`}
	for k, v := range change {
		all[k] = v
		if v == "" {
			delete(all, k)
		}
	}
	var list []string
	for k, v := range all {
		list = append(list, `"`+k+`":`+v)
	}
	return "{" + strings.Join(list, ",") + "}"
}

// What the issuer says about someone is understood, in each form.
func TestNotices(t *testing.T) {
	i := newIDP(t, jose.ES256, p256(t), "secevent+jwt")
	lost := `{"` + complianceLost + `":{"current_status":"%s","previous_status":"compliant"}}`
	for name, c := range map[string]struct {
		change map[string]string
		want   string
	}{
		"a session":                 {nil, "[session-revoked] [alice@example.com] []"},
		"several audiences":         {map[string]string{"aud": `["x","` + gate + `"]`}, "[session-revoked] [alice@example.com] []"},
		"the issuer's own subject":  {map[string]string{"sub_id": `{"format":"iss_sub","iss":"` + issuer + `","sub":"248289761001"}`}, "[session-revoked] [248289761001] []"},
		"the subject of another":    {map[string]string{"sub_id": `{"format":"iss_sub","iss":"https://x/","sub":"1"}`}, "[session-revoked] [https://x/ 1] []"},
		"an opaque one":             {map[string]string{"sub_id": `{"format":"opaque","id":"e5c3"}`}, "[session-revoked] [e5c3] []"},
		"an account":                {map[string]string{"sub_id": `{"format":"account","uri":"acct:alice@example.com"}`}, "[session-revoked] [acct:alice@example.com] []"},
		"aliases":                   {map[string]string{"sub_id": `{"format":"aliases","identifiers":[` + alice + `,{"format":"opaque","id":"7"}]}`}, "[session-revoked] [alice@example.com 7] []"},
		"a user and a device":       {map[string]string{"sub_id": `{"format":"complex","user":` + alice + `,"device":{"format":"opaque","id":"laptop-7"}}`}, "[session-revoked] [alice@example.com] [laptop-7]"},
		"the subject in the event":  {map[string]string{"sub_id": "", "events": `{"` + sessionRevoked + `":{"subject":` + alice + `}}`}, "[session-revoked] [alice@example.com] []"},
		"a device that is not fine": {map[string]string{"events": fmt.Sprintf(lost, "not-compliant")}, "[device-compliance-change] [alice@example.com] []"},
		"one that is again":         {map[string]string{"events": fmt.Sprintf(lost, "compliant")}, "[] [] []"},
		"an event of another kind":  {map[string]string{"events": `{"https://schemas.openid.net/secevent/ssf/event-type/verification":{"state":"x"}}`, "sub_id": ""}, "[] [] []"},
	} {
		n, err := Read(now, i.trust(), i.sign(claimed(c.change)))
		if got := fmt.Sprint(n.Kinds, n.Users, n.Devices); err != nil || got != c.want || n.ID != "756E69717565" {
			t.Errorf("%s: %s, %v, want %s", name, got, err, c.want)
		}
	}
}

// What others say, or the issuer to others, or before, is refused with the code of RFC 8935.
func TestRefusals(t *testing.T) {
	i := newIDP(t, jose.ES256, p256(t), "secevent+jwt")
	for name, c := range map[string]struct {
		token string
		want  string
	}{
		"another key":          {newIDP(t, jose.ES256, p256(t), "secevent+jwt").sign(claimed(nil)), "authentication_failed"},
		"an access token":      {newIDP(t, jose.ES256, p256(t), "at+jwt").sign(claimed(nil)), "invalid_request"},
		"another issuer":       {i.sign(claimed(map[string]string{"iss": `"https://evil.example/"`})), "invalid_issuer"},
		"another audience":     {i.sign(claimed(map[string]string{"aud": `"https://gate.example.org/"`})), "invalid_audience"},
		"no audience":          {i.sign(claimed(map[string]string{"aud": ""})), "invalid_audience"},
		"old":                  {i.sign(claimed(map[string]string{"iat": fmt.Sprint(now.Unix() - 3601)})), "invalid_request"},
		"from the future":      {i.sign(claimed(map[string]string{"iat": fmt.Sprint(now.Unix() + 121)})), "invalid_request"},
		"of no time":           {i.sign(claimed(map[string]string{"iat": ""})), "invalid_request"},
		"a time beyond all":    {i.sign(claimed(map[string]string{"iat": "1e300"})), "invalid_request"},
		"expired":              {i.sign(claimed(map[string]string{"exp": fmt.Sprint(now.Unix())})), "invalid_request"},
		"no id":                {i.sign(claimed(map[string]string{"jti": ""})), "invalid_request"},
		"no events":            {i.sign(claimed(map[string]string{"events": "{}"})), "invalid_request"},
		"about nobody":         {i.sign(claimed(map[string]string{"sub_id": ""})), "invalid_request"},
		"an unknown form":      {i.sign(claimed(map[string]string{"sub_id": `{"format":"face"}`})), "invalid_request"},
		"a form without value": {i.sign(claimed(map[string]string{"sub_id": `{"format":"email"}`})), "invalid_request"},
		"aliases of aliases":   {i.sign(claimed(map[string]string{"sub_id": `{"format":"aliases","identifiers":[{"format":"aliases"}]}`})), "invalid_request"},
		"a claim twice":        {i.sign(strings.Replace(claimed(nil), "{", `{"iss":"`+issuer+`",`, 1)), "invalid_request"},
		"no JSON":              {i.sign("alice"), "invalid_request"},
		"no token":             {"alice", "invalid_request"},
		"nothing":              {"", "invalid_request"},
		"very long":            {strings.Repeat("a", MaxToken+1), "invalid_request"},
		"unsigned":             {unsigned(claimed(nil)), "invalid_request"},
		"a damaged signature":  {damaged(i.sign(claimed(nil))), "authentication_failed"},
	} {
		n, err := Read(now, i.trust(), c.token)
		if r := (*Refusal)(nil); !errors.As(err, &r) || r.Code != c.want || len(n.Users) != 0 {
			t.Errorf("%s: %+v, %v", name, n, err)
		}
	}
}

func unsigned(payload string) string {
	e := base64.RawURLEncoding.EncodeToString
	return e([]byte(`{"alg":"none","typ":"secevent+jwt"}`)) + "." + e([]byte(payload)) + "."
}

func damaged(token string) string {
	last := token[len(token)-10]
	if last == 'A' {
		return token[:len(token)-10] + "B" + token[len(token)-9:]
	}
	return token[:len(token)-10] + "A" + token[len(token)-9:]
}

// The type of a key pins what may be signed with it: its public half is no secret of an
// HMAC.
func TestAlgorithmsArePinned(t *testing.T) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, ed, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(private.Public())
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	keys, err := ParseKeys(text)
	if err != nil {
		t.Fatal(err)
	}
	trust := Trust{issuer, gate, keys}
	for alg, want := range map[jose.SignatureAlgorithm]bool{jose.RS256: true, jose.PS256: true, jose.RS384: false, jose.PS512: false} {
		if _, err := Read(now, trust, newIDP(t, alg, private, "secevent+jwt").sign(claimed(nil))); (err == nil) != want {
			t.Errorf("%s: %v", alg, err)
		}
	}
	if _, err := Read(now, trust, newIDP(t, jose.EdDSA, ed, "secevent+jwt").sign(claimed(nil))); err == nil {
		t.Error("a key of another type")
	}
	mac, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: text}, (&jose.SignerOptions{}).WithType("secevent+jwt"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Read(now, trust, (&idp{t, nil, mac}).sign(claimed(nil))); err == nil {
		t.Error("an HMAC with the public key")
	}
}

func TestParseKeys(t *testing.T) {
	private := p256(t)
	jwk := func(k jose.JSONWebKey) string { text, _ := json.Marshal(k); return string(text) }
	good := jwk(jose.JSONWebKey{Key: private.Public(), KeyID: "1", Use: "sig"})
	secret := jwk(jose.JSONWebKey{Key: []byte("a secret of an HMAC, not to be used")})
	for text, want := range map[string]int{
		good: 1, `{"keys":[` + good + `,` + secret + `]}`: 1,
		"": 0, "{}": 0, `{"keys":[]}`: 0, secret: 0, jwk(jose.JSONWebKey{Key: private}): 0, good + good: 0,
		jwk(jose.JSONWebKey{Key: private.Public(), Use: "enc"}):                    0,
		"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n":           0,
		`{"keys":[` + strings.Repeat(good+",", maxKeys) + good + `]}`:              0,
		jwk(jose.JSONWebKey{Key: private.Public(), Algorithm: string(jose.RS256)}): 0,
	} {
		keys, err := ParseKeys([]byte(text))
		if len(keys) != want && err == nil || (err == nil) != (want > 0) {
			t.Errorf("%.60s: %d keys, %v", text, len(keys), err)
		}
	}
}

// A token is obeyed once; what is remembered is bounded.
func TestSeen(t *testing.T) {
	var s Seen
	if s.Again(now, "a") || !s.Again(now.Add(oldest), "a") || s.Again(now.Add(oldest+ahead), "a") {
		t.Error("a token is obeyed again while it is valid, or never again")
	}
	for n := range 3 * maxSeen {
		s.Again(now.Add(2*oldest), fmt.Sprint(n))
	}
	if len(s.until) > maxSeen || len(s.order) > maxSeen {
		t.Errorf("%d are remembered", len(s.until))
	}
}

func FuzzRead(f *testing.F) {
	f.Add(claimed(nil))
	f.Add(claimed(map[string]string{"sub_id": `{"format":"complex","user":` + alice + `}`}))
	f.Fuzz(func(t *testing.T, payload string) {
		i := newIDP(t, jose.ES256, p256(t), "secevent+jwt")
		n, err := Read(now, i.trust(), i.sign(payload))
		if err == nil && len(n.Kinds) > 0 && len(n.Users)+len(n.Devices) == 0 {
			t.Errorf("%q is about nobody: %+v", payload, n)
		}
		if r := (*Refusal)(nil); err != nil && !errors.As(err, &r) {
			t.Errorf("%q: %v", payload, err)
		}
	})
}
