package grant

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
)

// slots is a file of records of one size, each of which is overwritten in place:
// it does not grow with use, and a write never touches another record. A write is
// a plain one: it survives the death of the process, and the machine's own end is
// the end of all grants. Nothing in it ever stops the gate: what is damaged or of
// another boot is left out, and what cannot be written is missing later.
//
//	header  magic 8 · boot's id 48 · sum 4, filled up to the size of a record
//	record  used 1 · content · sum 4
type slots struct {
	file    *os.File // nil: it could not be opened
	size    int
	limit   int
	next    int
	free    []int
	buffer  []byte
	problem error // the first failure
}

const magicLen = 8

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// openSlots reads the file, hands each sound record of this boot to take, and
// writes those that take keeps to a new file in its place.
func openSlots(path, magic, boot string, size, limit int, take func(slot int, content []byte) bool) *slots {
	s := &slots{size: size, limit: limit, buffer: make([]byte, size)}
	header := make([]byte, size)
	copy(header, magic)
	copy(header[magicLen:magicLen+48], boot)
	seal(header)
	compact := header
	data, err := readBounded(path, int64(size)*int64(limit+1))
	if err == nil && len(data) >= size && boot != "" && string(data[:size]) == string(header) {
		for at := size; at+size <= len(data); at += size {
			record := data[at : at+size]
			if record[0] == 1 && sound(record) && take(s.next, record[1:size-4]) {
				compact = append(compact, record...)
				s.next++
			}
		}
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.fail(err)
	}
	s.begin(path, compact)
	return s
}

// readBounded reads a file of ours, but not what someone has put in its place.
func readBounded(path string, most int64) ([]byte, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > most {
		return nil, fmt.Errorf("%s is not a file that Sallyport has written", path)
	}
	return os.ReadFile(path)
}

// begin puts a new file in the place of the old one.
func (s *slots) begin(path string, data []byte) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new-*") // mode 0600
	if err == nil {
		if _, err = f.Write(data); err == nil {
			err = os.Rename(f.Name(), path)
		}
		if err != nil {
			err = errors.Join(err, f.Close(), os.Remove(f.Name()))
		}
	}
	if err != nil {
		s.fail(err)
		return
	}
	s.file = f
}

func (s *slots) fail(err error) {
	if s.problem == nil {
		s.problem = err
	}
}

func seal(record []byte) {
	at := len(record) - 4
	binary.BigEndian.PutUint32(record[at:], crc32.Checksum(record[:at], castagnoli))
}

func sound(record []byte) bool {
	at := len(record) - 4
	return binary.BigEndian.Uint32(record[at:]) == crc32.Checksum(record[:at], castagnoli)
}

// noSlot is the place of what is not kept.
const noSlot = -1

// take finds a place, or noSlot if there is none.
func (s *slots) take() int {
	if n := len(s.free); n > 0 {
		slot := s.free[n-1]
		s.free = s.free[:n-1]
		return slot
	}
	if s.next >= s.limit {
		return noSlot
	}
	s.next++
	return s.next - 1
}

// put writes what fill makes of an empty record.
func (s *slots) put(slot int, fill func(content []byte)) {
	if slot == noSlot {
		return
	}
	clear(s.buffer)
	s.buffer[0] = 1
	fill(s.buffer[1 : s.size-4])
	s.write(slot)
}

// drop gives a place back. Unless what stood there is over by itself, it is
// wiped.
func (s *slots) drop(slot int, over bool) {
	if slot == noSlot {
		return
	}
	s.free = append(s.free, slot)
	if !over {
		clear(s.buffer)
		s.write(slot)
	}
}

func (s *slots) write(slot int) {
	if s.file == nil {
		return
	}
	seal(s.buffer)
	if _, err := s.file.WriteAt(s.buffer, int64(slot+1)*int64(s.size)); err != nil {
		s.fail(err)
	}
}

func (s *slots) close() error {
	if s.file == nil {
		return nil
	}
	return s.file.Close()
}
