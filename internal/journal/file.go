package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Result codes of SQLite (sqlite.org/rescode.html); the low byte is the kind.
const (
	codeBusy       = 5
	codeReadOnly   = 8
	codeCorrupt    = 11
	codeFull       = 13
	codeCantOpen   = 14
	codeTooBig     = 18
	codeConstraint = 19
	codeMismatch   = 20
	codeNotADB     = 26
)

func damaged(err error) bool { return code(err) == codeCorrupt || code(err) == codeNotADB }

// unfit reports that it is the rows themselves that the file does not take: they
// would not become better by trying again.
func unfit(err error) bool {
	c := code(err)
	return c == codeTooBig || c == codeConstraint || c == codeMismatch
}

// head is the end of the chain of one class of rows.
type head struct {
	last int64
	hash []byte
}

// file is the journal's file, open for writing.
type file struct {
	path  string
	db    *sql.DB
	in    inserter
	info  os.FileInfo
	heads [classes]head
	next  int64 // the next row's id
	tight bool  // it must not grow: see room.go
}

func openFile(ctx context.Context, path string) (*file, error) {
	db, err := openWriter(ctx, path)
	if err != nil {
		return nil, err
	}
	f := &file{path: path, db: db, next: 1}
	if err := f.load(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return f, nil
}

// load reads where the chains end.
func (f *file) load(ctx context.Context) (err error) {
	if f.info, err = os.Stat(f.path); err != nil {
		return err
	}
	if f.in, err = newInserter(ctx, f.db); err != nil {
		return err
	}
	for class := range classes {
		h := &f.heads[class]
		if err := f.db.QueryRowContext(ctx, "SELECT last, hash FROM heads WHERE class = ?", class).Scan(&h.last, &h.hash); err != nil {
			return err
		}
		if h.hash == nil {
			h.hash = []byte{} // NULL means something else
		}
		f.next = max(f.next, h.last+1)
	}
	// A head that someone has set back must not bring a used id again.
	var last sql.NullInt64
	if err := f.db.QueryRowContext(ctx, "SELECT max(id) FROM events").Scan(&last); err != nil {
		return err
	}
	f.next = max(f.next, last.Int64+1)
	return nil
}

// inPlace reports whether the file is still the one at its path.
func (f *file) inPlace() bool {
	info, err := os.Stat(f.path)
	return err == nil && os.SameFile(info, f.info)
}

// write appends rows and findings in one transaction: all of them or none.
func (f *file) write(ctx context.Context, rows []row, findings []item, chain bool) error {
	tx, err := f.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it does nothing
	heads, next := f.heads, f.next
	for i := range rows {
		r := &rows[i]
		h := &heads[r.class]
		r.id, r.hash = next, nil
		if chain {
			r.hash = r.digest(h.hash)
			h.hash = r.hash
		}
		h.last = next
		next++
	}
	if err := f.in.insert(ctx, tx, rows); err != nil {
		return err
	}
	for class, h := range heads {
		if h.last == f.heads[class].last {
			continue
		}
		if _, err := tx.ExecContext(ctx, "UPDATE heads SET last = ?, hash = ? WHERE class = ?", h.last, h.hash, class); err != nil {
			return err
		}
	}
	for _, i := range findings {
		if err := putFinding(ctx, tx, *i.finding); err != nil {
			return err
		}
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	f.heads, f.next = heads, next
	return nil
}

// close leaves a file with nothing beside it.
func (f *file) close() error {
	err := f.db.Close()
	if rm := os.Remove(f.reserve()); !errors.Is(rm, os.ErrNotExist) {
		err = errors.Join(err, rm)
	}
	return err
}

// setAside gives a damaged file another name, with everything that belongs to
// it, and returns that name.
func setAside(path string, now time.Time) (string, error) {
	ext := filepath.Ext(path)
	aside := fmt.Sprintf("%s-%s%s", strings.TrimSuffix(path, ext), now.UTC().Format("20060102T150405.000Z"), ext)
	if err := os.Rename(path, aside); err != nil {
		return "", err
	}
	var errs []error
	for _, more := range []string{"-wal", "-shm"} {
		if err := os.Rename(path+more, aside+more); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return aside, errors.Join(errs...)
}
