package spent

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"sync"
)

// Files is where a store keeps its file: a directory of its own.
type Files interface {
	// Read returns a whole file; an error that is fs.ErrNotExist if there is none.
	Read(name string) ([]byte, error)
	// Replace writes a whole file; after an error, or the death of the
	// process, the file is as before.
	Replace(name string, data []byte) error
	// WriteAt overwrites a part of a file, or makes it longer.
	WriteAt(name string, data []byte, offset int64) error
	// Sync returns when all that was written will survive a loss of power.
	Sync() error
}

// FileName is the name of the store's file in its directory.
const FileName = "spent"

// The file is a header and a slot for each key, which is overwritten when its
// number grows. So it does not grow with use, and a write never touches what
// another record needs.
//
//	header  magic 8 · boot 8 · floor 8 · sum 8
//	slot    key 16 · number 8 · sum 8
//
// A sum is the beginning of the SHA-256 of what is before it. The boot is that in
// which records may have been written that are not on the disk yet; zero: none.
// One slot holds the ceiling: a step that none of these records is above.
const (
	fileName = FileName
	magic    = "SPSPENT1"
	slotSize = 32
	sumAt    = slotSize - 8
)

// ceilingAhead is how many steps the ceiling is raised ahead of a step that is
// recorded: so many are not waited for.
const ceilingAhead = 3

// ceilingKey is the key of the slot that holds the ceiling.
var ceilingKey = hash("ceiling")

// Store records what has been used. It is safe for concurrent use.
type Store struct {
	mu      sync.Mutex
	files   Files
	boot    [8]byte
	crashed bool // of another boot, records may be missing
	floor   int64
	ceiling int64              // on the disk; no step above it has been recorded
	slots   map[[16]byte]int64 // offsets
	next    int64              // where the next slot goes
	begun   bool               // the file says that there may be records
	closed  bool
}

// Create makes an empty store where there is none, for a host on which nothing
// can have been used yet. It spares the first start the floor that follows a
// lost store.
func Create(files Files) error {
	if _, err := files.Read(fileName); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	header := makeHeader([8]byte{}, 0)
	if err := files.Replace(fileName, header[:]); err != nil {
		return fmt.Errorf("make the store of used sequences: %w", err)
	}
	return nil
}

// Open reads the store and returns it with the guard that it fills. bootID
// tells this boot of the machine from others; the empty one is like no other.
// After a loss of power every step up to the ceiling is used, whatever the clock
// says: it may be late. Where records may be missing, a notice says why and every step up to floor is
// used; that is remembered. A store that cannot be written is none: Write says
// so each time.
func Open(files Files, bootID string, floor int64) (s *Store, g *Guard, notices []string) {
	s = &Store{files: files, boot: hashBoot(bootID), slots: make(map[[16]byte]int64), next: slotSize}
	g = &Guard{highest: make(map[[16]byte]int64)}
	data, err := files.Read(fileName)
	if err != nil {
		g.damaged = true
		notices = append(notices, fmt.Sprintf("it is lost (%v)", err))
	} else {
		notices = s.read(g, data)
	}
	if len(notices) > 0 {
		for _, n := range g.highest {
			floor = max(floor, n) // the clock may have gone back
		}
		g.floor = max(g.floor, floor)
	}
	if ceiling := g.highest[ceilingKey]; s.crashed && ceiling > g.floor {
		g.floor = ceiling
		notices = append(notices, "the machine went down without warning")
	}
	g.lost = g.floor != 0
	s.floor = g.floor
	if err := s.begin(); err != nil {
		notices = append(notices, fmt.Sprintf("it cannot be written (%v)", err))
	}
	return s, g, notices
}

// Read returns a guard that knows what a store's file says, for someone who
// only looks.
func Read(data []byte) *Guard {
	s := &Store{slots: make(map[[16]byte]int64), next: slotSize}
	g := &Guard{highest: make(map[[16]byte]int64)}
	s.read(g, data)
	return g
}

// read fills guard and slots with what the file holds.
func (s *Store) read(g *Guard, data []byte) (notices []string) {
	if len(data) < slotSize || string(data[:8]) != magic || !sound(data[:slotSize]) {
		g.damaged = true
		return []string{"it is damaged (no header)"}
	}
	g.floor = int64(binary.BigEndian.Uint64(data[16:]))
	was := [8]byte(data[8:16])
	s.crashed = was != [8]byte{} && (was != s.boot || s.boot == [8]byte{})
	// Less than a slot at the end, or zeros, is a record that had no room, or was
	// not yet on the disk when the machine went down: of something that was
	// therefore not used.
	for ; s.next+slotSize <= int64(len(data)); s.next += slotSize {
		slot := data[s.next : s.next+slotSize]
		if s.next+2*slotSize > int64(len(data)) && bytes.Count(slot, []byte{0}) == slotSize {
			break
		}
		if !sound(slot) {
			g.damaged = true
			notices = append(notices, fmt.Sprintf("it is damaged (slot %d)", s.next/slotSize))
			continue
		}
		key, number := [16]byte(slot), int64(binary.BigEndian.Uint64(slot[16:]))
		s.slots[key] = s.next
		g.highest[key] = max(number, g.highest[key])
	}
	return notices
}

// begin makes the file ready for records: compact, sound, and marked as in use
// by this boot. That must survive a loss of power, or the next boot would
// believe that nothing is missing.
func (s *Store) begin() error {
	if s.begun {
		return nil
	}
	data, err := s.files.Read(fileName)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	header := makeHeader(s.boot, s.floor)
	next := append(make([]byte, 0, s.next), header[:]...)
	slots := make(map[[16]byte]int64, len(s.slots))
	for key, at := range s.slots {
		if at+slotSize > int64(len(data)) {
			return errors.New("it has become shorter")
		}
		slots[key] = int64(len(next))
		next = append(next, data[at:at+slotSize]...)
	}
	if err := s.files.Replace(fileName, next); err != nil {
		return err
	}
	if err := s.files.Sync(); err != nil {
		return err
	}
	s.slots, s.next, s.begun = slots, int64(len(next)), true
	return nil
}

// Write records that something has been used. When it has returned nil, it
// stays used whatever happens to the process, and if the machine loses power: a
// step, because the ceiling is on the disk before; a one-time sequence, because
// it is itself. After an error the caller must open nothing; as soon as there is
// room again, later records are written.
func (s *Store) Write(r Record) error {
	if err := s.write(r); err != nil {
		return fmt.Errorf("record that it has been used: %w", err)
	}
	return nil
}

func (s *Store) write(r Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errors.New("the store is closed")
	}
	if err := s.begin(); err != nil {
		return err
	}
	raised := !r.once && r.number > s.ceiling
	if raised {
		if err := s.put(Record{key: ceilingKey, number: r.number + ceilingAhead}); err != nil {
			return err
		}
	}
	if err := s.put(r); err != nil {
		return err
	}
	if raised || r.once {
		if err := s.files.Sync(); err != nil {
			return err
		}
	}
	if raised {
		s.ceiling = r.number + ceilingAhead
	}
	return nil
}

// put overwrites the slot of a key, or makes one.
func (s *Store) put(r Record) error {
	at, known := s.slots[r.key]
	if !known {
		at = s.next
	}
	slot := makeSlot(r)
	if err := s.files.WriteAt(fileName, slot[:], at); err != nil {
		return err
	}
	if !known {
		s.slots[r.key] = at
		s.next += slotSize
	}
	return nil
}

// Close makes sure that everything recorded survives a loss of power, and says
// so in the file. Write refuses everything from now on.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || !s.begun {
		s.closed = true
		return nil
	}
	s.closed = true
	header := makeHeader([8]byte{}, s.floor)
	err := s.files.Sync()
	if err == nil {
		err = s.files.WriteAt(fileName, header[:], 0)
	}
	if err == nil {
		err = s.files.Sync()
	}
	if err != nil {
		return fmt.Errorf("close the store of used sequences: %w", err)
	}
	return nil
}

// hashBoot is how a boot stands in the header: zero only for the empty one.
func hashBoot(id string) (b [8]byte) {
	if id == "" {
		return b
	}
	sum := sha256.Sum256([]byte(id))
	return [8]byte(sum[:8])
}

func makeHeader(boot [8]byte, floor int64) (h [slotSize]byte) {
	copy(h[:], magic)
	copy(h[8:], boot[:])
	binary.BigEndian.PutUint64(h[16:], uint64(floor))
	seal(&h)
	return h
}

func makeSlot(r Record) (s [slotSize]byte) {
	copy(s[:], r.key[:])
	binary.BigEndian.PutUint64(s[16:], uint64(r.number))
	seal(&s)
	return s
}

func seal(slot *[slotSize]byte) {
	sum := sha256.Sum256(slot[:sumAt])
	copy(slot[sumAt:], sum[:])
}

func sound(slot []byte) bool {
	sum := sha256.Sum256(slot[:sumAt])
	return string(slot[sumAt:]) == string(sum[:slotSize-sumAt])
}
