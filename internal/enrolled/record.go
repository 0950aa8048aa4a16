// Package enrolled holds what the gate knows of invites and of the clients that have
// enrolled themselves with them: records of a fixed schema, which lie beside the
// configuration and never become part of its text, and the layer that they make over it.
// The protocol is in docs/PROTOCOL.md, section 14.
package enrolled

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/config"
	"sallyport/internal/phrase"
	"sallyport/internal/sequence"
	"sallyport/internal/sshauth"
)

// Bounds, so that neither an operator's script nor the holder of an invite can fill
// the disk or the gate.
const (
	MaxOpen    = 256  // invites that nobody has used
	MaxRecords = 4096 // invites and clients in all
	MaxSize    = 8192 // bytes of a record
	MaxValid   = 24 * time.Hour

	maxDoors = 64
	maxFrom  = 64
)

// Record is an invite, and the client that has enrolled itself with it.
type Record struct {
	Version  int            `json:"version"`
	Name     string         `json:"name"` // of the client
	Label    string         `json:"label"`
	Doors    []string       `json:"doors"` // doors and groups
	From     []netip.Prefix `json:"from"`
	Expires  time.Time      `json:"expires"`          // zero: never
	MaxOpen  int            `json:"max_open_seconds"` // 0: as long as the door
	Single   bool           `json:"single"`
	Page     string         `json:"page"`     // the origin of the page that may use it; empty: a program
	Rotating bool           `json:"rotating"` // the client gets a secret for rotating sequences
	Key      []byte         `json:"invite"`   // public half, Ed25519
	Made     time.Time      `json:"made"`
	Until    time.Time      `json:"until"` // the end of the invite, not of the client

	Use     *Use `json:"use"`     // nil: nobody has used it
	Removed bool `json:"removed"` // the client; what is left says that the invite has been used
}

// Use is what a device has enrolled.
type Use struct {
	Kind   byte      `json:"kind"`
	Key    []byte    `json:"key"`
	Secret string    `json:"secret"` // for rotating sequences; empty: none
	At     time.Time `json:"at"`
}

// Enrolment is what a device has asked for with an invite.
type Enrolment struct {
	Invite Record
	Use    Use
}

const version = 1

// Marshal returns the text of a record.
func (r Record) Marshal() []byte {
	r.Version = version
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		panic(err) // there is nothing in it that has no text
	}
	return append(text, '\n')
}

// Parse reads what Marshal writes, and nothing else.
func Parse(text []byte) (Record, error) {
	var r Record
	if len(text) > MaxSize {
		return r, fmt.Errorf("has %d bytes, and at most %d are read", len(text), MaxSize)
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return Record{}, errors.New("is no record of an invite: it is damaged")
	}
	if r.Version != version {
		return Record{}, fmt.Errorf("is of version %d, and this program knows version %d", r.Version, version)
	}
	if !bytes.Equal(r.Marshal(), text) {
		return Record{}, errors.New("is not as this program writes it: it was changed by hand, or is damaged")
	}
	return r, r.Validate()
}

// Validate refuses what no invite may be.
func (r Record) Validate() error {
	switch {
	case !config.ValidName(r.Name):
		return fmt.Errorf("the name %q is not 1 to 32 of a-z, 0-9, dot, dash and underscore", r.Name)
	case !config.ValidLabel(r.Label):
		return errors.New("the label is not a text of at most 80 printable characters")
	case len(r.Doors) == 0 || len(r.Doors) > maxDoors:
		return fmt.Errorf("there are %d doors: want 1 to %d", len(r.Doors), maxDoors)
	case len(r.From) > maxFrom:
		return fmt.Errorf("there are %d prefixes in from: want at most %d", len(r.From), maxFrom)
	case r.MaxOpen < 0 || r.MaxOpen > int(24*time.Hour/time.Second):
		return errors.New("max_open is not 1s to 24h")
	case len(r.Key) != ed25519.PublicKeySize || config.CheckKey(r.PublicKey()) != nil:
		return errors.New("the key of the invite is none")
	case !r.Until.After(r.Made) || r.Until.Sub(r.Made) > MaxValid:
		return fmt.Errorf("it is not valid for at most %s", phrase.Duration(MaxValid))
	case r.Removed && r.Use == nil:
		return errors.New("a client is removed that was never there")
	}
	if err := r.checkLists(); err != nil {
		return err
	}
	return r.checkUse()
}

func (r Record) checkLists() error {
	for i, name := range r.Doors {
		if !config.ValidName(name) || slices.Contains(r.Doors[:i], name) {
			return fmt.Errorf("%q is no name of a door, or is named twice", name)
		}
	}
	for _, p := range r.From {
		if !p.IsValid() || p != p.Masked() || p.Addr().Is4In6() {
			return fmt.Errorf("%s in from is no address and no whole network", p)
		}
	}
	if r.Page == "" {
		return nil
	}
	if origin, err := Origin(r.Page); err != nil || origin != r.Page {
		return fmt.Errorf("the page %q is no origin", r.Page)
	}
	return nil
}

func (r Record) checkUse() error {
	if r.Use == nil {
		return nil
	}
	if _, err := ParseKey(r.Use.Kind, r.Use.Key); err != nil {
		return fmt.Errorf("the key of the client: %w", err)
	}
	if (r.Use.Secret != "") != r.Rotating {
		return errors.New("there is a secret for rotating sequences that the invite does not give, or none that it gives")
	}
	if r.Use.Secret != "" {
		if _, err := sequence.ParseSecret(r.Use.Secret); err != nil {
			return errors.New("the secret for rotating sequences is none")
		}
	}
	return nil
}

// Origin returns the origin of a page as browsers write it: in small letters, with its
// port if that is not the usual one. A name with other letters is given as they write it,
// xn--…: so it can be shown, and is of one form.
func Origin(page string) (string, error) {
	u, err := url.Parse(page)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || len(page) > 1024 {
		return "", errors.New("want the address of the page, such as https://knock.example.org/")
	}
	host := strings.TrimSuffix(strings.TrimSuffix(strings.ToLower(u.Host), ":"), ":443")
	if strings.Trim(host, "abcdefghijklmnopqrstuvwxyz0123456789.-:[]") != "" {
		return "", errors.New("want the host of the page as browsers write it, such as xn--bcher-kva.example for bücher.example")
	}
	return u.Scheme + "://" + host, nil
}

// Allows reports whether the client may knock, and be enrolled, from a source.
func (r Record) Allows(source netip.Addr) bool { return sshauth.FromPrefixes(r.From).Allows(source) }

// PublicKey returns that of the invite.
func (r Record) PublicKey() ssh.PublicKey {
	k, err := ssh.NewPublicKey(ed25519.PublicKey(r.Key))
	if err != nil {
		panic(err) // it is of a type that ssh knows
	}
	return k
}

// ID is what messages claim that enrol with the invite.
func (r Record) ID() [6]byte { return sshauth.ID(r.PublicKey()) }

// Over reports whether a record is of no use any more: the invite has ended and nobody
// is enrolled by it. What has been used is known for longer than any message with it
// can be accepted.
func (r Record) Over(now time.Time, window time.Duration) bool {
	switch {
	case r.Use == nil:
		return !now.Before(r.Until)
	case r.Removed:
		return !now.Before(r.Until.Add(window))
	}
	return false
}

// Open reports whether the invite can be used by anybody who has it.
func (r Record) Open(now time.Time) bool { return r.Use == nil && now.Before(r.Until) }
