//go:build !unix

package journal

import "os"

// readable reports why a file cannot be read better than SQLite does.
func readable(path string) (os.FileInfo, error) { return os.Stat(path) }
