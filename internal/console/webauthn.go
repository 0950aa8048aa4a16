//go:build linux

package console

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"sallyport/internal/config"
)

// Logging in and registering by Web Authentication. What is refused says why in the log
// only: who has no passkey learns nothing about those that there are.

// offered refuses where there can be no passkeys: without an origin, and from another one.
func (c *Console) offered(v *visit) error {
	if c.keys == nil || v.origin != c.cfg.Origin {
		return refuse(http.StatusConflict, "set an https origin in "+c.cfg.Path+", and open the console there", "there are no passkeys at this address")
	}
	return nil
}

// beginLogin answers what a passkey has to sign.
func (c *Console) beginLogin(w http.ResponseWriter, v *visit) {
	err := c.offered(v)
	if err == nil {
		_, err = c.mayTry(w, v)
	}
	if err == nil {
		err = decode(w, v.Request, &struct{}{})
	}
	if err != nil {
		fail(w, err)
		return
	}
	options, _, err := c.keys.rp.BeginDiscoverableLogin(func(o *protocol.PublicKeyCredentialRequestOptions) error {
		o.Challenge, o.UserVerification, o.Timeout = c.challenges.make(c.now()), protocol.VerificationRequired, int(challengeFor/time.Millisecond)
		return nil
	})
	if err != nil {
		fail(w, err)
		return
	}
	answer(w, http.StatusOK, options)
}

// finishLogin lets in who has signed.
func (c *Console) finishLogin(w http.ResponseWriter, v *visit) {
	err := c.offered(v)
	if err != nil {
		fail(w, err)
		return
	}
	source, err := c.mayTry(w, v)
	if err != nil {
		fail(w, err)
		return
	}
	text, err := body(w, v.Request)
	if err != nil {
		fail(w, err)
		return
	}
	someone, err := c.signed(text)
	if errors.Is(err, errTooOften) {
		fail(w, err)
		return
	}
	if err != nil {
		c.failed(source, explained(err))
		fail(w, refuse(http.StatusForbidden, "log in with a link: sallyport console login", "this passkey lets nobody in"))
		return
	}
	c.begin(w, v, someone, source)
}

// explained is an error of the library with its reasons, in one line.
func explained(err error) string {
	var e *protocol.Error
	if errors.As(err, &e) && e.DevInfo != "" {
		return e.Details + ": " + e.DevInfo
	}
	return err.Error()
}

// signed returns who has signed one of our challenges, the cheap checks first.
func (c *Console) signed(text []byte) (w who, err error) {
	response, err := protocol.ParseCredentialRequestResponseBytes(text)
	if err != nil {
		return w, err
	}
	now, challenge := c.now(), response.Response.CollectedClientData.Challenge
	until, ok := c.challenges.good(now, challenge)
	if !ok {
		return w, errors.New("the challenge is not ours, or over")
	}
	known, ok := c.keys.find(response.RawID)
	if !ok {
		return w, errors.New("there is no such passkey")
	}
	user := c.cfg.User(known.User)
	if user == nil {
		return w, fmt.Errorf("there is no [[user]] %q any more", known.User)
	}
	session := webauthn.SessionData{Challenge: challenge, RelyingPartyID: c.keys.rp.Config.RPID, UserVerification: protocol.VerificationRequired}
	_, credential, err := c.keys.rp.ValidatePasskeyLogin(func(_, handle []byte) (webauthn.User, error) {
		a := c.keys.account(known.User)
		if !bytes.Equal(handle, a.handle) {
			return nil, errors.New("the handle is another user's")
		}
		return a, nil
	}, session, response)
	switch {
	case err != nil:
		return w, err
	case credential.Authenticator.CloneWarning:
		return w, fmt.Errorf("the passkey %q of %s has counted backwards: someone may have copied it", known.Name, known.User)
	case !c.challenges.spend(now, challenge, until):
		return w, errors.New("the challenge was used before")
	case !c.logins.enter(now, known.User):
		return w, errTooOften
	}
	if err := c.keys.used(now, credential); err != nil {
		return w, err
	}
	return who{known.User, rightsOf(user.Rights) & rightsOf(known.Most), "passkey"}, nil
}

// registering is a passkey that is being made, one a session.
type registering struct {
	mu    sync.Mutex
	data  *webauthn.SessionData
	until time.Time
}

func (r *registering) begin(data *webauthn.SessionData, until time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.data, r.until = data, until
}

// take returns what was begun, once.
func (r *registering) take(now time.Time) (*webauthn.SessionData, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	data := r.data
	r.data = nil
	return data, data != nil && now.Before(r.until)
}

// registrant returns the session of who may make a passkey here.
func (c *Console) registrant(v *visit) (*session, *config.ConsoleUser, error) {
	s, err := c.session(v)
	if err == nil {
		err = c.offered(v)
	}
	if err != nil {
		return nil, nil, err
	}
	u := c.cfg.User(s.User)
	if u == nil {
		return nil, nil, refuse(http.StatusConflict, fmt.Sprintf("write [[user]] with name = %q into %s: what he may do later is said there", s.User, c.cfg.Path), "%s cannot have passkeys", s.User)
	}
	return s, u, nil
}

func (c *Console) beginPasskey(w http.ResponseWriter, v *visit) {
	s, _, err := c.registrant(v)
	if err == nil {
		err = decode(w, v.Request, &struct{}{})
	}
	if err != nil {
		fail(w, err)
		return
	}
	a := c.keys.account(s.User)
	options, data, err := c.keys.rp.BeginRegistration(a, webauthn.WithExclusions(webauthn.Credentials(a.keys).CredentialDescriptors()), webauthn.WithCredentialParameters(algorithms))
	if err != nil {
		fail(w, err)
		return
	}
	s.passkey.begin(data, c.now().Add(challengeFor))
	answer(w, http.StatusOK, options)
}

// newPasskey is what an authenticator has made, and what to call it.
type newPasskey struct {
	Name       string          `json:"name"`
	Credential json.RawMessage `json:"credential"`
}

func (c *Console) finishPasskey(w http.ResponseWriter, v *visit) {
	s, u, err := c.registrant(v)
	var q newPasskey
	if err == nil {
		err = decode(w, v.Request, &q)
	}
	if err == nil && (!config.ValidLabel(q.Name) || q.Name == "") {
		err = refuse(http.StatusBadRequest, `want at most 80 characters, such as "Alice's phone"`, "this is no name for a passkey")
	}
	if err != nil {
		fail(w, err)
		return
	}
	one, err := c.made(s, u, q)
	if err == nil {
		err = c.keys.add(one)
	}
	if err != nil {
		c.log.Warn("passkey not made", "user", s.User, "name", q.Name, "reason", explained(err))
		hint := "try again, with another device if it is refused again"
		if errors.Is(err, errTooMany) {
			hint = "remove one that is not used any more"
		}
		fail(w, refuse(http.StatusConflict, hint, "the passkey was not made: %v", err))
		return
	}
	c.log.Info("passkey made", "user", s.User, "name", q.Name)
	c.noteThat(s.who, "passkey-made", netip.Addr{}, q.Name)
	answer(w, http.StatusOK, shownPasskey{one.id(), one.Name, one.Made, one.Used})
}

// made returns the passkey that an authenticator has made for a session.
func (c *Console) made(s *session, u *config.ConsoleUser, q newPasskey) (one passkey, err error) {
	data, ok := s.passkey.take(c.now())
	if !ok {
		return one, errors.New("it took too long")
	}
	response, err := protocol.ParseCredentialCreationResponseBytes(q.Credential)
	if err != nil {
		return one, err
	}
	credential, err := c.keys.rp.CreateCredential(c.keys.account(s.User), *data, response)
	if err != nil {
		return one, err
	}
	return passkey{Name: q.Name, User: s.User, Most: wordFor(s.Rights & rightsOf(u.Rights)), Made: c.now().UTC(), Credential: *credential}, nil
}

// shownPasskey is what the page shows of one.
type shownPasskey struct {
	ID   string    `json:"id"`
	Name string    `json:"name"`
	Made time.Time `json:"made"`
	Used time.Time `json:"used,omitzero"`
}

func (c *Console) listPasskeys(w http.ResponseWriter, v *visit) {
	s, err := c.session(v)
	if err == nil {
		err = c.offered(v)
	}
	if err != nil {
		fail(w, err)
		return
	}
	list := []shownPasskey{}
	for _, one := range c.keys.of(s.User) {
		list = append(list, shownPasskey{one.id(), one.Name, one.Made, one.Used})
	}
	answer(w, http.StatusOK, list)
}

func (c *Console) removePasskey(w http.ResponseWriter, v *visit) {
	s, err := c.session(v)
	if err == nil {
		err = c.offered(v)
	}
	if err != nil {
		fail(w, err)
		return
	}
	name, ok, err := c.keys.remove(s.User, v.PathValue("id"))
	switch {
	case err != nil:
		fail(w, err)
	case !ok:
		fail(w, refuse(http.StatusNotFound, "", "there is no such passkey"))
	default:
		c.log.Info("passkey removed", "user", s.User, "name", name)
		c.noteThat(s.who, "passkey-removed", netip.Addr{}, name)
		answer(w, http.StatusOK, struct{}{})
	}
}
