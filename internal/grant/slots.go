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
// another boot is left out. What cannot be written is kept in memory, until there
// is room for it again.
//
//	header  magic 8 · boot's id 48 · sum 4, filled up to the size of a record
//	record  used 1 · content · sum 4
type slots struct {
	path     string
	header   []byte
	goesOn   bool     // the file at path is ours, and what is in it counts
	file     *os.File // nil: it could not be opened
	size     int
	limit    int
	next     int
	free     []int
	buffer   []byte
	awaiting map[int][]byte // records that are not in the file yet, by their slots
	problem  error          // why; nil: all that is to be there is
}

const magicLen = 8

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// openSlots opens the file, or makes it, and hands each sound record of this boot
// to take. The places of those that take does not keep are free.
func openSlots(path, magic, boot string, size, limit int, take func(slot int, content []byte) bool) *slots {
	s := &slots{path: path, header: make([]byte, size), size: size, limit: limit, buffer: make([]byte, size), awaiting: make(map[int][]byte)}
	copy(s.header, magic)
	copy(s.header[magicLen:magicLen+48], boot)
	seal(s.header)
	data, err := readBounded(path, int64(size)*int64(limit+1))
	s.goesOn = err == nil && len(data) >= size && boot != "" && string(data[:size]) == string(s.header)
	if s.goesOn {
		for at := size; at+size <= len(data); at += size {
			record := data[at : at+size]
			if record[0] != 1 || !sound(record) || !take(s.next, record[1:size-4]) {
				s.free = append(s.free, s.next)
			}
			s.next++
		}
	}
	s.problem = s.begin()
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

// begin opens the file that goes on, or puts a new one in the place of what is
// there.
func (s *slots) begin() (err error) {
	if s.goesOn {
		s.file, err = os.OpenFile(s.path, os.O_WRONLY, 0)
		s.goesOn = !errors.Is(err, fs.ErrNotExist) // what was in it is lost
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(s.path), filepath.Base(s.path)+".new-*") // mode 0600
	if err != nil {
		return err
	}
	if _, err = f.Write(s.header); err == nil {
		err = os.Rename(f.Name(), s.path)
	}
	if err != nil {
		return errors.Join(err, f.Close(), os.Remove(f.Name()))
	}
	s.file, s.goesOn = f, true
	return nil
}

// mendAtOnce is how many records mend writes, while grants wait for it.
const mendAtOnce = 1024

// mend tries once more what could not be written, a bounded number of records, and
// reports whether there are more that may be written at once.
func (s *slots) mend() (more bool) {
	if s.file == nil {
		if err := s.begin(); err != nil {
			s.problem = err
			return false
		}
	}
	written := 0
	for slot, record := range s.awaiting {
		if written++; written > mendAtOnce {
			return true
		}
		if err := s.writeAt(slot, record); err != nil {
			s.problem = err
			return false
		}
		delete(s.awaiting, slot)
	}
	s.problem = nil
	return false
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

// drop gives a place back. Unless what stands there is over by itself, it is
// wiped.
func (s *slots) drop(slot int, over bool) {
	if slot == noSlot {
		return
	}
	s.free = append(s.free, slot)
	if s.awaiting[slot] != nil || !over { // an older record may stand there, which is not over
		clear(s.buffer)
		s.write(slot)
	}
}

// write puts the buffer in its place, now or when there is room for it.
func (s *slots) write(slot int) {
	seal(s.buffer)
	if s.file != nil {
		err := s.writeAt(slot, s.buffer)
		if err == nil {
			delete(s.awaiting, slot)
			return
		}
		s.problem = err
	}
	s.awaiting[slot] = append(s.awaiting[slot][:0], s.buffer...)
}

func (s *slots) writeAt(slot int, record []byte) error {
	_, err := s.file.WriteAt(record, int64(slot+1)*int64(s.size))
	return err
}

func (s *slots) close() error {
	if s.file == nil {
		return nil
	}
	return s.file.Close()
}
