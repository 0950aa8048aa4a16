package convert

import (
	"strconv"
	"strings"
)

// names gives doors and clients names that our configuration accepts, each
// once.
type names map[string]bool

const maxName = 32

// take makes a name from a text, or from otherwise if nothing is left of it.
func (n names) take(text, otherwise string) string {
	base := tidy(text)
	if base == "" {
		base = otherwise
	}
	name := base
	for i := 2; n[name]; i++ {
		suffix := "-" + strconv.Itoa(i)
		name = base[:min(len(base), maxName-len(suffix))] + suffix
	}
	n[name] = true
	return name
}

// renamed says where a name is not the usual one because the configuration has
// that already.
func (p *part) renamed(line int, what, wanted, name string, taken names) {
	if usual := tidy(wanted); usual != name && taken[usual] {
		p.note(line, "There is a %s %q already: this one is called %q.", what, usual, name)
	}
}

// tidy keeps what may be part of a name.
func tidy(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '.', r == '_', r == '-':
			return r
		}
		return '-'
	}, strings.ToLower(text))
	text = strings.TrimLeft(text, "._-")
	return strings.TrimRight(text[:min(len(text), maxName)], "._-")
}

// doorName makes a name from that of a knockd section: "ssh" from "openSSH".
func doorName(section string) string {
	text := strings.ToLower(section)
	for _, prefix := range []string{"openclose", "open_close", "open-close", "open"} {
		if rest := strings.TrimLeft(strings.TrimPrefix(text, prefix), "._- "); rest != text && tidy(rest) != "" {
			return rest
		}
	}
	return text
}
