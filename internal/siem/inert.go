package siem

import (
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// Inert escapes in JSON what a terminal or a page could act on: control
// characters beyond those that JSON itself has escaped, and what changes the
// direction of text. It means the same to a program.
func Inert(json []byte) []byte {
	out := make([]byte, 0, len(json))
	for len(json) > 0 {
		r, n := utf8.DecodeRune(json)
		switch {
		case r == '\n' || strconv.IsPrint(r):
			out = append(out, json[:n]...)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			out = appendEscape(appendEscape(out, high), low)
		default:
			out = appendEscape(out, r)
		}
		json = json[n:]
	}
	return out
}

func appendEscape(b []byte, r rune) []byte {
	const hex = "0123456789abcdef"
	return append(b, '\\', 'u', hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
}
