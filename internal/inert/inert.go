// Package inert makes text that others may have chosen safe to show. What a
// packet or a log line holds reaches terminals and pages in the end, and must do
// nothing there: neither move the cursor nor turn the order of what is read.
package inert

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Text makes a text safe to print: one line, and nothing that a terminal acts
// on or that changes the order of what is seen (escape sequences, controls of C0
// and C1, marks of direction).
func Text(s string) string {
	plain := true
	for _, r := range s {
		plain = plain && strconv.IsPrint(r) && r != utf8.RuneError
	}
	if plain {
		return s
	}
	quoted := strconv.Quote(s)
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}

// JSON escapes in JSON what a terminal or a page could act on: control
// characters beyond those that JSON itself has escaped, and what changes the
// direction of text. It means the same to a program.
func JSON(json []byte) []byte {
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
