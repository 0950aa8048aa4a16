package replay

import (
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"
)

// Files is where a store keeps its files: a directory of its own.
type Files interface {
	// Read returns a whole file; an error that is fs.ErrNotExist if there is none.
	Read(name string) ([]byte, error)
	// Replace writes a whole file; after an error, or the death of the
	// process, the file is as before.
	Replace(name string, data []byte) error
	// WriteAt overwrites a part of a file.
	WriteAt(name string, data []byte, offset int64) error
	// Remove deletes a file.
	Remove(name string) error
	// Sync returns when all that was written will survive a loss of power.
	Sync() error
}

// Trouble says what was wrong with a store when it was opened.
type Trouble string

// The kinds of trouble. After them everything that may have been recorded is
// refused: where the index is there, what is stamped up to its ceiling.
const (
	Lost       Trouble = "lost"       // there is no store, or no index in it
	Damaged    Trouble = "damaged"    // a file is missing, cut off or altered
	Rebooted   Trouble = "rebooted"   // the machine went down without Close
	Unwritable Trouble = "unwritable" // nothing can be written; every message is refused until that changes
)

// Notice is a trouble with its details, for the journal.
type Notice struct {
	Trouble Trouble
	Detail  string
}

// Store records messages in files. It is safe for concurrent use.
type Store struct {
	mu     sync.Mutex
	sizes  sizes
	files  Files
	index  index
	next   int  // slots in use in the newest file
	torn   bool // the slot after them may hold a part of a record
	begun  bool // the files say that messages may be recorded
	closed bool
}

// Create makes an empty store where there is none: to be called when a server
// key is made, before which there can have been no message. It spares the first
// start the refusals that follow a lost store.
func Create(files Files) error {
	if _, err := files.Read(indexName); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	s := Store{sizes: standard, files: files, index: index{oldest: 1, newest: 1}}
	if err := s.begin(); err != nil {
		return err
	}
	return s.Close()
}

// Open reads the store and returns it with the guard that it fills. bootID
// tells this boot of the machine from others; the empty one is like no other.
// Trouble is no error: the guard refuses what it cannot know, and notices say
// so.
func Open(files Files, bootID string, window time.Duration, now time.Time) (*Store, *Guard, []Notice) {
	return open(files, standard, bootID, window, now)
}

func open(files Files, sizes sizes, bootID string, window time.Duration, now time.Time) (*Store, *Guard, []Notice) {
	s := &Store{sizes: sizes, files: files}
	g := &Guard{
		sizes: sizes, window: window, opened: now,
		seen: make(map[key]entry), busy: make(map[[6]byte]time.Time),
	}
	g.clock.Forward(now)
	notices := s.load(g, bootID)
	switch {
	case len(notices) == 0:
	case notices[0].Trouble == Lost:
		s.index.barrier = max(s.index.barrier, now.Add(window).UnixMilli())
	default:
		s.index.floor = max(s.index.floor, s.index.ceiling)
	}
	g.floor, g.barrier = s.index.floor, s.index.barrier
	if err := s.begin(); err != nil {
		notices = append(notices, Notice{Unwritable, err.Error()})
	}
	return s, g, notices
}

func (s *Store) slots() int { return s.sizes.generation + spareSlots }

// load fills the guard with what the files hold, and leaves in s.index what
// begin is to write.
func (s *Store) load(g *Guard, bootID string) (notices []Notice) {
	data, err := s.files.Read(indexName)
	if err == nil {
		s.index, err = parseIndex(data)
	}
	if err != nil {
		s.index = index{boot: hashBoot(bootID), oldest: 1, newest: 1}
		g.generations = []generation{{number: 1}}
		return []Notice{{Lost, fmt.Sprintf("read %s: %v", indexName, err)}}
	}
	for n := s.index.oldest; n <= s.index.newest; n++ {
		if err := s.loadGeneration(g, n); err != nil {
			notices = append(notices, Notice{Damaged, fmt.Sprintf("read %s: %v", fileName(n), err)})
		}
	}
	boot := hashBoot(bootID)
	if !s.index.sealed && (boot != s.index.boot || boot == [8]byte{}) {
		notices = append(notices, Notice{Rebooted, "the machine went down without warning: the last records may be missing"})
	}
	s.index.boot, s.index.sealed = boot, false
	return notices
}

// loadGeneration reads one file. A damaged one is written again with what is
// sound, or it would be found damaged at every start.
func (s *Store) loadGeneration(g *Guard, n uint32) error {
	g.generations = append(g.generations, generation{number: n})
	data, err := s.files.Read(fileName(n))
	var good []byte
	if err == nil {
		good, err = readFile(data, n, s.slots())
	}
	for at := 0; at < len(good); at += slotSize {
		g.remember(decode(good[at:]))
	}
	s.next = len(good) / slotSize
	if err == nil {
		return nil
	}
	file := blank(n, s.slots())
	copy(file[slotSize:], good)
	if e := s.files.Replace(fileName(n), file); e != nil {
		err = fmt.Errorf("%w; write it again: %w", err, e)
	}
	return err
}

// begin makes the files ready for records. That this boot has begun must
// survive a loss of power, or the next boot would believe an older, sealed
// index.
func (s *Store) begin() error {
	if s.begun {
		return nil
	}
	name := fileName(s.index.newest)
	if data, err := s.files.Read(name); err != nil || len(data) != (1+s.slots())*slotSize || s.next == 0 {
		if err := s.files.Replace(name, blank(s.index.newest, s.slots())); err != nil {
			return fmt.Errorf("write the replay store: %w", err)
		}
		s.next = 0
	}
	if err := s.files.Replace(indexName, s.index.marshal()); err != nil {
		return fmt.Errorf("write the replay store: %w", err)
	}
	if err := s.files.Sync(); err != nil {
		return fmt.Errorf("write the replay store: %w", err)
	}
	s.begun = true
	return nil
}

// Append records a message. When it has returned nil, the message stays seen
// whatever happens to the process. After an error the caller must open
// nothing; as soon as there is room again, later messages are recorded.
func (s *Store) Append(r Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errors.New("record the message: the replay store is closed")
	}
	if err := s.begin(); err != nil {
		return err
	}
	if r.stamp > s.index.ceiling {
		if err := s.raise(r.stamp); err != nil {
			return fmt.Errorf("record the message: %w", err)
		}
	}
	if r.generation > s.index.newest {
		if err := s.rotate(r); err != nil {
			return fmt.Errorf("record the message: %w", err)
		}
	}
	if s.next >= s.slots() {
		return errors.New("record the message: the replay store is full")
	}
	if err := s.write(r.slot); err != nil {
		return fmt.Errorf("record the message: %w", err)
	}
	s.next++
	return nil
}

// reserve is how far the ceiling is raised at once, so that not every message
// waits for the disk. For so long after the last message of before a loss of
// power, messages are refused.
const reserve = time.Minute

// raise makes sure that the disk has a ceiling for a message.
func (s *Store) raise(stamp int64) error {
	next := s.index
	next.ceiling = stamp + reserve.Milliseconds()
	if err := s.files.Replace(indexName, next.marshal()); err != nil {
		return err
	}
	if err := s.files.Sync(); err != nil {
		return err
	}
	s.index = next
	return nil
}

// write fills the next slot. After an error it may be filled in part; what is
// written next goes over it.
func (s *Store) write(slot [slotSize]byte) error {
	err := s.files.WriteAt(fileName(s.index.newest), slot[:], int64(1+s.next)*slotSize)
	s.torn = err != nil
	return err
}

// rotate begins the file of a new generation and then removes those that the
// guard has forgotten.
func (s *Store) rotate(r Record) error {
	if s.torn {
		if err := s.write([slotSize]byte{}); err != nil {
			return err
		}
	}
	next := s.index
	next.newest, next.oldest, next.floor = r.generation, r.oldest, max(next.floor, r.floor)
	for n := s.index.newest + 1; n <= next.newest; n++ {
		if err := s.files.Replace(fileName(n), blank(n, s.slots())); err != nil {
			return err
		}
	}
	if err := s.files.Replace(indexName, next.marshal()); err != nil {
		return err
	}
	for n := s.index.oldest; n < next.oldest; n++ {
		_ = s.files.Remove(fileName(n)) // at worst it takes up room
	}
	s.index, s.next = next, 0
	return nil
}

// Close makes sure that everything recorded survives a loss of power, and
// says so in the index, so that the next start can believe all of it.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	if !s.begun {
		return nil
	}
	if err := s.files.Sync(); err != nil {
		return fmt.Errorf("close the replay store: %w", err)
	}
	s.index.sealed = true
	if err := s.files.Replace(indexName, s.index.marshal()); err != nil {
		return fmt.Errorf("close the replay store: %w", err)
	}
	if err := s.files.Sync(); err != nil {
		return fmt.Errorf("close the replay store: %w", err)
	}
	return nil
}
