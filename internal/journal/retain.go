package journal

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	pruneEvery = time.Minute
	pruneRows  = 50_000 // rows after which size is looked at without waiting
	pruneChunk = 10_000 // rows deleted in one transaction
)

// reference is the clock by which rows grow old. It never runs ahead of what
// the rows themselves say plus the time this process has measured since: a
// clock that jumps ten years ahead must not empty the journal.
type reference struct {
	latest time.Time // of the rows when the file was opened
	at     time.Time // monotonic
}

func (f *file) reference(now, wall time.Time) reference {
	var latest int64
	err := f.db.QueryRow("SELECT coalesce(max(time), 0) FROM events").Scan(&latest)
	if err != nil || latest == 0 {
		return reference{wall, now}
	}
	return reference{time.UnixMicro(latest), now}
}

func (r reference) now(now, wall time.Time) time.Time {
	if measured := r.latest.Add(now.Sub(r.at)); measured.Before(wall) {
		return measured
	}
	return wall
}

// prune deletes what is too old or too much.
func (w *writer) prune(now time.Time, options *Options) {
	if now.Sub(w.prunedAt) < pruneEvery && w.unpruned < pruneRows || w.retry > 0 || w.file == nil {
		return
	}
	w.prunedAt, w.unpruned = now, 0
	cutoff := w.reference.now(now, options.Now()).Add(-options.Keep)
	ctx := context.Background()
	err := w.file.deleteOlder(ctx, cutoff)
	if err == nil {
		err = w.file.shrink(ctx, options.MaxSize)
	}
	if err == nil {
		err = w.file.loosen(ctx, reserveSize(options.MaxSize))
	}
	if err != nil {
		w.failed(now, fmt.Errorf("delete old rows: %w", err))
	}
}

// makeRoom gives up the oldest rows of a file whose disk is full, and tells
// whether it could: what happens now matters more.
func (w *writer) makeRoom() bool {
	before := w.file.tight
	if err := w.file.tighten(context.Background()); err != nil {
		return false
	}
	if !before {
		w.log.Warn("the disk is full; the journal gives up its oldest rows for new ones", "path", w.path)
		w.tell(w.options.Load().Now(), "the disk is full: the oldest rows of the journal are given up for new ones")
	}
	return true
}

// deleteOlder deletes the rows before the first that is young enough. Rows in
// between whose time is older stay: the clock went back, and a chain has no
// holes.
func (f *file) deleteOlder(ctx context.Context, cutoff time.Time) error {
	for class := range classes {
		for {
			n, err := f.deleteOldest(ctx, class, pruneChunk, cutoff.UnixMicro())
			if err != nil {
				return err
			}
			if n < pruneChunk {
				break
			}
		}
	}
	_, err := f.db.ExecContext(ctx, "DELETE FROM findings WHERE last < ?", cutoff.UnixMicro())
	if err != nil {
		return err
	}
	return f.giveBack(ctx)
}

// shrink deletes the oldest rows, hostile ones first, until what is left takes
// nine tenths of size. Findings have a share of their own.
func (f *file) shrink(ctx context.Context, size int64) error {
	if err := f.shrinkFindings(ctx, size/findingsShare); err != nil {
		return err
	}
	used, err := f.used(ctx)
	if err != nil || used <= size {
		return err
	}
	for _, class := range givenUp {
		for {
			if used, err = f.used(ctx); err != nil || used <= size/10*9 {
				break
			}
			n, deleteErr := f.deleteOldest(ctx, class, f.portion(ctx, used, size), 1<<62)
			if deleteErr != nil {
				return deleteErr
			}
			if n == 0 {
				break
			}
		}
	}
	if err != nil {
		return err
	}
	return f.giveBack(ctx)
}

// portion returns how many rows to delete before looking again: a part of what
// is too much, so that a small file is not emptied.
func (f *file) portion(ctx context.Context, used, size int64) int64 {
	var rows int64
	if err := f.db.QueryRowContext(ctx, "SELECT count(*) FROM events").Scan(&rows); err != nil || rows == 0 {
		return 100
	}
	each := max(used/rows, 1)
	return min(max((used-size/10*9)/each/2, 10), pruneChunk)
}

// deleteOldest deletes at most n of the oldest rows of a class, stopping before
// the first that is not older than cutoff, and moves the beginning of its chain.
func (f *file) deleteOldest(ctx context.Context, class int, n, cutoff int64) (int64, error) {
	tx, err := f.db.BeginTx(ctx, nil)
	if err != nil {
		return 0, err
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it does nothing
	rows, err := tx.QueryContext(ctx, "SELECT id, time, hash FROM events WHERE class = ? ORDER BY id LIMIT ?", class, n)
	if err != nil {
		return 0, err
	}
	var count, last int64
	var hash []byte
	for rows.Next() {
		var id, at int64
		var h []byte
		if err := rows.Scan(&id, &at, &h); err != nil {
			return 0, err
		}
		if at >= cutoff {
			break
		}
		count, last = count+1, id
		if len(h) > 0 {
			hash = h
		}
	}
	if err := rows.Close(); err != nil || count == 0 {
		return 0, err
	}
	if _, err := tx.ExecContext(ctx, "DELETE FROM events WHERE class = ? AND id <= ?", class, last); err != nil {
		return 0, err
	}
	if hash != nil {
		if _, err := tx.ExecContext(ctx, "UPDATE heads SET before = ? WHERE class = ?", hash, class); err != nil {
			return 0, err
		}
	}
	return count, tx.Commit()
}

// used returns the bytes in use, without those that are free inside the file.
func (f *file) used(ctx context.Context) (int64, error) {
	var pages, free, size int64
	err := f.db.QueryRowContext(ctx, "SELECT (SELECT page_count FROM pragma_page_count), (SELECT freelist_count FROM pragma_freelist_count), (SELECT page_size FROM pragma_page_size)").Scan(&pages, &free, &size)
	return (pages - free) * size, err
}

// giveBack returns free pages to the file system.
func (f *file) giveBack(ctx context.Context) error {
	if f.tight {
		return nil // someone else would take them
	}
	rows, err := f.db.QueryContext(ctx, "PRAGMA incremental_vacuum")
	if err != nil {
		return err
	}
	for rows.Next() { // it frees a page per step
	}
	return errors.Join(rows.Err(), rows.Close())
}
