package webhook

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"sallyport/internal/atomicfile"
)

const (
	most     = 1000    // messages that wait
	maxSpool = 1 << 20 // bytes of one that is read back
)

// spool is a line of messages, each in a file of its own. Where the disk takes
// none it is held in memory.
type spool struct {
	dir  string
	line []waiting // the oldest first
	next uint64

	loaded bool
}

// waiting is a message in line.
type waiting struct {
	number uint64
	text   []byte // nil: in its file
}

func (s *spool) len() int { return len(s.line) }

// load finds what an earlier run has left.
func (s *spool) load() {
	if s.loaded {
		return
	}
	s.loaded = true
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return // there is none, or none that can be read
	}
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".json")
		if strings.HasPrefix(e.Name(), ".") && e.Type().IsRegular() {
			_ = os.Remove(filepath.Join(s.dir, e.Name())) // a draft, from a run that was killed
		}
		number, err := strconv.ParseUint(name, 10, 63)
		if !ok || err != nil || !e.Type().IsRegular() {
			continue
		}
		s.line = append(s.line, waiting{number: number})
		s.next = max(s.next, number+1)
	}
	slices.SortFunc(s.line, func(a, b waiting) int { return int(int64(a.number) - int64(b.number)) })
}

func (s *spool) path(number uint64) string {
	return filepath.Join(s.dir, fmt.Sprintf("%020d.json", number))
}

// add puts a message at the end of the line, and returns how many had to leave.
func (s *spool) add(text []byte) (lost int) {
	s.load()
	w := waiting{number: s.next}
	s.next++
	if s.write(w.number, text) != nil {
		w.text = text
	}
	s.line = append(s.line, w)
	for ; len(s.line) > most; lost++ {
		s.drop()
	}
	return lost
}

// write puts a whole message into a file, or leaves nothing. Waiting for the
// disk with each would cost more than a message that a loss of power takes.
func (s *spool) write(number uint64, text []byte) error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	return atomicfile.Replace(s.path(number), text, atomicfile.Options{NoSync: true})
}

// first returns the oldest message.
func (s *spool) first() ([]byte, error) {
	w := s.line[0]
	if w.text != nil {
		return w.text, nil
	}
	info, err := os.Lstat(s.path(w.number))
	if err == nil && (info.Mode().Type() != 0 || info.Size() > maxSpool) {
		err = &fs.PathError{Op: "read", Path: s.path(w.number), Err: fs.ErrInvalid}
	}
	if err != nil {
		return nil, err
	}
	return os.ReadFile(s.path(w.number))
}

// drop removes the oldest message.
func (s *spool) drop() {
	if s.line[0].text == nil {
		_ = os.Remove(s.path(s.line[0].number)) // one that stays is sent again after a restart
	}
	s.line = s.line[1:]
}
