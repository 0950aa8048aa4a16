// Package phrase is what people type and read: durations, plurals, and the word
// that was meant where one was mistyped.
package phrase

import "fmt"

// Nearest returns the word that s was probably meant to be, or "".
func Nearest(s string, known []string) string {
	best, limit := "", 1+len(s)/4
	if len(s) > 32 { // no word is nearly as long
		return ""
	}
	for _, w := range known {
		if d := distance(s, w); d <= limit {
			best, limit = w, d-1
		}
	}
	return best
}

// distance counts the single-byte insertions, deletions, replacements and swaps
// of neighbours that turn a into b (Damerau and Levenshtein, each place edited
// once).
func distance(a, b string) int {
	before, row := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		next := make([]int, len(b)+1)
		next[0] = i + 1
		for j := range len(b) {
			replace := row[j]
			if a[i] != b[j] {
				replace++
			}
			next[j+1] = min(replace, next[j]+1, row[j+1]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				next[j+1] = min(next[j+1], before[j-1]+1)
			}
		}
		before, row = row, next
	}
	return row[len(b)]
}

// Count writes "1 door", "2 doors".
func Count(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}
