package main

import "strings"

// isWord reports whether a name may be given to the shell of the server: none needs more
// than 32 letters, digits and, but for the first, ".", "_" and "-".
func isWord(name string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789"
	return name != "" && len(name) <= 32 && strings.Contains(letters, name[:1]) && strings.Trim(name, letters+"._-") == ""
}
