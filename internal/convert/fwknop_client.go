package convert

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"sallyport/internal/config"
	"sallyport/internal/fwknop"
)

// client is a [[client]] to be, which goes on with its fwknop.
type client struct {
	name            string
	doors, from     []string
	maxOpen         time.Duration
	expires         string // empty: never
	encryption, mac []byte
	mode, digest    string

	off         bool // it is left out
	first, last int  // lines in what was written last
}

// write writes the table. The keys are in base64, in which nothing of them can be
// anything but a key.
func (c *client) write(w *writer) {
	set := func(key, value string) { w.printf("%-8s = %s\n", key, value) }
	c.first = w.line
	w.printf("[[client]]\n")
	set("name", config.Quote(c.name))
	set("doors", tomlList(slices.Clone(c.doors)))
	if len(c.from) > 0 {
		set("from", tomlList(slices.Clone(c.from)))
	}
	set("max_open", tomlDuration(c.maxOpen))
	if c.expires != "" {
		set("expires", c.expires)
	}
	encode := base64.StdEncoding.EncodeToString
	set("fwknop", fmt.Sprintf("{ key_base64 = %q, hmac_base64 = %q, mode = %q, digest = %q }", encode(c.encryption), encode(c.mac), c.mode, c.digest))
	c.last = w.line - 1
}

// carry makes a client of a stanza, with its keys, or says why it cannot: then
// no key becomes part of the result.
func (f *fwknopFile) carry(s *section, c client) (*client, error) {
	for _, o := range s.options {
		if known[o.key] == gpgNote || known[o.key] == natNote && !disabled(o.value) {
			return nil, fmt.Errorf("%s cannot be done here", o.key)
		}
	}
	if o, ok := s.get("DESTINATION"); ok && !isAny(o.value) {
		return nil, errors.New("DESTINATION cannot be done here")
	}
	switch {
	case len(c.doors) == 0:
		return nil, errors.New("it has no door")
	case slices.Contains(c.from, unread) || c.expires == unread:
		return nil, errors.New("its restrictions cannot be read")
	case f.carried == fwknop.MaxKeys:
		return nil, fmt.Errorf("there are %d such clients already, which is the most", fwknop.MaxKeys)
	}
	var err error
	if c.encryption, err = secretOf(s, "KEY"); err != nil {
		return nil, err
	}
	if c.mac, err = secretOf(s, "HMAC_KEY"); err != nil {
		return nil, err
	}
	c.mode, c.digest = string(fwknop.CBC), fwknop.DefaultDigest
	if o, ok := s.get("ENCRYPTION_MODE"); ok {
		c.mode = strings.ToLower(o.value)
	}
	if o, ok := s.get("HMAC_DIGEST_TYPE"); ok {
		c.digest = strings.ToLower(o.value)
	}
	switch {
	case !slices.Contains(fwknop.Modes(), fwknop.Mode(c.mode)):
		return nil, fmt.Errorf("ENCRYPTION_MODE is none of %q", fwknop.Modes())
	case !slices.Contains(fwknop.Digests(), c.digest):
		return nil, fmt.Errorf("HMAC_DIGEST_TYPE is none of %s", strings.Join(fwknop.Digests(), ", "))
	}
	key, err := fwknop.NewKey(c.encryption, c.mac, fwknop.Mode(c.mode), c.digest)
	if err != nil {
		return nil, err
	}
	if f.macs[key.ID()] {
		return nil, errors.New("an earlier stanza has the same HMAC_KEY, and a packet does not say whose it is")
	}
	f.macs[key.ID()] = true
	f.carried++
	return &c, nil
}

func disabled(value string) bool { return strings.HasPrefix(strings.ToUpper(value), "N") }

// secretOf reads a key of a stanza, as text or in base64. Errors never repeat it.
func secretOf(s *section, name string) ([]byte, error) {
	if o, ok := s.get(name + "_BASE64"); ok {
		secret, err := fwknop.ParseBase64(o.value)
		if err != nil {
			return nil, fmt.Errorf("%s is not base64", o.key)
		}
		return secret, nil
	}
	o, ok := s.get(name)
	switch {
	case !ok:
		return nil, fmt.Errorf("it has no %s", name)
	case o.value == "__CHANGEME__":
		return nil, fmt.Errorf("%s was never set", name)
	case strings.ContainsRune(o.value, utf8.RuneError):
		return nil, fmt.Errorf("%s is not UTF-8: write it as %s_BASE64", name, name)
	}
	return []byte(o.value), nil
}
