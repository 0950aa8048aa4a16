package columns

import (
	"testing"
	"unicode"
)

// A small client's table says the same as the large one, of the scripts that people's
// names and our own words are written in.
func TestPlainWidth(t *testing.T) {
	scripts := []*unicode.RangeTable{unicode.Latin, unicode.Greek, unicode.Cyrillic, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul,
		unicode.Arabic, unicode.Hebrew, unicode.Thai, unicode.Devanagari, unicode.Inherited}
	seen := 0
	for r := rune(0); r <= unicode.MaxRune; r++ {
		common := r < 0x2e80 && !unicode.In(r, unicode.So, unicode.Sm) && unicode.Is(unicode.Common, r)
		if !unicode.IsPrint(r) || !common && !unicode.In(r, scripts...) {
			continue
		}
		seen++
		if got, want := plainWidth(r), runeWidth(r); got != want {
			t.Errorf("%U is %d cells wide, want %d", r, got, want)
		}
	}
	if seen < 90_000 {
		t.Errorf("%d characters were looked at", seen)
	}
}
