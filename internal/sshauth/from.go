package sshauth

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// From says which sources a client may knock from. The zero From allows all.
type From struct {
	allow, deny []netip.Prefix
}

// FromPrefixes allows what is in any of the prefixes, or everything if there
// are none.
func FromPrefixes(prefixes []netip.Prefix) From { return From{allow: prefixes} }

// IsZero reports whether nothing is said.
func (f From) IsZero() bool { return len(f.allow) == 0 && len(f.deny) == 0 }

// Allowed returns what is listed; of that, Allows knows what is excluded.
func (f From) Allowed() []netip.Prefix { return f.allow }

// Allows reports whether the client may knock from source: from anywhere if
// nothing is said, else from what is listed and not excluded. A list that only
// excludes allows nothing, as in OpenSSH.
func (f From) Allows(source netip.Addr) bool {
	if f.IsZero() {
		return true
	}
	source = source.Unmap()
	return contains(f.allow, source) && !contains(f.deny, source)
}

func contains(prefixes []netip.Prefix, a netip.Addr) bool {
	for _, p := range prefixes {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// parseFrom reads the value of the option from.
func parseFrom(value string) (From, error) {
	var f From
	for _, word := range strings.Split(value, ",") {
		pattern, excluded := strings.CutPrefix(word, "!")
		prefix, err := parsePattern(pattern)
		if err != nil {
			return From{}, fmt.Errorf("has the pattern %s: %w", quoted(word), err)
		}
		if excluded {
			f.deny = append(f.deny, prefix)
		} else {
			f.allow = append(f.allow, prefix)
		}
	}
	if len(f.allow) == 0 {
		return From{}, errors.New(`only excludes, which allows nothing: want what is allowed too, such as "0.0.0.0/0,::/0"`)
	}
	return f, nil
}

// parsePattern reads an address or a prefix in its one canonical form: what
// another program might read differently (010.0.0.1 is octal to some) must not
// decide who gets in.
func parsePattern(text string) (netip.Prefix, error) {
	const want = "want an address or a prefix, such as 192.0.2.1 or 2001:db8::/32"
	if strings.ContainsAny(text, "*?") {
		return netip.Prefix{}, errors.New("wildcards are not accepted: " + want)
	}
	if a, err := netip.ParseAddr(text); err == nil {
		if a.Zone() != "" || a.Is4In6() {
			return netip.Prefix{}, errors.New("no source has such an address: " + want)
		}
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	switch {
	case err == nil && p.Addr().Is4In6():
		return netip.Prefix{}, errors.New("no source has such an address: " + want)
	case err == nil && p != p.Masked():
		return netip.Prefix{}, fmt.Errorf("has bits set beyond its length: want %s", p.Masked())
	case err == nil:
		return p, nil
	case strings.IndexFunc(text, func(c rune) bool { return c >= 'g' && c <= 'z' || c >= 'G' && c <= 'Z' }) >= 0:
		return netip.Prefix{}, errors.New("host names are not accepted, as the one who answers for the name would decide: " + want)
	}
	return netip.Prefix{}, errors.New(want)
}

// String lists the prefixes as OpenSSH writes them, those that are excluded with
// a mark; nothing for anywhere.
func (f From) String() string {
	var list []string
	for _, p := range f.allow {
		list = append(list, p.String())
	}
	for _, p := range f.deny {
		list = append(list, "!"+p.String())
	}
	return strings.Join(list, ",")
}
