package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
)

// page is how many rows are read at a time. Nothing is held open in between:
// a slow reader must not keep the writer's log from being emptied.
const page = 2000

// ErrNoJournal says that there is no journal yet.
var ErrNoJournal = errors.New("there is no journal yet")

// Reader reads a journal, also while a daemon writes it. Its methods may be
// called concurrently.
type Reader struct {
	path string
	db   *sql.DB
	info os.FileInfo
}

// OpenReader opens a journal for reading. It changes nothing.
func OpenReader(path string) (*Reader, error) {
	info, err := readable(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w at %q", ErrNoJournal, path)
	}
	if err != nil {
		return nil, fmt.Errorf("open the journal: %w", err)
	}
	parameters := []string{"mode=ro", "_pragma=busy_timeout(2000)", "_pragma=query_only(1)"}
	if _, err := os.Stat(path + "-wal"); errors.Is(err, fs.ErrNotExist) && !writableFolder(path) {
		parameters = append(parameters, "immutable=1") // nobody writes it, and we cannot make the files for sharing it
	}
	db, err := sql.Open("sqlite", address(path, parameters...))
	if err != nil {
		return nil, fmt.Errorf("open the journal %q: %w", path, err)
	}
	if err := check(db); err != nil {
		return nil, errors.Join(fmt.Errorf("open the journal %q: %w", path, plainly(err)), db.Close())
	}
	return &Reader{path, db, info}, nil
}

// check reports whether a file is a journal that this version can read.
func check(db *sql.DB) error {
	// The tables first: with them comes the version, and never before.
	tables := 0
	if err := db.QueryRow("SELECT count(*) FROM sqlite_schema").Scan(&tables); err != nil {
		return err
	}
	version, err := versionOf(context.Background(), db)
	if err != nil {
		return err
	}
	switch {
	case tables == 0:
		return ErrNoJournal // it is being made
	case version == 0:
		return errNoJournal
	case version > schemaVersion:
		return errNewer(version)
	}
	return nil
}

// Close releases the file.
func (r *Reader) Close() error { return r.db.Close() }

// Replaced reports whether another file is at the path by now: the daemon has
// begun a fresh one.
func (r *Reader) Replaced() bool {
	info, err := os.Stat(r.path)
	return err == nil && !os.SameFile(info, r.info)
}

// Last returns the ID of the latest entry, 0 if there is none.
func (r *Reader) Last(ctx context.Context) (int64, error) {
	var last sql.NullInt64
	err := r.db.QueryRowContext(ctx, "SELECT max(id) FROM events").Scan(&last)
	return last.Int64, r.wrap(err)
}

func (r *Reader) wrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("read the journal %q: %w", r.path, plainly(err))
}

var (
	errNoJournal = errors.New("it is not a journal")
	errBusy      = errors.New("another program has locked it; try again in a moment")
)

// plainly says in our words what the file's readers meet most.
func plainly(err error) error {
	switch code(err) {
	case codeBusy:
		return errBusy
	case codeNotADB:
		return errNoJournal
	}
	return err
}

// Events returns the events that a query asks for, the oldest first. An error
// is the last thing that it yields. Queries with a limit keep that many entries
// in memory, others none.
func (r *Reader) Events(ctx context.Context, q Query) iter.Seq2[Entry, error] {
	if q.Limit > 0 {
		return r.newest(ctx, q)
	}
	return func(yield func(Entry, error) bool) {
		where, values := q.where()
		var from Entry
		from.ID = -1
		for {
			list, err := r.list(ctx, "WHERE "+where+" AND (time, id) > (?, ?) ORDER BY time, id LIMIT ?",
				append(values[:len(values):len(values)], since(from, q), from.ID, page))
			if err != nil {
				yield(Entry{}, err)
				return
			}
			for _, e := range list {
				if !yield(e, nil) {
					return
				}
			}
			if len(list) < page {
				return
			}
			from = list[len(list)-1]
		}
	}
}

// since is the time after which the next page begins. Some clocks begin before
// 1970.
func since(from Entry, q Query) int64 {
	if from.ID < 0 {
		if q.Since.IsZero() {
			return -1 << 62
		}
		return micros(q.Since)
	}
	return from.Time.UnixMicro()
}

func (r *Reader) newest(ctx context.Context, q Query) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		where, values := q.where()
		list, err := r.list(ctx, "WHERE "+where+" ORDER BY time DESC, id DESC LIMIT ?", append(values, q.Limit))
		if err != nil {
			yield(Entry{}, err)
			return
		}
		inOrder(list)
		for _, e := range list {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// list reads rows. rest is made of constants and question marks only.
func (r *Reader) list(ctx context.Context, rest string, values []any) ([]Entry, error) {
	rows, err := r.db.QueryContext(ctx, "SELECT "+columns+" FROM events "+rest, values...)
	if err != nil {
		return nil, r.wrap(err)
	}
	defer rows.Close()
	var list []Entry
	for rows.Next() {
		var one row
		if err := one.scan(rows); err != nil {
			return nil, r.wrap(err)
		}
		list = append(list, Entry{one.id, one.event()})
	}
	return list, r.wrap(rows.Err())
}
