//go:build linux

package console

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"sallyport/internal/atomicfile"
)

// idFile holds the id of this console: it is in the name of the cookie, so that the consoles
// of several gates that are tunnelled to the same computer do not take each other's.
const idFile = "id"

var validID = regexp.MustCompile(`^[0-9a-f]{12}$`)

// identify returns the id of this console, and makes one the first time.
func identify(dir string) (string, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("make the console's folder: %w", err)
	}
	path := filepath.Join(dir, idFile)
	text, err := os.ReadFile(path)
	if id := strings.TrimSpace(string(text)); err == nil && validID.MatchString(id) {
		return id, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read the console's id: %w", err)
	}
	var b [6]byte
	_, _ = rand.Read(b[:]) // it never fails
	id := hex.EncodeToString(b[:])
	if err := atomicfile.Replace(path, []byte(id+"\n"), atomicfile.Options{}); err != nil {
		return "", fmt.Errorf("write the console's id: %w", err)
	}
	return id, nil
}
