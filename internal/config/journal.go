package config

import (
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2/unstable"
)

// Journal says what is kept of what happens.
type Journal struct {
	Path    string        // absolute; default StateDir/journal.db
	Keep    time.Duration // how long; 1 day to 10 years; default 90 days
	MaxSize int64         // bytes; 16 MiB to 1 TiB; default 256 MiB
	Chain   bool          // whether rows carry hashes, so that changes show; default true
}

const (
	defaultKeep    = 90 * day
	defaultMaxSize = 256 << 20
)

func (l *loader) readJournal(t *table) {
	s := l.section("journal", t)
	l.config.Journal = Journal{
		Path:    readPath(s, "path", l.config.Daemon.StateDir+"/journal.db"),
		Keep:    s.days("keep"),
		MaxSize: s.size("max_size", defaultMaxSize, 16<<20, 1<<40),
		Chain:   s.boolean("chain", true),
	}
	if l.config.Journal.Keep == 0 {
		l.config.Journal.Keep = defaultKeep
	}
	s.finish()
}

// units of sizes, the largest first.
var units = []struct {
	name  string
	bytes int64
}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}}

// size reads a number of bytes between two limits, both allowed.
func (s *section) size(key string, otherwise, least, most int64) int64 {
	want := fmt.Sprintf(`a size in quotes, such as "256MiB", %s to %s`, writeSize(least), writeSize(most))
	v := s.scalar(key, unstable.String, want)
	if v == nil {
		return otherwise
	}
	for _, u := range units {
		number, ok := strings.CutSuffix(v.text, u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(number, 10, 32)
		if err == nil && strconv.FormatInt(n, 10) == number && n >= 1 && n <= most/u.bytes && n*u.bytes >= least {
			return n * u.bytes
		}
	}
	s.bad(key, v, want)
	return otherwise
}

func writeSize(n int64) string {
	for _, u := range units {
		if n%u.bytes == 0 {
			return fmt.Sprintf("%d%s", n/u.bytes, u.name)
		}
	}
	return fmt.Sprint(n)
}

// JournalPath returns where the journal is, as far as the configuration can be
// read at all: what else is wrong with it must not keep anybody from reading
// what has happened.
func JournalPath(fsys fs.FS, absolute string) string {
	l := newLoader(absolute)
	if path.IsAbs(absolute) {
		root, _ := l.read(fsys)
		l.document(root)
	}
	if l.config.Journal.Path == "" {
		return "/var/lib/sallyport/journal.db"
	}
	return l.config.Journal.Path
}
