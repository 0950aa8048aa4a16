//go:build !client_only

package columns

// Width returns how many cells a text takes.
func Width(s string) int { return cells.StringWidth(s) }
