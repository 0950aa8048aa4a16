//go:build client_only

package columns

// Width returns how many cells a text takes. A router has no room for the tables of
// what belongs together: of an emoji that is joined from several, each counts.
func Width(s string) (n int) {
	for _, r := range s {
		n += plainWidth(r)
	}
	return n
}

func runeWidth(r rune) int { return plainWidth(r) }
