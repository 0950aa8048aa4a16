//go:build linux

package console

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	consoleOrigin = "https://gate.example.net"
	withOrigin    = "origin = \"" + consoleOrigin + "\"\n[proxy]\nlisten = \"/run/x.sock\"\npeer = \"caddy\"\n[[user]]\nname = \"alice\"\nrights = \"act\"\n[[user]]\nname = \"bob\"\n"
)

// authenticator is a device for passkeys of the algorithm ES256.
type authenticator struct {
	key     *ecdsa.PrivateKey
	id      []byte
	handle  string
	counter uint32

	origin string
	rp     string
	flags  byte
}

const (
	userPresent  = 1
	userVerified = 4
	attested     = 64
)

func newAuthenticator(t *testing.T) *authenticator {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a := &authenticator{key: key, id: make([]byte, 16), origin: consoleOrigin, rp: "gate.example.net", flags: userPresent | userVerified}
	_, _ = rand.Read(a.id)
	return a
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func (a *authenticator) clientData(kind, challenge string) []byte {
	return fmt.Appendf(nil, `{"type":"webauthn.%s","challenge":%q,"origin":%q,"crossOrigin":false}`, kind, challenge, a.origin)
}

func (a *authenticator) data(flags byte) []byte {
	sum := sha256.Sum256([]byte(a.rp))
	a.counter++
	return binary.BigEndian.AppendUint32(append(sum[:], flags), a.counter)
}

// create answers options for a new passkey, as a browser does.
func (a *authenticator) create(t *testing.T, options []byte) string {
	t.Helper()
	var o struct {
		PublicKey struct {
			Challenge string
			User      struct{ ID string }
		}
	}
	if err := json.Unmarshal(options, &o); err != nil || o.PublicKey.Challenge == "" {
		t.Fatalf("%s: %v", options, err)
	}
	a.handle = o.PublicKey.User.ID
	point, err := a.key.PublicKey.Bytes() // 4, x, y
	if err != nil {
		t.Fatal(err)
	}
	cose := append([]byte{0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 0x20}, point[1:33]...) // RFC 9052, section 7
	cose = append(append(cose, 0x22, 0x58, 0x20), point[33:]...)
	data := append(a.data(a.flags|attested), make([]byte, 16)...) // no AAGUID
	data = append(binary.BigEndian.AppendUint16(data, uint16(len(a.id))), a.id...)
	data = append(data, cose...)
	object := append([]byte("\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x58"), byte(len(data)))
	object = append(object, data...)
	return fmt.Sprintf(`{"id":%q,"rawId":%q,"type":"public-key","response":{"clientDataJSON":%q,"attestationObject":%q,"transports":["internal"]},"clientExtensionResults":{}}`,
		b64(a.id), b64(a.id), b64(a.clientData("create", o.PublicKey.Challenge)), b64(object))
}

// get answers options for a login.
func (a *authenticator) get(t *testing.T, options []byte) string {
	t.Helper()
	var o struct {
		PublicKey struct {
			Challenge, UserVerification, RpID string
		}
	}
	if err := json.Unmarshal(options, &o); err != nil || o.PublicKey.Challenge == "" || o.PublicKey.UserVerification != "required" || o.PublicKey.RpID != "gate.example.net" {
		t.Fatalf("%s: %v", options, err)
	}
	data, client := a.data(a.flags), a.clientData("get", o.PublicKey.Challenge)
	hash := sha256.Sum256(client)
	digest := sha256.Sum256(append(data[:len(data):len(data)], hash[:]...))
	signature, err := ecdsa.SignASN1(rand.Reader, a.key, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf(`{"id":%q,"rawId":%q,"type":"public-key","response":{"clientDataJSON":%q,"authenticatorData":%q,"signature":%q,"userHandle":%q},"clientExtensionResults":{}}`,
		b64(a.id), b64(a.id), b64(client), b64(data), b64(signature), a.handle)
}

// outside is a browser that comes by the proxy.
func (x *tested) outside() *browser {
	b := x.browser()
	b.handler, b.origin = x.handler(entrance{cfg: x.cfg, kind: proxied, https: true}), consoleOrigin
	b.from = "@"
	return b
}

// by has the proxy say from where a browser comes.
func (b *browser) by(r *http.Request, from string) *http.Request {
	r.Header.Set("X-Forwarded-For", from)
	return r
}

// says sends a request that comes from 192.0.2.9.
func (b *browser) says(status int, method, path, body string) []byte {
	b.x.t.Helper()
	w := b.do(b.by(b.request(method, path, body), "192.0.2.9"))
	if w.Code != status {
		b.x.t.Errorf("%s %s: %d %s, want %d", method, path, w.Code, w.Body, status)
	}
	return w.Body.Bytes()
}

// registered makes a passkey for a user.
func (x *tested) registered(user, rights string) (*browser, *authenticator) {
	x.t.Helper()
	b := x.outside()
	w := b.do(b.by(b.request("POST", "/session", `{"link":"`+x.link(user, rights)+`"}`), "192.0.2.9"))
	var a loggedIn
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil || !a.Passkeys || a.Origin != consoleOrigin {
		x.t.Fatalf("%s, %v", w.Body, err)
	}
	b.token, b.cookie = a.Session, w.Result().Cookies()[0]
	if !strings.HasPrefix(b.cookie.Name, "__Host-") || !b.cookie.Secure || w.Header().Get("Strict-Transport-Security") == "" {
		x.t.Errorf("%+v", b.cookie)
	}
	device := newAuthenticator(x.t)
	b.says(http.StatusOK, "POST", "/passkeys/finish", `{"name":"phone","credential":`+device.create(x.t, b.says(http.StatusOK, "POST", "/passkeys/begin", "{}"))+`}`)
	return b, device
}

// A passkey is made, lets in, and no longer when it is removed.
func TestPasskey(t *testing.T) {
	x := newTested(t, withOrigin)
	owner, device := x.registered("alice", "")
	for range 2 {
		b := x.outside()
		answer := device.get(t, b.says(http.StatusOK, "POST", "/passkey/begin", "{}"))
		var a loggedIn
		if err := json.Unmarshal(b.says(http.StatusOK, "POST", "/passkey/finish", answer), &a); err != nil || a.User != "alice" || a.Rights != "act" || a.Session == "" {
			t.Fatalf("%+v, %v", a, err)
		}
		b.says(http.StatusForbidden, "POST", "/passkey/finish", answer) // what was signed works once
	}
	if info, err := os.Stat(filepath.Join(x.dir, passkeyFile)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}

	// After a restart of the console it is still there, and sessions are not.
	owner.x = newWith(t, x.dir, withOrigin, x.daemon)
	x = owner.x
	owner.handler = x.handler(entrance{cfg: x.cfg, kind: proxied, https: true})
	owner.says(http.StatusUnauthorized, "GET", "/passkeys", "")
	b := x.outside()
	w := b.do(b.by(b.request("POST", "/passkey/finish", device.get(t, b.says(http.StatusOK, "POST", "/passkey/begin", "{}"))), "192.0.2.9"))
	var a loggedIn
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil || w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	b.token, b.cookie = a.Session, w.Result().Cookies()[0]
	var list []shownPasskey
	if err := json.Unmarshal(b.says(http.StatusOK, "GET", "/passkeys", ""), &list); err != nil || len(list) != 1 || list[0].Name != "phone" || list[0].Used.IsZero() {
		t.Fatalf("%+v, %v", list, err)
	}
	other := x.outside()
	bob := x.link("bob", "")
	w = other.do(other.by(other.request("POST", "/session", `{"link":"`+bob+`"}`), "192.0.2.9"))
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
		t.Fatal(err)
	}
	other.token, other.cookie = a.Session, w.Result().Cookies()[0]
	other.says(http.StatusNotFound, "DELETE", "/passkeys/"+list[0].ID, "") // another user's
	b.says(http.StatusOK, "DELETE", "/passkeys/"+list[0].ID, "")
	out := x.outside()
	out.says(http.StatusForbidden, "POST", "/passkey/finish", device.get(t, out.says(http.StatusOK, "POST", "/passkey/begin", "{}")))
}

// What a passkey must not be good for.
func TestPasskeyRefused(t *testing.T) {
	x := newTested(t, withOrigin)
	_, device := x.registered("alice", "")
	try := func(name string, change func(d *authenticator), between func()) {
		t.Helper()
		b, d := x.outside(), *device
		change(&d)
		answer := d.get(t, b.says(http.StatusOK, "POST", "/passkey/begin", "{}"))
		between()
		w := b.do(b.by(b.request("POST", "/passkey/finish", answer), "2001:db8::1"))
		if w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), "this passkey lets nobody in") {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
		x.clock.pass(time.Minute) // what has failed is forgotten
	}
	nothing := func() {}
	try("the user was not verified", func(d *authenticator) { d.flags = userPresent }, nothing)
	try("the user was not there", func(d *authenticator) { d.flags = userVerified }, nothing)
	try("another origin", func(d *authenticator) { d.origin = "https://gate.example.net.evil.example" }, nothing)
	try("a pocket page's origin", func(d *authenticator) { d.origin = "https://knock.example.net" }, nothing)
	try("another relying party", func(d *authenticator) { d.rp = "example.net" }, nothing)
	try("another key", func(d *authenticator) { d.key = newAuthenticator(t).key }, nothing)
	try("an unknown passkey", func(d *authenticator) { d.id = []byte("0123456789abcdef") }, nothing)
	try("another user's handle", func(d *authenticator) { d.handle = b64(x.keys.account("bob").handle) }, nothing)
	try("too late", func(*authenticator) {}, func() { x.clock.pass(challengeFor) })
	try("from before a restart", func(*authenticator) {}, func() { x.challenges = newChallenges() })
	try("a copy that has counted less", func(d *authenticator) { d.counter = 0 }, nothing)

	b := x.outside()
	b.says(http.StatusOK, "POST", "/passkey/finish", device.get(t, b.says(http.StatusOK, "POST", "/passkey/begin", "{}"))) // the tests above could have failed
	x.cfg.Users = x.cfg.Users[1:]
	try("a user who is not in the configuration any more", func(d *authenticator) { d.counter++ }, nothing)
}

// A passkey gives no more than the session in which it was made, and no more than the
// configuration gives the user now.
func TestPasskeyGivesNoMore(t *testing.T) {
	x := newTested(t, withOrigin)
	_, device := x.registered("alice", "view")
	b := x.outside()
	var a loggedIn
	if err := json.Unmarshal(b.says(http.StatusOK, "POST", "/passkey/finish", device.get(t, b.says(http.StatusOK, "POST", "/passkey/begin", "{}"))), &a); err != nil || a.Rights != "view" {
		t.Errorf("%+v, %v", a, err)
	}
	_, device = x.registered("alice", "act")
	x.cfg.Users[0].Rights = "view"
	if err := json.Unmarshal(b.says(http.StatusOK, "POST", "/passkey/finish", device.get(t, b.says(http.StatusOK, "POST", "/passkey/begin", "{}"))), &a); err != nil || a.Rights != "view" {
		t.Errorf("%+v, %v", a, err)
	}
}

// Without an origin, from loopback, and for those who are not in the configuration, there
// are no passkeys.
func TestPasskeysAreForTheOrigin(t *testing.T) {
	plain := newTested(t, "").loggedIn("alice", "")
	for _, path := range []string{"/passkey/begin", "/passkeys/begin"} {
		plain.wants(http.StatusConflict, "POST", path, "{}")
	}
	x := newTested(t, withOrigin)
	local := x.loggedIn("alice", "")
	for _, path := range []string{"/passkey/begin", "/passkeys/begin"} {
		local.wants(http.StatusConflict, "POST", path, "{}")
	}
	b := x.outside()
	w := b.do(b.by(b.request("POST", "/session", `{"link":"`+x.link("carol", "")+`"}`), "192.0.2.9"))
	var a loggedIn
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
		t.Fatal(err)
	}
	b.token, b.cookie = a.Session, w.Result().Cookies()[0]
	if text := b.says(http.StatusConflict, "POST", "/passkeys/begin", "{}"); !strings.Contains(string(text), "[[user]]") {
		t.Errorf("%s", text)
	}
}

// There are so many passkeys of a user, and a challenge for one is good once and for five
// minutes.
func TestPasskeysAreBounded(t *testing.T) {
	x := newTested(t, withOrigin)
	b, device := x.registered("alice", "")
	for range passkeysOfUser - 1 {
		b.says(http.StatusOK, "POST", "/passkeys/finish", `{"name":"p","credential":`+newAuthenticator(t).create(t, b.says(http.StatusOK, "POST", "/passkeys/begin", "{}"))+`}`)
	}
	b.says(http.StatusConflict, "POST", "/passkeys/finish", `{"name":"p","credential":`+newAuthenticator(t).create(t, b.says(http.StatusOK, "POST", "/passkeys/begin", "{}"))+`}`)
	if err := x.keys.write(x.keys.list[:1]); err != nil {
		t.Fatal(err)
	}
	b.says(http.StatusConflict, "POST", "/passkeys/finish", `{"name":"the same","credential":`+device.create(t, b.says(http.StatusOK, "POST", "/passkeys/begin", "{}"))+`}`)
	options := b.says(http.StatusOK, "POST", "/passkeys/begin", "{}")
	late := newAuthenticator(t).create(t, options)
	x.clock.pass(challengeFor)
	b.says(http.StatusConflict, "POST", "/passkeys/finish", `{"name":"late","credential":`+late+`}`)
	options = b.says(http.StatusOK, "POST", "/passkeys/begin", "{}")
	b.says(http.StatusOK, "POST", "/passkeys/finish", `{"name":"one","credential":`+newAuthenticator(t).create(t, options)+`}`)
	b.says(http.StatusConflict, "POST", "/passkeys/finish", `{"name":"two","credential":`+newAuthenticator(t).create(t, options)+`}`)
	unverified := newAuthenticator(t)
	unverified.flags = userPresent
	b.says(http.StatusConflict, "POST", "/passkeys/finish", `{"name":"x","credential":`+unverified.create(t, b.says(http.StatusOK, "POST", "/passkeys/begin", "{}"))+`}`)
	for _, name := range []string{"", "a\nb", "\u202eevil", strings.Repeat("x", 81)} {
		text, _ := json.Marshal(name)
		b.says(http.StatusBadRequest, "POST", "/passkeys/finish", `{"name":`+string(text)+`,"credential":{}}`)
	}
}
