package client

import "os"

// readPrivate reads a file. Who may read it is up to the folder: on Windows
// that of a user's configuration is closed to other users.
func readPrivate(path string) ([]byte, error) { return os.ReadFile(path) }
