package config

import (
	"errors"
	"fmt"
	"net/netip"
	"path"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2/unstable"

	"sallyport/internal/packet"
)

// readName reads the name of a door or client and gives it to the section, so
// that what follows is reported under it.
func readName(s *section) string {
	const want = `a name of 1 to 32 characters, a-z 0-9 . _ -, beginning with a letter or digit`
	v := s.scalar("name", unstable.String, want)
	switch {
	case v != nil && !ValidName(v.text):
		s.bad("name", v, want)
	case v != nil:
		s.name = v.text
	case s.table.values["name"] == nil:
		s.errorf(s.table.place, "name is missing: want %s", want)
	}
	return s.name
}

// maxLabel is how many characters a label may have.
const maxLabel = 80

// readLabel reads a text for people, in any script. What is printed must neither
// break a line nor turn its direction.
func readLabel(s *section) string {
	return readText(s, "label", `a text of at most 80 characters, such as "Sales, Tanaka's laptop"`)
}

func readText(s *section, key, want string) string {
	v := s.scalar(key, unstable.String, want)
	if v == nil {
		return ""
	}
	if !ValidLabel(v.text) {
		s.bad(key, v, want)
		return ""
	}
	return v.text
}

// ValidLabel reports whether a text may stand beside a name.
func ValidLabel(text string) bool {
	bad := func(r rune) bool { return !unicode.IsPrint(r) || unicode.Is(unicode.Bidi_Control, r) }
	return utf8.RuneCountInString(text) <= maxLabel && strings.TrimSpace(text) == text && !strings.ContainsFunc(text, bad)
}

// ValidName reports whether a door or client may have a name.
func ValidName(name string) bool {
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

// MaxPorts is how many ports a door may have. Each is an element of its own in
// the firewall for each grant.
const MaxPorts = 1024

// readPorts reads ports and ranges of them.
func readPorts(s *section, key string) []packet.Port {
	return portList(s, key, `ports in quotes, such as ["tcp/22", "udp/60000-60050"]`, packet.ParseRange)
}

// portList reads a list in which no port stands twice, alone or in a range.
func portList(s *section, key, want string, parse func(string) (packet.Range, error)) []packet.Port {
	var seen portBits
	ranges := list(s, key, want, func(text string) (packet.Range, error) {
		r, err := parse(text)
		if err == nil {
			err = seen.add(text, r)
		}
		return r, err
	})
	var ports []packet.Port
	for _, r := range ranges {
		ports = append(ports, r.Ports()...)
	}
	return ports
}

// portBits has a bit for each TCP and UDP port: a file can hold a hundred
// thousand ranges, so that comparing each two of them would take long.
type portBits [2][1 << 16 / 64]uint64

// add refuses what overlaps something that was added before.
func (b *portBits) add(text string, r packet.Range) error {
	bits := &b[0]
	if r.First.Proto == packet.UDP {
		bits = &b[1]
	}
	for n := int(r.First.Number); n <= int(r.Last); n++ {
		if n%64 == 0 && bits[n/64] == 0 {
			n += 63
		} else if bits[n/64]>>(n%64)&1 != 0 {
			return listedTwice(text, packet.Port{Proto: r.First.Proto, Number: uint16(n)})
		}
	}
	for n := int(r.First.Number); n <= int(r.Last); n++ {
		bits[n/64] |= 1 << (n % 64)
	}
	return nil
}

func listedTwice(text string, p packet.Port) error {
	if text == p.String() {
		return fmt.Errorf("%q is listed twice", text)
	}
	return fmt.Errorf("%q has %s, which is listed twice", text, p)
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
