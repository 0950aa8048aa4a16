// Package keyfile keeps a server's keys in a file that only its owner can read.
package keyfile

import (
	"fmt"
	"os"
	"path/filepath"

	"sallyport/internal/atomicfile"
	"sallyport/internal/key"
)

// maxSize is far above what two keys take.
const maxSize = 64 << 10

// Load reads the keys. The error is fs.ErrNotExist if there is no file; a file
// that others may read or write is refused.
func Load(path string) (key.Keyring, error) {
	info, err := os.Stat(path)
	if err != nil {
		return key.Keyring{}, fmt.Errorf("read server key: %w", err)
	}
	if mode := info.Mode(); !mode.IsRegular() || mode.Perm()&0o077 != 0 || info.Size() > maxSize {
		return key.Keyring{}, fmt.Errorf("read server key %s: its mode is %v and its size %d: want a small file with mode 0600 (chmod 600; and if others have read it, sallyport server-key rotate)", path, mode, info.Size())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return key.Keyring{}, fmt.Errorf("read server key: %w", err)
	}
	ring, err := key.ParseKeyring(text)
	if err != nil {
		return key.Keyring{}, fmt.Errorf("read server key %s: %w", path, err)
	}
	return ring, nil
}

// Create makes a server key and writes it to a file that is not there yet.
func Create(path string, suite key.Suite) (key.Keyring, error) {
	private, err := key.Generate(suite)
	if err != nil {
		return key.Keyring{}, fmt.Errorf("make server key: %w", err)
	}
	ring := key.NewKeyring(private)
	text, err := ring.Marshal()
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o700)
	}
	if err == nil {
		err = atomicfile.Create(path, text, atomicfile.Options{})
	}
	if err != nil {
		return key.Keyring{}, fmt.Errorf("make server key: %w", err)
	}
	return ring, nil
}

// Save puts the keys in the place of those in the file, as a whole or not at
// all, and leaves the file to its owner.
func Save(path string, ring key.Keyring) error {
	text, err := ring.Marshal()
	if err != nil {
		return fmt.Errorf("save server key: %w", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("save server key: %w", err)
	}
	if err := atomicfile.Replace(path, text, atomicfile.Options{Like: info}); err != nil {
		return fmt.Errorf("save server key: %w", err)
	}
	return nil
}
