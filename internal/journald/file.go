package journald

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// file reads a journal's file in the order in which it is written, while it is
// being written (https://systemd.io/JOURNAL_FILE_FORMAT/). An entry is there once
// the header counts it; it names objects, each of which holds one field.
type file struct {
	in      io.ReaderAt
	compact bool

	read  uint64 // entries that have been read
	array uint64 // where the present array of entries is; 0: the first is not there yet
	first uint64 // entries before that array
	room  uint64 // of the array

	entry [entryItems + maxFields*16]byte
	data  [dataPayload + 8 + maxField]byte
}

// What the format says, and bounds on what is read of it: only root writes
// these files, but a broken one must not make us run in circles.
const (
	magic      = "LPKSHHRH"
	headerSize = 208

	incompatibleCompact = 1 << 4
	incompatibleKnown   = 1<<5 - 1 // compression, hashes, compact

	entryCount  = 152 // in the header
	firstArray  = 176
	objectSize  = 16 // of an object's own header
	arrayItems  = 24
	entryItems  = 64
	dataPayload = 64

	typeData       = 1
	typeEntry      = 3
	typeEntryArray = 6

	dataCompressed = 1 | 2 | 4

	maxFields = 256
	maxField  = 4096 // longer ones are left out
)

var errNotPlausible = errors.New("this is not what a journal's file holds")

// openFile opens a journal's file, at its beginning.
func openFile(f *os.File) (*file, error) {
	var head [headerSize]byte
	if _, err := f.ReadAt(head[:], 0); err != nil {
		return nil, err
	}
	flags := binary.LittleEndian.Uint32(head[12:])
	if string(head[:8]) != magic {
		return nil, errNotPlausible
	}
	if flags&^incompatibleKnown != 0 {
		return nil, fmt.Errorf("its format is newer than this program (flags %#x)", flags)
	}
	return &file{in: f, compact: flags&incompatibleCompact != 0}, nil
}

func (f *file) number(at uint64) (uint64, error) {
	var b [8]byte
	if _, err := f.in.ReadAt(b[:], int64(at)); err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint64(b[:]), nil
}

// object reads the beginning of an object into b, and checks its type.
func (f *file) object(at uint64, kind byte, b []byte) (read []byte, size uint64, err error) {
	if at == 0 || at%8 != 0 || at > 1<<62 {
		return nil, 0, errNotPlausible
	}
	n, err := f.in.ReadAt(b, int64(at))
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, 0, err
	}
	if n < objectSize || b[0] != kind {
		return nil, 0, errNotPlausible
	}
	size = binary.LittleEndian.Uint64(b[8:])
	if size < objectSize {
		return nil, 0, errNotPlausible
	}
	return b[:min(uint64(n), size)], size, nil
}

// item is the size of a reference to another object.
func (f *file) item(inEntry bool) uint64 {
	switch {
	case f.compact:
		return 4
	case inEntry:
		return 16 // with a hash behind it
	}
	return 8
}

func (f *file) reference(b []byte) uint64 {
	if f.compact {
		return uint64(binary.LittleEndian.Uint32(b))
	}
	return binary.LittleEndian.Uint64(b)
}

// skip passes over all entries that there are.
func (f *file) skip() (err error) {
	f.read, err = f.number(entryCount)
	return err
}

// next passes each field of the next entry on, as NAME=value, which is valid
// until take returns. It reports false if there is no further entry yet.
func (f *file) next(take func(field []byte)) (bool, error) {
	entries, err := f.number(entryCount)
	if err != nil || f.read >= entries {
		return false, err
	}
	if err := f.find(); err != nil {
		return false, err
	}
	var ref [8]byte
	size := f.item(false)
	if _, err := f.in.ReadAt(ref[:size], int64(f.array+arrayItems+(f.read-f.first)*size)); err != nil {
		return false, err
	}
	f.read++
	return true, f.fields(f.reference(ref[:]), take)
}

// find goes to the array that the next entry is in. Each lies behind the one
// before, and holds about twice as many.
func (f *file) find() (err error) {
	for f.array == 0 || f.read >= f.first+f.room {
		next := uint64(firstArray)
		if f.array != 0 {
			next = f.array + objectSize
		}
		if next, err = f.number(next); err != nil {
			return err
		}
		if next <= f.array {
			return errNotPlausible
		}
		_, size, err := f.object(next, typeEntryArray, f.entry[:objectSize])
		if err != nil {
			return err
		}
		if size <= arrayItems {
			return errNotPlausible
		}
		f.array, f.first, f.room = next, f.first+f.room, (size-arrayItems)/f.item(false)
	}
	return nil
}

func (f *file) fields(entry uint64, take func([]byte)) error {
	each := f.item(true)
	b, _, err := f.object(entry, typeEntry, f.entry[:entryItems+maxFields*each])
	if err != nil {
		return err
	}
	for at := uint64(entryItems); at+each <= uint64(len(b)); at += each {
		if err := f.field(f.reference(b[at:]), take); err != nil {
			return err
		}
	}
	return nil
}

// field leaves out what is too long, and what is compressed: that is what has
// more than 512 bytes, unless someone has set another Compress=.
func (f *file) field(at uint64, take func([]byte)) error {
	start := dataPayload
	if f.compact {
		start += 8
	}
	b, size, err := f.object(at, typeData, f.data[:start+maxField])
	if err != nil {
		return err
	}
	if len(b) >= start && uint64(len(b)) == size && b[1]&dataCompressed == 0 {
		take(b[start:])
	}
	return nil
}
