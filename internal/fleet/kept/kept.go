// Package kept keeps on the disk of a gate what it needs of its fleet: the key with which
// it signs, the place in the roll that its invitation vouches for, and, sealed, what it
// knew last. Who reads the disk has the gate; what is sealed is so against other
// programs' mistakes, and files of another gate or time.
package kept

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"sallyport/internal/atomicfile"
	"sallyport/internal/fleet/follow"
	"sallyport/internal/fleet/roll"
)

// Files in it.
const (
	keyName  = "gate.key"      // made by the gate, and known to nobody else
	nextName = "gate.key.next" // the one that takes its place, once the roll names it
	pinName  = "pin"           // from the invitation
)

// maxFile is more than any of the files has.
const maxFile = roll.MaxState + 32<<20

// Folder holds what a gate keeps of its fleet.
type Folder string

// Of is the folder of a state_dir.
func Of(stateDir string) Folder { return Folder(filepath.Join(stateDir, follow.Dir)) }

func (f Folder) path(name string) string { return filepath.Join(string(f), name) }

const keyPrefix = "SALLYPORT-GATE-KEY-1:"

// Key reads the gate's key. The error is fs.ErrNotExist if it has none: it has not joined.
func (f Folder) Key() (ed25519.PrivateKey, error) { return f.readKey(keyName) }

// NextKey returns the key that is to take the place of the gate's, and makes one if there
// is none.
func (f Folder) NextKey() (ed25519.PrivateKey, error) {
	k, err := f.readKey(nextName)
	if errors.Is(err, fs.ErrNotExist) {
		return f.makeKey(nextName)
	}
	return k, err
}

// TakeNextKey puts it in the place of the gate's.
func (f Folder) TakeNextKey() error {
	if err := os.Rename(f.path(nextName), f.path(keyName)); err != nil {
		return fmt.Errorf("keep the gate's new key: %w", err)
	}
	return nil
}

func (f Folder) readKey(name string) (ed25519.PrivateKey, error) {
	text, err := f.read(name)
	if err != nil {
		return nil, fmt.Errorf("read the gate's key: %w", err)
	}
	encoded, ok := strings.CutPrefix(strings.TrimSuffix(string(text), "\n"), keyPrefix)
	seed, err := base64.RawStdEncoding.Strict().DecodeString(encoded)
	if !ok || err != nil || len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("%s holds no key of a gate", f.path(name))
	}
	return ed25519.NewKeyFromSeed(seed), nil
}

// MakeKey makes the gate's key, in the place of one that may be there: what that has
// signed counts until the roll says that this is the gate's key.
func (f Folder) MakeKey() (ed25519.PrivateKey, error) { return f.makeKey(keyName) }

func (f Folder) makeKey(name string) (ed25519.PrivateKey, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	text := keyPrefix + base64.RawStdEncoding.EncodeToString(private.Seed()) + "\n"
	return private, f.write(name, []byte(text))
}

// Pin reads the place in the roll that the invitation vouches for.
func (f Folder) Pin() (roll.Head, error) {
	text, err := f.read(pinName)
	if err != nil {
		return roll.Head{}, fmt.Errorf("read what the invitation vouches for: %w", err)
	}
	h, ok := parsePin(string(text))
	if !ok {
		return roll.Head{}, fmt.Errorf("%s names no entry of a roll", f.path(pinName))
	}
	return h, nil
}

func parsePin(text string) (h roll.Head, ok bool) {
	number, hash, _ := strings.Cut(strings.TrimSuffix(text, "\n"), " ")
	n, err := strconv.ParseUint(number, 10, 64)
	raw, bad := base64.RawStdEncoding.Strict().DecodeString(strings.TrimPrefix(hash, "SHA256:"))
	if err != nil || bad != nil || len(raw) != len(h.Hash) {
		return h, false
	}
	h = roll.Head{Number: n, Hash: roll.Hash(raw)}
	return h, pinText(h) == text
}

func pinText(h roll.Head) string { return fmt.Sprintf("%d %s\n", h.Number, h.Hash) }

// SetPin keeps the place in the roll that an invitation vouches for. What was known
// before is forgotten.
func (f Folder) SetPin(h roll.Head) error {
	if err := f.write(pinName, []byte(pinText(h))); err != nil {
		return err
	}
	for _, name := range []string{KnownName, FreshName, QueueName} {
		if err := os.Remove(f.path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("forget what was known of the fleet: %w", err)
		}
	}
	return nil
}

// Forget removes all that is kept of the fleet, the key too.
func (f Folder) Forget() error {
	if err := os.RemoveAll(string(f)); err != nil {
		return fmt.Errorf("forget the fleet: %w", err)
	}
	return nil
}

// What is sealed.
const (
	KnownName = "known" // what the gate knew last
	FreshName = "fresh" // when it last heard of etcd
	QueueName = "queue" // what it has still to say to the others
)

// sealer is the cipher for a file, under a key that comes from the gate's.
func sealer(gate ed25519.PrivateKey, name string) (cipher.AEAD, error) {
	k, err := hkdf.Key(sha256.New, gate.Seed(), nil, "sallyport fleet file v1 "+name, 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(k)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// Seal keeps a text in one of the files. When it returns nil that is on the disk.
func (f Folder) Seal(gate ed25519.PrivateKey, name string, text []byte) error {
	aead, err := sealer(gate, name)
	if err != nil {
		return err
	}
	return f.write(name, aead.Seal(nil, nil, text, nil))
}

// Open reads what Seal has kept. The error is fs.ErrNotExist if there is nothing.
func (f Folder) Open(gate ed25519.PrivateKey, name string) ([]byte, error) {
	sealed, err := f.read(name)
	if err != nil {
		return nil, err
	}
	aead, err := sealer(gate, name)
	if err != nil {
		return nil, err
	}
	text, err := aead.Open(nil, nil, sealed, nil)
	if err != nil {
		return nil, fmt.Errorf("%s is damaged, or another gate's", f.path(name))
	}
	return text, nil
}

func (f Folder) read(name string) ([]byte, error) {
	file, err := os.Open(f.path(name))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() || info.Size() > maxFile {
		return nil, fmt.Errorf("%s is no file of ours", f.path(name))
	}
	return io.ReadAll(io.LimitReader(file, maxFile))
}

// write writes a file for the owner of the state_dir: a gate is made to
// join by root, and its daemon is another user.
func (f Folder) write(name string, text []byte) error {
	state, err := os.Stat(filepath.Dir(string(f)))
	if err != nil {
		return fmt.Errorf("keep what is known of the fleet: %w", err)
	}
	if err = os.Mkdir(string(f), 0o700); err == nil {
		err = atomicfile.KeepOwner(string(f), state)
	}
	if err == nil || errors.Is(err, fs.ErrExist) {
		err = atomicfile.Replace(f.path(name), text, atomicfile.Options{Like: state})
	}
	if err != nil {
		return fmt.Errorf("keep what is known of the fleet: %w", err)
	}
	return nil
}
