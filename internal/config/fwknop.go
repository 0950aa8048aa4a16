package config

import (
	"time"

	"github.com/pelletier/go-toml/v2/unstable"

	"sallyport/internal/fwknop"
	"sallyport/internal/packet"
)

// fwknopSkew is how far the clock of a client of fwknop may be off at least: what
// fwknopd allows (MAX_SPA_PACKET_AGE), so that no client needs another clock.
const fwknopSkew = 2 * time.Minute

// FwknopSkew is how far the clock of a client of fwknop may be off.
func (s SPA) FwknopSkew() time.Duration { return max(s.ClockSkew, fwknopSkew) }

// Window is how long the replay guard must remember a message: the greatest time
// window of all that it guards.
func (s SPA) Window() time.Duration {
	if s.FwknopPort != 0 {
		return s.FwknopSkew()
	}
	return s.ClockSkew
}

// Ports are those at which messages arrive.
func (s SPA) Ports() []packet.Port {
	var list []packet.Port
	for _, n := range []uint16{s.Port, s.FwknopPort} {
		if n != 0 {
			list = append(list, packet.Port{Proto: packet.UDP, Number: n})
		}
	}
	return list
}

// Knocks reports whether a client can knock at all, in whatever way.
func (s SPA) Knocks(c *Client) bool {
	return c.Key != nil && s.Port != 0 || c.Fwknop != nil && s.FwknopPort != 0 || !c.Rotating.Current.IsZero()
}

// readFwknop reads the keys of a client of fwknop. Messages never show them.
func (l *loader) readFwknop(client *section) *fwknop.Key {
	const want = `a table such as { key = "…", hmac = "…" }`
	v := client.get("fwknop")
	if v == nil {
		return nil
	}
	l.checkPrivate(client, v, "the keys of fwknop are no secret if everybody may use this file")
	if v.table == nil {
		client.errorf(v.place, "fwknop: want %s", want)
		return nil
	}
	s := &section{kind: client.kind, name: client.name, table: v.table, errs: client.errs}
	before := len(l.errs)
	encryption, mac := s.fwknopSecret("key"), s.fwknopSecret("hmac")
	modes := make([]string, 0, len(fwknop.Modes()))
	for _, m := range fwknop.Modes() {
		modes = append(modes, string(m))
	}
	mode := s.choice("mode", modes...)
	digest := s.scalar("digest", unstable.String, either(fwknop.Digests()))
	name := fwknop.DefaultDigest
	if digest != nil {
		name = digest.text
	}
	s.finish()
	if len(l.errs) > before {
		return nil
	}
	key, err := fwknop.NewKey(encryption, mac, fwknop.Mode(mode), name)
	if err != nil {
		client.errorf(v.place, "fwknop: %w", err)
		return nil
	}
	return key
}

// fwknopSecret reads a secret as text, or in base64.
func (s *section) fwknopSecret(key string) []byte {
	encoded := key + "_base64"
	text, coded := s.get(key), s.get(encoded)
	switch {
	case text == nil && coded == nil:
		s.errorf(s.table.place, "fwknop: %s is missing: want %s or %s, as the client has it", key, key, encoded)
	case text != nil && coded != nil:
		s.errorf(coded.place, "fwknop: want %s or %s, not both", key, encoded)
	case text != nil && text.kind == unstable.String:
		return []byte(text.text)
	case coded != nil && coded.kind == unstable.String:
		secret, err := fwknop.ParseBase64(coded.text)
		if err != nil {
			s.errorf(coded.place, "fwknop: %s is not base64", encoded)
		}
		return secret
	default:
		s.errorf(s.table.place, "fwknop: %s: want a text in quotes", key)
	}
	return nil
}

// checkFwknop checks that there are not too many clients of fwknop, and no two
// whose packets cannot be told apart.
func (l *loader) checkFwknop() {
	owners := make(map[[6]byte]int)
	for i, c := range l.config.Clients {
		if c.Fwknop == nil {
			continue
		}
		s, id := l.clients[i], c.Fwknop.ID()
		if j, taken := owners[id]; taken {
			s.errorf(s.at("fwknop"), "fwknop: client %q has the same hmac at %s: want one of its own", l.config.Clients[j].Name, l.clients[j].at("fwknop"))
			continue
		}
		if owners[id] = i; len(owners) == fwknop.MaxKeys+1 {
			s.errorf(s.at("fwknop"), "fwknop: more than %d such clients: each is tried for every packet, so let some knock with keys", fwknop.MaxKeys)
		}
	}
}
