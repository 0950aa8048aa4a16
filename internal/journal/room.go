package journal

import (
	"context"
	"errors"
	"fmt"
	"os"
)

// A full disk is met with what the journal has taken before. Beside the file
// lies a reserve, which is given up when the disk is full: without it the
// write-ahead log could not be brought into the file, and nothing could even be
// deleted. From then on the file is tight: it grows no more, its oldest rows
// make room for new ones inside it. When the reserve can be laid again, the
// disk has room again.

// reserveSize is more than the file grows by what the write-ahead log holds,
// unless a reader keeps the log from being emptied: walPages and one batch.
func reserveSize(maxSize int64) int64 { return min(max(maxSize/16, 6<<20), 8<<20) }

const (
	walPages  = 512     // 2 MiB: the log is brought into the file beyond
	batchText = 1 << 20 // bytes of text in one transaction, at most about
	tightRows = 200     // rows written or deleted in one transaction on a full disk
)

func (f *file) reserve() string { return f.path + "-reserve" }

// layReserve takes room on the disk, if it can.
func (f *file) layReserve(size int64) error {
	if info, err := os.Stat(f.reserve()); err == nil && info.Size() == size {
		return nil
	}
	r, err := os.OpenFile(f.reserve(), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	err = allocate(r, size)
	if err = errors.Join(err, r.Close()); err != nil {
		return errors.Join(err, os.Remove(f.reserve()))
	}
	return nil
}

// allocate fills a file, so that its room is really taken.
func allocate(f *os.File, size int64) error {
	junk := make([]byte, 64<<10)
	for i := range junk {
		junk[i] = byte(i*7 + 1) // some file systems keep no room for zeros
	}
	for at := int64(0); at < size; at += int64(len(junk)) {
		if _, err := f.Write(junk[:min(int64(len(junk)), size-at)]); err != nil {
			return err
		}
	}
	return nil
}

// tighten makes a file on a full disk go on within the room that it has.
func (f *file) tighten(ctx context.Context) error {
	if err := os.Remove(f.reserve()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	// The log is kept as long as it is: its room is written to again.
	var busy, logged, moved int
	if err := f.db.QueryRowContext(ctx, "PRAGMA wal_checkpoint(RESTART)").Scan(&busy, &logged, &moved); err != nil {
		return err
	}
	if busy != 0 || moved < logged {
		return fmt.Errorf("the write-ahead log cannot be emptied: %d of %d pages moved", moved, logged)
	}
	var pages int64
	if err := f.db.QueryRowContext(ctx, "PRAGMA page_count").Scan(&pages); err != nil {
		return err
	}
	if err := f.limitPages(ctx, pages); err != nil {
		return err
	}
	f.tight = true
	return f.giveUpEighth(ctx)
}

// giveUpEighth deletes the oldest rows, hostile ones first. Their pages stay in
// the file, for what comes.
func (f *file) giveUpEighth(ctx context.Context) error {
	var rows int64
	if err := f.db.QueryRowContext(ctx, "SELECT count(*) FROM events").Scan(&rows); err != nil {
		return err
	}
	left := rows/8 + 1
	for _, class := range givenUp {
		for left > 0 {
			n, err := f.deleteOldest(ctx, class, min(left, tightRows), 1<<62)
			if err != nil {
				return err
			}
			if n == 0 {
				break
			}
			left -= n
		}
	}
	return nil
}

// loosen lets the file grow again, if there is room.
func (f *file) loosen(ctx context.Context, reserve int64) error {
	if f.layReserve(reserve) != nil || !f.tight {
		return nil // still full
	}
	f.tight = false
	return f.limitPages(ctx, 1<<32-2)
}

func (f *file) limitPages(ctx context.Context, most int64) error {
	var now int64
	return f.db.QueryRowContext(ctx, fmt.Sprintf("PRAGMA max_page_count = %d", most)).Scan(&now)
}
