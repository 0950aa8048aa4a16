package report

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// Inert makes a text that somebody else may have chosen safe to print: one
// line, and nothing that a terminal acts on or that changes the order of what
// is seen (escape sequences, controls of C0 and C1, marks of direction).
func Inert(s string) string {
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
