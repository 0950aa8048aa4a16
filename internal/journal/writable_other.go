//go:build !unix

package journal

// writableFolder reports whether files can be made beside path; SQLite finds out.
func writableFolder(string) bool { return true }
