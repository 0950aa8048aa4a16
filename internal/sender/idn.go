package sender

import (
	"fmt"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// ASCII returns the form of a host's name that resolvers know: 日本語.jp is
// xn--wgv71a119e.jp (RFC 5891, with the mapping of UTS 46). ASCII stays as it is.
func ASCII(host string) (string, error) {
	for i := range len(host) {
		if host[i] >= utf8.RuneSelf {
			name, err := idna.Lookup.ToASCII(host)
			if err != nil {
				return "", fmt.Errorf("%q is no name of a host: %w", host, err)
			}
			return name, nil
		}
	}
	return host, nil
}

// Unicode returns the name of a host with the form for people behind it, where
// that differs: "xn--wgv71a119e.jp (日本語.jp)".
func Unicode(host string) string {
	if name, err := idna.Display.ToUnicode(host); err == nil && name != host {
		return host + " (" + name + ")"
	}
	return host
}
