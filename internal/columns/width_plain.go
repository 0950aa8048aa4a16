package columns

import "unicode"

// wide are the blocks of characters that take two cells (Unicode Standard Annex 11, W
// and F), as a small client knows them: whole blocks, of which a few characters are none.
var wide = [...][2]rune{
	{0x1100, 0x115f},   // Hangul
	{0x2329, 0x232a},   // brackets
	{0x2e80, 0x303e},   // radicals, CJK punctuation
	{0x3041, 0xa4cf},   // kana to Yi
	{0xa960, 0xa97c},   // Hangul
	{0xac00, 0xd7a3},   // Hangul
	{0xf900, 0xfaff},   // CJK for compatibility
	{0xfe10, 0xfe19},   // vertical forms
	{0xfe30, 0xfe6b},   // forms for compatibility
	{0xff01, 0xff60},   // full width
	{0xffe0, 0xffe6},   // full width
	{0x16fe0, 0x1b2ff}, // Tangut to rare kana
	{0x1f200, 0x1f265}, // enclosed ideographs
	{0x1f300, 0x1f64f}, // pictographs
	{0x1f680, 0x1f6ff},
	{0x1f900, 0x1faff},
	{0x20000, 0x3fffd}, // rare ideographs
}

// plainWidth returns how many cells a character takes.
func plainWidth(r rune) int {
	if unicode.In(r, unicode.Cc, unicode.Cf, unicode.Mn, unicode.Me) {
		return 0
	}
	for _, block := range wide {
		if r >= block[0] && r <= block[1] {
			return 2
		}
	}
	return 1
}
