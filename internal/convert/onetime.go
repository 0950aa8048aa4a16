package convert

import (
	"errors"
	"fmt"
	"strings"

	"sallyport/internal/packet"
)

// Sequences converts a file of knockd's one-time sequences to the form of
// sequences_file. Those that knockd has used already, and those that we
// would refuse, become comments.
func Sequences(text string) (string, error) {
	text, err := readText(text)
	if err != nil {
		return "", err
	}
	w := &writer{}
	w.comment("One-time sequences, imported from knockd. Each opens its door once, in this order.")
	seen, used := make(map[string]int), false
	for i, line := range strings.Split(text, "\n") {
		trimmed := strings.TrimSpace(line)
		switch {
		case trimmed == "":
		case trimmed[0] == '#':
			used = true
			w.comment("Line " + fmt.Sprint(i+1) + " was used, or a comment: " + shown(strings.TrimLeft(trimmed, "# ")))
		default:
			knocks, err := readKnocks(trimmed)
			words := knockWords(knocks)
			switch first, twice := seen[words]; {
			case err != nil:
				w.comment(fmt.Sprintf("Line %d is left out: %s.", i+1, err))
			case len(knocks) < 2 || len(knocks) > 16:
				w.comment(fmt.Sprintf("Line %d is left out: it has %d knocks, and 2 to 16 make a sequence.", i+1, len(knocks)))
			case twice:
				w.comment(fmt.Sprintf("Line %d is left out: it is the same as line %d, and each is used once.", i+1, first))
			default:
				seen[words] = i + 1
				w.printf("%s\n", words)
			}
		}
	}
	if len(seen) == 0 && !used {
		return "", errors.New("has no sequence: want one a line, such as 7000,8000,9000:udp")
	}
	return w.String(), nil
}

func knockWords(knocks []packet.Port) string {
	words := make([]string, len(knocks))
	for i, p := range knocks {
		words[i] = p.String()
	}
	return strings.Join(words, " ")
}
