package client

import (
	"net/netip"
	"strings"
)

const wantName = "a name of 1 to 32 characters, a-z 0-9 . _ -, beginning with a letter or digit"

func validName(name string) bool {
	if len(name) < 1 || len(name) > 32 || strings.IndexByte("._-", name[0]) >= 0 {
		return false
	}
	return strings.Trim(name, nameCharacters) == ""
}

const nameCharacters = "abcdefghijklmnopqrstuvwxyz0123456789._-"

// SuggestName makes the name of a profile from that of a host: the first part
// of a DNS name, or what is left of an address when characters that names may
// not have are replaced.
func SuggestName(host string) string {
	if _, err := netip.ParseAddr(host); err != nil {
		host, _, _ = strings.Cut(host, ".")
	}
	name := strings.Map(func(r rune) rune {
		if !strings.ContainsRune(nameCharacters, r) {
			return '-'
		}
		return r
	}, strings.ToLower(host))
	name = strings.TrimLeft(name, "._-")
	if name == "" {
		return "server"
	}
	return name[:min(len(name), 32)]
}
