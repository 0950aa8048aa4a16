package client

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/invite"
	"sallyport/internal/key"
	"sallyport/internal/phrase"
	"sallyport/internal/sender"
	"sallyport/internal/spa"
	"sallyport/internal/sshauth"
)

// Invite is what an administrator has handed over, so that this client can enrol a key
// of its own. It is as good as a key until it has been used or has ended.
type Invite struct {
	Hosts       []netip.Addr // where the server is
	Name        string       // of this client on the server; may be empty
	Doors       []string
	Fingerprint string // of the server's key
	Issued      time.Time

	link invite.Link
}

// longestInvite is how long an invite is valid at most.
const longestInvite = 24 * time.Hour

// ParseInvite reads the link of an invite, alone or behind the address of a page.
func ParseInvite(text string) (*Invite, error) {
	l, err := invite.Parse(text)
	switch {
	case errors.Is(err, invite.ErrNoInvite):
		return nil, advise("a link without an invite is for the page in a browser; a profile is added by sallyport add", "%w", err)
	case errors.Is(err, invite.ErrOtherVersion):
		return nil, advise("use a program of the version that made it, or ask the administrator for a new link", "%w", err)
	case err != nil:
		return nil, advise("copy the whole link again, in quotes; sallyport client invite on the server prints it", "%w", err)
	}
	i := &Invite{Hosts: l.Hosts, Name: l.Name, Fingerprint: l.ServerKey.Fingerprint(), Issued: l.Issued, link: l}
	for _, d := range l.Doors {
		i.Doors = append(i.Doors, d.Name)
	}
	_, err = i.profile("invite", "key")
	return i, err
}

// Check reports what is known to be wrong without asking the server: a clock that is
// earlier than the invite, and an invite that has ended for certain.
func (i *Invite) Check(now time.Time) error {
	if early := i.Issued.Sub(now); early > i.link.Skew {
		return advise("set the clock of this device (timedatectl set-ntp true), then try again",
			"the clock of this device is wrong: by it the invite is made only in %s", phrase.Duration(early.Round(time.Second)))
	}
	if now.Sub(i.Issued) > longestInvite {
		return advise("ask the administrator for a new one: sallyport client invite; if it is new, the clock of this device is wrong",
			"the invite has ended: it was made at %s", i.Issued.Local().Format(time.DateTime))
	}
	return nil
}

// profile is what the device keeps.
func (i *Invite) profile(name, identity string) (*Profile, error) {
	p := &Profile{Name: name, Host: i.Hosts[0].String(), Port: i.link.Port, ServerKey: i.link.ServerKey.Text(), Doors: i.Doors, Identity: identity, Skew: i.link.Skew}
	if err := p.Validate(); err != nil {
		return nil, advise("ask the administrator for a new link", "the invite makes no profile: %w", err)
	}
	if i.link.Shape != "" { // checked here, used when there is a secret: until then nothing is lost
		for key, text := range map[string]string{"shape": i.link.Shape, "gate": i.link.Gate} {
			if text != "" && fieldOf(key).set(&Profile{}, text) != nil {
				return nil, advise("ask the administrator for a new link", "%w", invite.ErrDamaged)
			}
		}
	}
	return p, nil
}

// SuggestProfile is the name that a profile gets if the user has no other.
func (i *Invite) SuggestProfile() string {
	if i.link.Gate != "" {
		return SuggestName(i.link.Gate)
	}
	return SuggestName(i.Hosts[0].String())
}

// enrolHold is for how long one message is sent: the server gives the secret of the
// latest one that it has taken.
const enrolHold = 4 * time.Second

// Join enrols the public half of a key with the server, and returns the profile with
// which its private half, in the file identity, knocks from now on. It keeps nothing.
// With the same key it may be called again for as long as the invite is valid, also
// when an answer was lost. The error is a *NoAnswerError if nobody answered; a server
// answers no invite that it does not take.
func Join(ctx context.Context, i *Invite, public ssh.PublicKey, name, identity string, opts Options) (*Profile, error) {
	p, err := i.profile(name, identity)
	if err != nil {
		return nil, err
	}
	enrolling, id, err := i.prover(public)
	if err != nil {
		return nil, err
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	size, err := spa.Length(key.X25519, enrolling.ProofSize())
	if err != nil {
		return nil, err
	}
	q := &request{profile: p, server: i.link.ServerKey, id: id, size: size, opts: opts}
	var problem error
	for _, a := range i.Hosts {
		if opts.Network == "ip4" && !a.Is4() || opts.Network == "ip6" && a.Is4() {
			continue
		}
		to := netip.AddrPortFrom(a, p.Port)
		source, _ := sender.Source(to) // none: the flight reports why
		f := &flight{request: q, header: spa.Header{Op: spa.Enrol, Ack: true, Client: sshauth.ID(id.signer.PublicKey())}, to: to, source: source, prover: enrolling, hold: enrolHold}
		f.fly(ctx)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if f.answered != nil && f.answered.Status == spa.Enrolled {
			p.Host = a.String()
			return p, i.secret(p, f.message)
		}
		problem = errors.Join(problem, q.doorFailure([]*flight{f}))
	}
	return nil, i.unanswered(problem)
}

// prover makes the proofs of enrolling messages.
func (i *Invite) prover(public ssh.PublicKey) (spa.Enrolling, *identity, error) {
	k, ok := public.(ssh.CryptoPublicKey)
	var raw ed25519.PublicKey
	if ok {
		raw, ok = k.CryptoPublicKey().(ed25519.PublicKey)
	}
	if !ok || public.Type() != ssh.KeyAlgoED25519 {
		return spa.Enrolling{}, nil, advise("use a key of the type ssh-ed25519", "an invite enrols no key of the type %s", public.Type())
	}
	signer, err := ssh.NewSignerFromKey(ed25519.NewKeyFromSeed(i.link.Seed))
	if err != nil {
		return spa.Enrolling{}, nil, err
	}
	id := &identity{signer: signer, from: "the invite", size: ed25519.SignatureSize}
	return spa.Enrolling{Invite: id, Kind: spa.KindEd25519, Key: raw}, id, nil
}

// secret adds what rotating sequences need, if the invite gives it.
func (i *Invite) secret(p *Profile, message *spa.Sealed) error {
	if i.link.Shape == "" {
		return nil
	}
	text, err := message.Rotating()
	if err != nil {
		return err
	}
	if p.Rotating, err = ParseSecret(text); err != nil {
		return err
	}
	p.Gate = i.link.Gate
	return fieldOf("shape").set(p, i.link.Shape)
}

// unanswered says what it may be that nothing was answered.
func (i *Invite) unanswered(err error) error {
	if !errors.As(err, new(*NoAnswerError)) {
		return err
	}
	hints := []string{
		"the invite has been used by another device, or was taken back",
		fmt.Sprintf("it has ended: it was made at %s, and is usually valid for an hour", i.Issued.Local().Format(time.DateTime)),
		fmt.Sprintf("the clock of this device is off by more than %v", phrase.Duration(i.link.Skew)),
		fmt.Sprintf("UDP to port %d is filtered on the way, or the server is down, or does not answer (ack = false)", i.link.Port),
	}
	return advise("a server answers no invite that it does not take. It may be, likeliest first:\n  - "+strings.Join(hints, "\n  - ")+
		"\nthe administrator sees which with: sallyport events\nthe same link may be tried again on this device", "%w", err)
}
