package phrase

import "strings"

// Bounds of what is repeated from a user's own words.
const (
	mostOfAWord = 200
	mostOfALine = 2000
)

// Short returns a line with its very long words, and itself, cut down to their
// beginning and end: an error that repeats what was typed stays readable, whatever that was.
func Short(line string) string {
	if len(line) <= mostOfAWord {
		return line
	}
	words := strings.Split(line, " ")
	for i := range words {
		words[i] = middle(words[i], mostOfAWord)
	}
	return middle(strings.Join(words, " "), mostOfALine)
}

// middle leaves out the middle of a text of more than n characters.
func middle(text string, n int) string {
	if len(text) <= n {
		return text
	}
	runes := []rune(text)
	if len(runes) <= n {
		return text
	}
	return string(runes[:n*2/3]) + "…" + string(runes[len(runes)-n/3+1:])
}
