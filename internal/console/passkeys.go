//go:build linux

package console

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"
	"github.com/go-webauthn/webauthn/webauthn"

	"sallyport/internal/atomicfile"
	"sallyport/internal/strictjson"
)

const (
	passkeyFile     = "passkeys.json"
	passkeysOfUser  = 16
	maxPasskeys     = 1000
	maxPasskeysFile = 8 << 20
)

// passkey lets a user in without a link. It is for the console alone: its relying party is
// the console's host, which serves no page that knocks.
type passkey struct {
	Name       string              `json:"name"`
	User       string              `json:"user"`
	Most       string              `json:"most"` // the rights of the session in which it was made: it gives no more
	Made       time.Time           `json:"made"`
	Used       time.Time           `json:"used,omitzero"`
	Credential webauthn.Credential `json:"credential"`
}

// id names a passkey in a path.
func (p *passkey) id() string { return base64.RawURLEncoding.EncodeToString(p.Credential.ID) }

// passkeys are those that were made, in a file.
type passkeys struct {
	path string
	rp   *webauthn.WebAuthn
	id   string // of the console

	mu   sync.Mutex
	list []passkey
}

// openPasskeys reads the file. Without an origin there are no passkeys, and the file stays
// as it is.
func openPasskeys(dir, id, origin string) (*passkeys, error) {
	if origin == "" {
		return nil, nil
	}
	u, err := url.Parse(origin)
	if err != nil {
		return nil, fmt.Errorf("make passkeys: %w", err)
	}
	p := &passkeys{path: filepath.Join(dir, passkeyFile), id: id}
	p.rp, err = webauthn.New(&webauthn.Config{
		RPID: u.Hostname(), RPDisplayName: "Sallyport " + u.Hostname(), RPOrigins: []string{origin},
		AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			ResidentKey: protocol.ResidentKeyRequirementRequired, RequireResidentKey: protocol.ResidentKeyRequired(), UserVerification: protocol.VerificationRequired,
		},
		ExtensionsUnsolicitedOutputPolicy: protocol.UnsolicitedOutputPolicyIgnore, // password managers say more than they are asked
	})
	if err != nil {
		return nil, fmt.Errorf("make passkeys for %s: %w", origin, err)
	}
	text, err := os.ReadFile(p.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return p, nil
	case err != nil:
		return nil, fmt.Errorf("read the passkeys: %w", err)
	case len(text) > maxPasskeysFile:
		return nil, fmt.Errorf("read the passkeys: %s has more than %d bytes", p.path, maxPasskeysFile)
	}
	if err := strictjson.Lenient(text, &p.list); err != nil {
		return nil, fmt.Errorf("read the passkeys: %s: %w", p.path, err)
	}
	return p, nil
}

// write writes them all, and is called with the lock.
func (p *passkeys) write(list []passkey) error {
	text, err := json.MarshalIndent(list, "", "  ")
	if err == nil {
		err = atomicfile.Replace(p.path, append(text, '\n'), atomicfile.Options{})
	}
	if err != nil {
		return fmt.Errorf("write the passkeys: %w", err)
	}
	p.list = list
	return nil
}

// of returns those of a user.
func (p *passkeys) of(user string) (list []passkey) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, one := range p.list {
		if one.User == user {
			list = append(list, one)
		}
	}
	return list
}

// find returns the one with an id.
func (p *passkeys) find(id []byte) (passkey, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, one := range p.list {
		if bytes.Equal(one.Credential.ID, id) {
			return one, true
		}
	}
	return passkey{}, false
}

var errTooMany = errors.New("there are too many passkeys")

// add keeps a new one.
func (p *passkeys) add(one passkey) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	own := 0
	for _, o := range p.list {
		if bytes.Equal(o.Credential.ID, one.Credential.ID) {
			return errors.New("there is such a passkey already")
		}
		if o.User == one.User {
			own++
		}
	}
	if own >= passkeysOfUser || len(p.list) >= maxPasskeys {
		return errTooMany
	}
	return p.write(append(slices.Clone(p.list), one))
}

// remove takes one of a user away, and returns its name.
func (p *passkeys) remove(user, id string) (name string, ok bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.IndexFunc(p.list, func(o passkey) bool { return o.User == user && o.id() == id })
	if i < 0 {
		return "", false, nil
	}
	name = p.list[i].Name
	return name, true, p.write(slices.Delete(slices.Clone(p.list), i, i+1))
}

// used notes what an authenticator has counted, and when.
func (p *passkeys) used(now time.Time, c *webauthn.Credential) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := slices.Clone(p.list)
	for i := range list {
		if bytes.Equal(list[i].Credential.ID, c.ID) {
			list[i].Credential, list[i].Used = *c, now
			return p.write(list)
		}
	}
	return errors.New("the passkey has been removed")
}

// account is a user as the library sees him.
type account struct {
	name   string
	handle []byte
	keys   []webauthn.Credential
}

// account returns a user with his passkeys. His handle says nothing of him to whom an
// authenticator shows it.
func (p *passkeys) account(user string) account {
	sum := sha256.Sum256([]byte("sallyport console user\x00" + p.id + "\x00" + user))
	a := account{name: user, handle: sum[:]}
	for _, one := range p.of(user) {
		a.keys = append(a.keys, one.Credential)
	}
	return a
}

func (a account) WebAuthnID() []byte                         { return a.handle }
func (a account) WebAuthnName() string                       { return a.name }
func (a account) WebAuthnDisplayName() string                { return a.name }
func (a account) WebAuthnCredentials() []webauthn.Credential { return a.keys }

// algorithms are those that are asked for: every device has one of them.
var algorithms = []protocol.CredentialParameter{
	{Type: protocol.PublicKeyCredentialType, Algorithm: webauthncose.AlgEdDSA},
	{Type: protocol.PublicKeyCredentialType, Algorithm: webauthncose.AlgES256},
	{Type: protocol.PublicKeyCredentialType, Algorithm: webauthncose.AlgRS256},
}
