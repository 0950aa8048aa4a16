package replay

import (
	"bytes"
	"errors"
	"io/fs"
	"maps"
	"syscall"
)

// memory is Files without a disk. It knows two states: what a process sees,
// and what would be left after a loss of power.
type memory struct {
	files   map[string][]byte
	durable map[string][]byte
	room    int // writes that succeed before the disk is full; negative: no limit
	torn    bool
}

func newMemory() *memory {
	return &memory{files: map[string][]byte{}, durable: map[string][]byte{}, room: -1}
}

func (m *memory) full() bool {
	if m.room > 0 {
		m.room--
	}
	return m.room == 0
}

func (m *memory) Read(name string) ([]byte, error) {
	data, ok := m.files[name]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return bytes.Clone(data), nil
}

func (m *memory) Replace(name string, data []byte) error {
	if m.full() {
		return syscall.ENOSPC
	}
	m.files[name] = bytes.Clone(data)
	return nil
}

func (m *memory) WriteAt(name string, data []byte, offset int64) error {
	file, ok := m.files[name]
	if !ok || int(offset)+len(data) > len(file) {
		return errors.New("written outside the file")
	}
	if m.full() {
		if m.torn {
			copy(file[offset:], data[:len(data)/2])
		}
		return syscall.ENOSPC
	}
	copy(file[offset:], data)
	return nil
}

func (m *memory) Remove(name string) error {
	delete(m.files, name)
	return nil
}

func (m *memory) Sync() error {
	if m.full() {
		return syscall.EIO
	}
	m.durable = cloned(m.files)
	return nil
}

// powerLoss leaves what had been synced.
func (m *memory) powerLoss() { m.files = cloned(m.durable) }

func cloned(files map[string][]byte) map[string][]byte {
	c := maps.Clone(files)
	for name, data := range c {
		c[name] = bytes.Clone(data)
	}
	return c
}
