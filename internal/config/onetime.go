package config

import (
	"fmt"
	"io/fs"
	"path"
	"strings"

	"sallyport/internal/packet"
)

// maxOneTime is how many one-time sequences all files together may hold.
const maxOneTime = 100_000

// OneTime is a sequence that opens its door once, when it is the first in its
// file that has not been used.
type OneTime struct {
	Knocks []packet.Port // 2 to 16
	Place  Place
}

// readSequences reads the files of one-time sequences.
func (l *loader) readSequences(fsys fs.FS) {
	total, readBy := 0, make(map[string]string)
	for i := range l.config.Doors {
		d, s := &l.config.Doors[i], l.doors[i]
		if d.SequencesFile == "" || !path.IsAbs(d.SequencesFile) { // none, or refused already
			continue
		}
		at := s.at("sequences_file")
		if other, taken := readBy[d.SequencesFile]; taken {
			s.errorf(at, "sequences_file: door %q has the same file: want a file of its own", other)
			continue
		}
		readBy[d.SequencesFile] = d.Name
		f, err := read(fsys, d.SequencesFile)
		if err != nil {
			s.errorf(at, "sequences_file: %s %w", abbreviate(d.SequencesFile, maxShown), err)
			continue
		}
		if f.mode&0o027 != 0 {
			s.errorf(at, "sequences_file: sequences are secrets, but others may use this file (mode %04o): run chmod g-w,o-rwx %s", f.mode.Perm(), d.SequencesFile)
		}
		d.OneTime = l.oneTime(s, f)
		if total += len(d.OneTime); total > maxOneTime {
			s.errorf(at, "sequences_file: more than %d one-time sequences in all files together", maxOneTime)
			return
		}
	}
}

// oneTime reads a file: a sequence a line, ports with spaces between them, and
// comments that begin with #.
func (l *loader) oneTime(s *section, f file) []OneTime {
	if line, err := f.text(); err != nil {
		s.errs.add(Place{f.path, line}, "%w", err)
		return nil
	}
	var list []OneTime
	seen := make(map[string]int)
	for i, line := range strings.Split(string(f.data), "\n") {
		line, _, _ = strings.Cut(line, "#")
		at := Place{f.path, i + 1}
		knocks, err := parseKnocks(line)
		if err != nil {
			s.errs.add(at, "one-time sequence: %w", err)
			continue
		}
		if len(knocks) == 0 {
			continue
		}
		if first, twice := seen[spell(knocks)]; twice {
			s.errs.add(at, "one-time sequence: the same as in line %d: it would be used already", first)
		}
		seen[spell(knocks)] = at.Line
		list = append(list, OneTime{knocks, at})
	}
	return list
}

func parseKnocks(line string) ([]packet.Port, error) {
	var knocks []packet.Port
	for word := range strings.FieldsSeq(line) {
		if len(word) > maxShown {
			return nil, fmt.Errorf("%q is not a port: want tcp/NUMBER or udp/NUMBER", abbreviate(word, maxShown))
		}
		port, err := packet.ParsePort(word)
		if err != nil {
			return nil, err
		}
		knocks = append(knocks, port)
	}
	if n := len(knocks); n == 1 || n > maxKnocks {
		return nil, fmt.Errorf("%d %s: want %d to %d", n, plural(n, "knock"), minKnocks, maxKnocks)
	}
	return knocks, nil
}

const knockSize = 3

// spell writes a sequence as a string, knockSize bytes a knock.
func spell(knocks []packet.Port) string {
	text := make([]byte, 0, len(knocks)*knockSize)
	for _, p := range knocks {
		text = append(text, byte(p.Proto), byte(p.Number>>8), byte(p.Number))
	}
	return string(text)
}
