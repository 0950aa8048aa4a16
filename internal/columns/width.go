//go:build !client_only

package columns

import "github.com/mattn/go-runewidth"

// cells knows the widths. Characters that are wide in some fonts only (such as
// "–") are narrow in today's terminals, whatever the language of the reader; so
// the environment has no say.
var cells = &runewidth.Condition{}

// Width returns how many cells a text takes.
func Width(s string) int { return cells.StringWidth(s) }

func runeWidth(r rune) int { return cells.RuneWidth(r) }
