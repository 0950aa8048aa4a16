package config

import (
	"time"

	"github.com/pelletier/go-toml/v2/unstable"
	"golang.org/x/crypto/ssh"

	"sallyport/internal/key"
	"sallyport/internal/passkey"
	"sallyport/internal/sshauth"
)

func (l *loader) readClient(t *table) {
	s := l.section("client", t)
	c := Client{
		Place:    t.place,
		Name:     readName(s),
		Label:    readLabel(s),
		Doors:    list(s, "doors", `names of doors in quotes, such as ["ssh"]`, once(func(name string) (string, error) { return name, nil })),
		Key:      readKey(s),
		Rotating: l.readSecret(s),
		Fwknop:   l.readFwknop(s),
		Changed:  readTime(s, "changed"),
		From:     sshauth.FromPrefixes(readPrefixes(s, "from")),
		Expires:  readTime(s, "expires"),
		MaxOpen:  s.duration("max_open", 0, time.Second, 24*time.Hour),
		Single:   s.boolean("single", false),
		Hours:    readHours(s),
		Most:     s.count("max_grants", 0, 1, 1000),
		STUN:     s.boolean("stun", false),
		CAEP:     list(s, "caep", `what the issuer of security events calls the client, in quotes, such as ["alice@example.com"]`, once(parseSubject)),
		Suites:   list(s, "suites", `names of suites in quotes, such as ["mlkem768-x25519"]`, once(key.ParseSuite)),
	}
	l.checkSTUN(s, &c)
	if len(c.Suites) > 0 && s.table.values["key"] == nil {
		s.errorf(s.at("suites"), "suites means nothing without a key, since only messages have one: remove it, or add a key")
	}
	if s.empty("doors") {
		s.errorf(s.at("doors"), `doors is missing: want at least one name of a door, such as ["ssh"]`)
	}
	s.finish()
	l.config.Clients = append(l.config.Clients, c)
	l.clients = append(l.clients, s)
}

// checkSTUN checks that a client that may knock in STUN can.
func (l *loader) checkSTUN(s *section, c *Client) {
	switch {
	case !c.STUN && c.Key != nil && passkey.IsType(c.Key.Type()):
		s.errorf(s.at("key"), "key: a passkey can knock from a browser only: set stun = true, here and in [spa]")
	case !c.STUN:
	case !l.config.SPA.STUN:
		s.errorf(s.at("stun"), "stun means nothing without stun = true in [spa]: set it there, or remove it here")
	case s.table.values["key"] == nil:
		s.errorf(s.at("stun"), "stun means nothing without a key: remove it, or add a key")
	case !c.MayUse(key.X25519):
		s.errorf(s.at("suites"), "suites leaves out %q, which all messages in STUN have: add it, or remove stun", key.X25519)
	}
}

func readKey(s *section) ssh.PublicKey {
	const want = `a public key in quotes, such as "ssh-ed25519 AAAA… alice@laptop"`
	v := s.scalar("key", unstable.String, want)
	if v == nil {
		if s.table.values["key"] == nil && s.table.values["rotating"] == nil && s.table.values["fwknop"] == nil {
			s.errorf(s.table.place, "key is missing: want %s, or rotating, or both; or fwknop", want)
		}
		return nil
	}
	key, err := ParseKey(v.text)
	if err != nil {
		s.errorf(v.place, "key: %w", err)
	}
	return key
}

// checkClients checks that names, keys and client ids are unique, and that
// the doors exist.
func (l *loader) checkClients() {
	doors := make(map[string]struct{}, len(l.doors))
	for _, d := range l.doors {
		doors[d.name] = struct{}{}
	}
	names := make(map[string]Place, len(l.clients))
	owners := make(map[[6]byte]int, len(l.clients))
	for i, s := range l.clients {
		c := &l.config.Clients[i]
		if at, twice := names[c.Name]; twice && c.Name != "" {
			s.errorf(c.Place, "already defined at %s", at)
		} else {
			names[c.Name] = c.Place
		}
		for _, name := range c.Doors {
			if _, ok := doors[name]; !ok {
				s.errorf(s.at("doors"), "doors: there is no door %q", name)
			}
		}
		if c.Key != nil {
			l.checkOwner(owners, i)
		}
	}
}

// checkOwner checks that no other client has the key of client i, nor another
// key with the same id.
func (l *loader) checkOwner(owners map[[6]byte]int, i int) {
	s, c := l.clients[i], &l.config.Clients[i]
	wire := c.Key.Marshal()
	id := sshauth.ID(c.Key)
	j, taken := owners[id]
	if !taken {
		owners[id] = i
		return
	}
	other := &l.config.Clients[j]
	if string(other.Key.Marshal()) == string(wire) {
		s.errorf(s.at("key"), "key: client %q has the same key at %s: want a key of its own", other.Name, l.clients[j].at("key"))
		return
	}
	s.errorf(s.at("key"), "key has the same id as that of client %q in SPA messages (%x): make another key", other.Name, id)
}
