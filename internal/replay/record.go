package replay

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"net/netip"
	"time"
)

// The files. An index, replaced as a whole, and a file for each generation: a
// header and slots, all of one size, which divides that of a page, so that no
// write is torn by a death of the process. Unused slots are zero.
//
//	slot    client 6 · R 8 · mark 8 · stamp 6 · source 16 · zero 16 · checksum 4
//	header  magic 16 · generation 4 · zero 40 · checksum 4
//	index   magic 16 · boot 8 · ceiling 8 · oldest 4 · newest 4 · floor 8 · barrier 8 · sealed 1 · zero 3 · checksum 4
//
// Numbers are big-endian, times Unix milliseconds, checksums CRC-32C.
const (
	slotSize  = 64
	indexName = "index"
	indexMark = "sallyport-seen-2"
	fileMark  = "sallyport-gen--1"

	// Records may come a little out of order, so one of the last generation
	// can end up in the file of the next, which needs room for them.
	spareSlots = 256
)

var (
	errDamaged = errors.New("the checksum does not fit")
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
)

// Record is a message on its way to the store.
type Record struct {
	slot       [slotSize]byte
	generation uint32
	oldest     uint32
	floor      int64
	stamp      int64 // Unix milliseconds
}

// Stamped returns when the message says that it was made.
func (r Record) Stamped() time.Time { return time.UnixMilli(r.stamp) }

func seal(b []byte) {
	end := len(b) - 4
	binary.BigEndian.PutUint32(b[end:], crc32.Checksum(b[:end], castagnoli))
}

func sound(b []byte) bool {
	end := len(b) - 4
	return binary.BigEndian.Uint32(b[end:]) == crc32.Checksum(b[:end], castagnoli)
}

func encode(m Message) (slot [slotSize]byte) {
	source := m.Source.As16()
	copy(slot[0:], m.Client[:])
	copy(slot[6:], m.R[:])
	copy(slot[14:], m.Mark[:])
	number48(slot[22:], m.Stamped.UnixMilli())
	copy(slot[28:], source[:])
	seal(slot[:])
	return slot
}

// decode reads a slot whose checksum fits.
func decode(slot []byte) Message {
	var stamp [8]byte
	copy(stamp[2:], slot[22:28])
	return Message{
		Client:  [6]byte(slot[0:]),
		R:       [8]byte(slot[6:]),
		Mark:    [8]byte(slot[14:]),
		Stamped: time.UnixMilli(int64(binary.BigEndian.Uint64(stamp[:]))),
		Source:  netip.AddrFrom16([16]byte(slot[28:])),
	}
}

func fileName(generation uint32) string { return fmt.Sprintf("seen-%08x", generation) }

// blank returns the file of a generation without messages.
func blank(generation uint32, slots int) []byte {
	file := make([]byte, (1+slots)*slotSize)
	copy(file, fileMark)
	binary.BigEndian.PutUint32(file[16:], generation)
	seal(file[:slotSize])
	return file
}

// readFile returns the slots in use of a generation's file, as far as they are
// sound, and an error if the file is not wholly as blank and encode write it.
func readFile(file []byte, generation uint32, slots int) ([]byte, error) {
	var err error
	if len(file) != (1+slots)*slotSize {
		err = fmt.Errorf("it has %d bytes: want %d", len(file), (1+slots)*slotSize)
	}
	if len(file) < slotSize || !bytes.Equal(file[:slotSize], blank(generation, 0)) {
		err = errors.New("its header is damaged")
	}
	var good []byte
	ended := false
	for at := slotSize; at+slotSize <= len(file); at += slotSize {
		slot := file[at : at+slotSize]
		empty := bytes.Count(slot, []byte{0}) == slotSize
		switch {
		case empty:
			ended = true
		case !sound(slot):
			err = errDamaged
		default:
			if ended {
				err = errors.New("records are missing from its middle")
			}
			good = append(good, slot...)
		}
	}
	return good[:min(len(good), slots*slotSize)], err
}

// index says which generations there are and what was known when the newest
// began.
type index struct {
	boot           [8]byte // hash of the machine's boot id; zero: unknown
	ceiling        int64   // no message that was recorded is stamped later
	oldest, newest uint32
	floor, barrier int64
	sealed         bool // closed in order: nothing is missing, even after a reboot
}

const indexSize = 64

func (x index) marshal() []byte {
	b := make([]byte, 0, indexSize)
	b = append(b, indexMark...)
	b = append(b, x.boot[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(x.ceiling))
	b = binary.BigEndian.AppendUint32(b, x.oldest)
	b = binary.BigEndian.AppendUint32(b, x.newest)
	b = binary.BigEndian.AppendUint64(b, uint64(x.floor))
	b = binary.BigEndian.AppendUint64(b, uint64(x.barrier))
	sealed := byte(0)
	if x.sealed {
		sealed = 1
	}
	b = append(b, sealed, 0, 0, 0)[:indexSize]
	seal(b)
	return b
}

// parseIndex reads exactly what marshal writes.
func parseIndex(b []byte) (index, error) {
	if len(b) != indexSize || !sound(b) {
		return index{}, errDamaged
	}
	x := index{
		boot:    [8]byte(b[16:]),
		ceiling: int64(binary.BigEndian.Uint64(b[24:])),
		oldest:  binary.BigEndian.Uint32(b[32:]),
		newest:  binary.BigEndian.Uint32(b[36:]),
		floor:   int64(binary.BigEndian.Uint64(b[40:])),
		barrier: int64(binary.BigEndian.Uint64(b[48:])),
		sealed:  b[56] == 1,
	}
	if !bytes.Equal(x.marshal(), b) || x.newest < x.oldest || x.newest-x.oldest > 2*uint32(standard.most) {
		return index{}, errors.New("it holds what we would not write")
	}
	return x, nil
}

// hashBoot returns a boot id in the form of the index.
func hashBoot(id string) [8]byte {
	if id == "" {
		return [8]byte{}
	}
	sum := sha256.Sum256([]byte(id))
	return [8]byte(sum[:8])
}
