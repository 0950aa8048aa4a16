package columns

import (
	"strings"
	"unicode"
)

// Characters beside which no line is broken (JIS X 4051, "kinsoku"): none of the
// first begins a line, none of the second ends one.
const (
	notFirst = "、。，．,.:;：；？！?!)）]］}｝」』】〉》〕・ー々…ぁぃぅぇぉっゃゅょァィゥェォッャュョ％%"
	notLast  = "(（[［{｛「『【〈《〔"
)

// Wrap breaks a text into lines of at most a width, at spaces and between
// Japanese characters. A word that is wider stands in a line of its own.
func Wrap(text string, width int) []string {
	var lines []string
	line, used := "", 0
	for i, word := range strings.Fields(text) {
		for j, piece := range pieces(word) {
			space := ""
			if j == 0 && i > 0 && line != "" {
				space = " "
			}
			if n := Width(piece); line != "" && used+len(space)+n > width {
				lines = append(lines, line)
				line, used = piece, n
			} else {
				line += space + piece
				used += len(space) + n
			}
		}
	}
	return append(lines, line)
}

// pieces cuts a word where a line may be broken.
func pieces(word string) []string {
	var list []string
	start := 0
	var before rune
	for i, r := range word {
		if i > start && mayBreak(before, r) {
			list = append(list, word[start:i])
			start = i
		}
		before = r
	}
	return append(list, word[start:])
}

func mayBreak(before, after rune) bool {
	if runeWidth(before) < 2 && runeWidth(after) < 2 {
		return false
	}
	return !strings.ContainsRune(notFirst, after) && !strings.ContainsRune(notLast, before) && !unicode.Is(unicode.Mn, after)
}
