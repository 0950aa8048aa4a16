package config

import (
	"errors"
	"fmt"
	"net/netip"
	"path"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2/unstable"

	"sallyport/internal/packet"
)

// readName reads the name of a door or client and gives it to the section, so
// that what follows is reported under it.
func readName(s *section) string {
	const want = `a name of 1 to 32 characters, a-z 0-9 . _ -, beginning with a letter or digit`
	v := s.scalar("name", unstable.String, want)
	switch {
	case v != nil && !validName(v.text):
		s.bad("name", v, want)
	case v != nil:
		s.name = v.text
	case s.table.values["name"] == nil:
		s.errorf(s.table.place, "name is missing: want %s", want)
	}
	return s.name
}

func validName(name string) bool {
	if len(name) < 1 || len(name) > 32 || strings.IndexByte("._-", name[0]) >= 0 {
		return false
	}
	for _, c := range name {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && !strings.ContainsRune("._-", c) {
			return false
		}
	}
	return true
}

func readPorts(s *section, key string) []packet.Port {
	return list(s, key, `ports in quotes, such as ["tcp/22", "udp/53"]`, once(packet.ParsePort))
}

func readPrefixes(s *section, key string) []netip.Prefix {
	return list(s, key, `addresses in quotes, such as ["192.168.1.0/24", "2001:db8::/32"]`, once(parsePrefix))
}

// parsePrefix reads an address or a prefix. It accepts one way only to write
// each of them: what another program might read differently (an octet with a
// leading zero is octal to some) must not decide who gets in.
func parsePrefix(text string) (netip.Prefix, error) {
	var p netip.Prefix
	if strings.Contains(text, "/") {
		parsed, err := netip.ParsePrefix(text)
		if err != nil {
			return p, notAPrefix(text)
		}
		p = parsed
	} else {
		addr, err := netip.ParseAddr(text)
		if err != nil {
			return p, notAPrefix(text)
		}
		if addr.Zone() != "" {
			return p, fmt.Errorf("%q has a zone: want an address without one", text)
		}
		p = netip.PrefixFrom(addr, addr.BitLen())
	}
	if addr := p.Addr(); addr.Is4In6() {
		return p, fmt.Errorf("%q is IPv4 written as IPv6: want %s", text, mapped(p))
	}
	if masked := p.Masked(); masked != p {
		return p, fmt.Errorf("%q has bits set behind its length: want %q, or %q for the one address", text, masked, p.Addr())
	}
	return p, nil
}

func mapped(p netip.Prefix) string {
	addr := p.Addr().Unmap()
	if p.IsSingleIP() || p.Bits() < 96 {
		return fmt.Sprintf("%q", addr)
	}
	return fmt.Sprintf("%q", netip.PrefixFrom(addr, p.Bits()-96).Masked())
}

func notAPrefix(text string) error {
	return fmt.Errorf("%q is not an address: want one such as \"192.0.2.7\", \"192.168.1.0/24\" or \"2001:db8::/32\", without leading zeros", text)
}

// readPath reads an absolute path in its shortest form.
func readPath(s *section, key, otherwise string) string {
	const want = "an absolute path"
	v := s.scalar(key, unstable.String, want)
	if v == nil {
		return otherwise
	}
	return cleanPath(s, key, v, want)
}

func cleanPath(s *section, key string, v *value, want string) string {
	if !path.IsAbs(v.text) || strings.ContainsRune(v.text, 0) {
		s.bad(key, v, want)
	}
	return path.Clean(v.text)
}

// readTime reads a date with time and zone, or a date alone: its first moment
// in UTC.
func readTime(s *section, key string) time.Time {
	v := s.get(key)
	if v == nil {
		return time.Time{}
	}
	switch v.kind {
	case unstable.String, unstable.DateTime, unstable.LocalDate, unstable.LocalDateTime:
		if t, err := parseTime(v.text); err == nil {
			return t
		}
	}
	s.bad(key, v, "a date such as 2027-01-31 (UTC) or 2027-01-31T18:00:00+01:00")
	return time.Time{}
}

func parseTime(text string) (time.Time, error) {
	if t, err := time.Parse(time.DateOnly, text); err == nil {
		return t, nil
	}
	// TOML takes a space and small letters too (RFC 3339, section 5.6).
	t, err := time.Parse(time.RFC3339, strings.ToUpper(strings.Replace(text, " ", "T", 1)))
	if err == nil && t.IsZero() {
		err = errors.New("no time")
	}
	return t.UTC(), err
}
