package desk

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"sallyport/internal/atomicfile"
	"sallyport/internal/fleet/roll"
)

const copyName = "fleet.roll"

// maxCopy is more than two thousand large entries and a whole state have.
const maxCopy = 4 * roll.MaxState

// setCopy keeps the entries that were read, each with its length before it, and before
// them the state that the first one names.
func (f Folder) setCopy(whole []byte, entries []*roll.Entry) error {
	var b []byte
	part := func(text []byte) { b = append(binary.BigEndian.AppendUint32(b, uint32(len(text))), text...) }
	part(whole)
	for _, e := range entries {
		part(e.Marshal())
	}
	err := os.MkdirAll(string(f), 0o700)
	path := filepath.Join(string(f), copyName)
	if before, failed := os.ReadFile(path); err == nil && (failed != nil || !bytes.Equal(before, b)) {
		err = atomicfile.Replace(path, b, atomicfile.Options{})
	}
	if err != nil {
		return fmt.Errorf("keep what was read of the roll: %w", err)
	}
	return nil
}

// copied returns what setCopy has kept, up to an entry. What it is worth, the caller's pin
// decides.
func (f Folder) copied(upTo uint64) (whole []byte, entries []*roll.Entry, err error) {
	path := filepath.Join(string(f), copyName)
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, err
	}
	if info.Size() > maxCopy {
		return nil, nil, fmt.Errorf("%s is too large", path)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, err
	}
	damaged := fmt.Errorf("%s is damaged", path)
	for first := true; len(b) > 0; first = false {
		if len(b) < 4 || uint64(len(b)-4) < uint64(binary.BigEndian.Uint32(b)) {
			return nil, nil, damaged
		}
		n := int(binary.BigEndian.Uint32(b))
		part := b[4 : 4+n]
		b = b[4+n:]
		if first {
			whole = part
			continue
		}
		e, err := roll.Parse(part)
		if err != nil {
			return nil, nil, errors.Join(damaged, err)
		}
		if e.Number <= upTo {
			entries = append(entries, e)
		}
	}
	if len(entries) == 0 {
		return nil, nil, damaged
	}
	return whole, entries, nil
}
