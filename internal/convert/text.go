package convert

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"sallyport/internal/config"
	"sallyport/internal/packet"
	"sallyport/internal/phrase"
)

// maxShown bounds what is repeated of the source in a note.
const maxShown = 200

// shown makes a piece of the source fit for a comment and for a terminal.
func shown(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case unicode.IsPrint(r):
			return r
		}
		return unicode.ReplacementChar
	}, text)
	if runes := []rune(text); len(runes) > maxShown {
		return string(runes[:maxShown]) + "…"
	}
	return text
}

// writer writes TOML and keeps count of the lines.
type writer struct {
	strings.Builder
	line int // that is written next, from 1
}

func (w *writer) printf(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	w.line += strings.Count(text, "\n")
	w.WriteString(text)
}

const commentWidth = 96

// comment writes a text as comment lines. Lines that begin with a space are
// not filled.
func (w *writer) comment(text string) {
	for line := range strings.SplitSeq(text, "\n") {
		if strings.HasPrefix(line, " ") {
			w.printf("#%s\n", line)
			continue
		}
		length := 0
		for word := range strings.FieldsSeq(line) {
			switch {
			case length == 0:
				w.printf("#")
			case length+1+len(word) > commentWidth:
				w.printf("\n#")
				length = 0
			}
			w.printf(" %s", word)
			length += 1 + len(word)
		}
		if length == 0 {
			w.printf("#")
		}
		w.printf("\n")
	}
}

// tomlPorts writes ports as our configuration has them, with ranges.
func tomlPorts(list []packet.Port) string { return tomlList(packet.Spell(list)) }

// tomlKnocks writes the knocks of a sequence.
func tomlKnocks(list []packet.Port) string {
	words := make([]string, len(list))
	for i, p := range list {
		words[i] = p.String()
	}
	return tomlList(words)
}

func tomlList(words []string) string {
	for i := range words {
		words[i] = config.Quote(words[i])
	}
	return "[" + strings.Join(words, ", ") + "]"
}

func tomlDuration(d time.Duration) string { return config.Quote(phrase.Duration(d)) }
