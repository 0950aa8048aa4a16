package roll

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/config"
	"sallyport/internal/key"
	"sallyport/internal/passkey"
	"sallyport/internal/sequence"
)

// Bounds on what the roll holds, so that not even an operator's script fills the gates.
const (
	MaxOperators = 64
	MaxGates     = 20_000
	MaxClients   = 100_000

	maxDoors     = 64
	maxWhere     = 64
	maxFrom      = 64
	maxHours     = 21
	maxAddresses = 16
	maxKey       = 1024
	maxText      = 2048
)

// Operator is a person whose entries count.
type Operator struct {
	Name     string
	Key      string // one line, as config.ParseKey reads it, without a comment
	Software bool   // the key need not be a FIDO2 key, which was said when it was added
}

// Gate is a host that belongs to the fleet.
type Gate struct {
	Name      string
	Key       ed25519.PublicKey // signs what the gate writes
	Server    []key.Public      // its server keys, the hybrid one first; at most one of each suite
	Port      uint16            // where messages arrive
	Addresses []string          // by which clients reach it: addresses or host names
	Groups    []string
	Skew      time.Duration  // of clocks that it tolerates, whole seconds
	Shape     sequence.Shape // of rotating sequences
}

// Client is a person or device that may knock at gates of the fleet. What its doors are is
// for each gate to say: a door that a gate does not have is none there.
type Client struct {
	Name     string
	Label    string
	Key      string // one line, as config.ParseKey reads it, without a comment; empty: it has a secret only
	Secrets  Hash   // Ed25519 key that signs its secrets for rotating sequences, sealed to each gate; zero: it has none
	Doors    []string
	Gates    []string // where it counts; with Groups empty too: everywhere
	Groups   []string // groups of gates where it counts
	From     []netip.Prefix
	Hours    []string // as in the configuration
	Expires  time.Time
	MaxOpen  time.Duration
	Single   bool
	STUN     bool
	MaxCount int // grants at a time; 0: any number
}

// At reports whether the client counts at a gate.
func (c *Client) At(g *Gate) bool {
	if len(c.Gates)+len(c.Groups) == 0 || slices.Contains(c.Gates, g.Name) {
		return true
	}
	return slices.ContainsFunc(c.Groups, func(name string) bool { return slices.Contains(g.Groups, name) })
}

// KeyText returns the one form in which the roll holds a key of SSH or a passkey.
func KeyText(k ssh.PublicKey) string {
	if p, ok := k.(*passkey.Key); ok {
		return p.String()
	}
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(k)))
}

// parseKey reads what KeyText writes, and nothing else.
func parseKey(text string) (ssh.PublicKey, error) {
	if len(text) > maxText {
		return nil, errors.New("the key is longer than any key")
	}
	k, err := config.ParseKey(text)
	if err != nil {
		return nil, fmt.Errorf("the key: %w", err)
	}
	if KeyText(k) != text {
		return nil, errors.New("the key is written in an unusual way")
	}
	return k, nil
}

// PublicKey returns the key of an operator that is in a State.
func (o Operator) PublicKey() (ssh.PublicKey, error) {
	k, err := parseKey(o.Key)
	switch {
	case err != nil:
		return nil, err
	case passkey.IsType(k.Type()):
		return nil, errors.New("a passkey signs in browsers alone: want an SSH key")
	case o.Software == (k.Type() == ssh.KeyAlgoSKED25519):
		return nil, errors.New("whether the key is one of hardware is not said truly")
	}
	return k, nil
}

func (o Operator) validate() error {
	if !config.ValidName(o.Name) {
		return nameError(o.Name)
	}
	_, err := o.PublicKey()
	return err
}

func nameError(name string) error {
	return fmt.Errorf("%.40q is no name: want 1 to 32 of a-z, 0-9, dot, dash and underscore, beginning with a letter or digit", name)
}

// validate refuses what no gate can be.
func (g *Gate) validate() error {
	if !config.ValidName(g.Name) {
		return nameError(g.Name)
	}
	if _, err := SSHKey(g.Key); err != nil {
		return fmt.Errorf("the gate's key: %w", err)
	}
	if len(g.Server) == 0 || len(g.Server) > 2 || len(g.Server) == 2 && g.Server[0].Suite() <= g.Server[1].Suite() {
		return errors.New("want a server key of each suite at most, the hybrid one first")
	}
	if g.Port == 0 || len(g.Addresses) > maxAddresses {
		return fmt.Errorf("want the port of its messages, and at most %d addresses", maxAddresses)
	}
	for i, a := range g.Addresses {
		if !validHost(a) || slices.Contains(g.Addresses[:i], a) {
			return fmt.Errorf("%.60q is no address and no host name, or is named twice", a)
		}
	}
	if g.Skew < time.Second || g.Skew > time.Hour || g.Skew%time.Second != 0 {
		return errors.New("the skew of clocks is not 1s to 1h, in whole seconds")
	}
	if err := g.Shape.Validate(); err != nil {
		return err
	}
	return names(g.Groups, maxWhere)
}

// SSHKey returns an Ed25519 key as SSH knows it, and refuses those that anybody can sign
// for.
func SSHKey(k ed25519.PublicKey) (ssh.PublicKey, error) {
	if len(k) != ed25519.PublicKeySize {
		return nil, errors.New("want 32 bytes")
	}
	pub, err := ssh.NewPublicKey(k)
	if err != nil {
		return nil, err
	}
	return pub, config.CheckKey(pub)
}

// validHost reports whether a text is an address or the name of a host, in ASCII.
func validHost(text string) bool {
	if a, err := netip.ParseAddr(text); err == nil {
		return a.Zone() == "" && !a.Is4In6() && a.String() == text
	}
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789-."
	return text != "" && len(text) <= 253 && strings.Trim(text, letters) == "" && text[0] != '-' && text[0] != '.'
}

// names refuses lists with what is no name, or is named twice.
func names(list []string, most int) error {
	if len(list) > most {
		return fmt.Errorf("%d names: want at most %d", len(list), most)
	}
	for i, name := range list {
		if !config.ValidName(name) {
			return nameError(name)
		}
		if slices.Contains(list[:i], name) {
			return fmt.Errorf("%q is named twice", name)
		}
	}
	return nil
}

// validate refuses what no client can be.
func (c *Client) validate() error {
	switch {
	case !config.ValidName(c.Name):
		return nameError(c.Name)
	case !utf8.ValidString(c.Label) || !config.ValidLabel(c.Label):
		return errors.New("the label is not a text of at most 80 printable characters")
	case c.Key == "" && c.Secrets == Hash{}:
		return errors.New("the client has neither a key nor a secret")
	case len(c.Doors) == 0:
		return errors.New("the client has no door")
	case len(c.From) > maxFrom:
		return fmt.Errorf("%d prefixes in from: want at most %d", len(c.From), maxFrom)
	case c.MaxOpen < 0 || c.MaxOpen > 24*time.Hour || c.MaxOpen%time.Second != 0:
		return errors.New("max_open is not 1s to 24h, in whole seconds")
	case c.MaxCount < 0 || c.MaxCount > 1000:
		return errors.New("max_grants is not 1 to 1000")
	case !c.Expires.IsZero() && (c.Expires.Unix() <= 0 || c.Expires.Unix() > maxTime || c.Expires.Nanosecond() != 0):
		return errors.New("expires is no time in whole seconds")
	}
	if _, err := c.PublicKey(); err != nil {
		return err
	}
	if c.Secrets != (Hash{}) {
		if _, err := SSHKey(c.Secrets[:]); err != nil {
			return fmt.Errorf("the key of its secrets: %w", err)
		}
	}
	if err := c.checkHours(); err != nil {
		return err
	}
	for _, p := range c.From {
		if !p.IsValid() || p != p.Masked() || p.Addr().Is4In6() {
			return fmt.Errorf("%s in from is no address and no whole network", p)
		}
	}
	return errors.Join(names(c.Doors, maxDoors), names(c.Gates, maxWhere), names(c.Groups, maxWhere))
}

func (c *Client) checkHours() error {
	if len(c.Hours) > maxHours {
		return fmt.Errorf("%d hours: want at most %d", len(c.Hours), maxHours)
	}
	for i, text := range c.Hours {
		if len(text) > 100 || slices.Contains(c.Hours[:i], text) {
			return errors.New("hours are too long, or listed twice")
		}
		if _, err := config.ParseHours(text); err != nil {
			return err
		}
	}
	return nil
}

// PublicKey returns the client's key; nil: it has none.
func (c *Client) PublicKey() (ssh.PublicKey, error) {
	if c.Key == "" {
		return nil, nil
	}
	return parseKey(c.Key)
}
