//go:build !unix

package journal

// writableFolder tells whether files can be made beside path; SQLite finds out.
func writableFolder(string) bool { return true }
