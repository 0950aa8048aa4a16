package journal

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"sallyport/internal/event"
)

// Findings returns the findings, the most severe first and then the latest.
// Acknowledged ones are left out unless all is set.
func (r *Reader) Findings(ctx context.Context, all bool) ([]event.Finding, error) {
	list, err := selectFindings(ctx, r.db, "? OR NOT acknowledged", all)
	return list, r.wrap(err)
}

// querier is a database, or a transaction of it.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func selectFindings(ctx context.Context, db querier, where string, args ...any) ([]event.Finding, error) {
	var known bool // who has acknowledged what
	if err := db.QueryRowContext(ctx, "SELECT count(*) > 0 FROM sqlite_master WHERE name = 'acknowledgements'").Scan(&known); err != nil {
		return nil, err
	}
	who, join := "'', 0", ""
	if known {
		who, join = "coalesce(a.user, ''), coalesce(a.time, 0)", "LEFT JOIN acknowledgements a ON a.finding = f.id AND f.acknowledged"
	}
	rows, err := db.QueryContext(ctx, `SELECT id, rule, severity, source, door, client, first, last, count, explanation, advice, evidence, acknowledged, `+who+`
		FROM findings f `+join+` WHERE `+where+` ORDER BY rank DESC, last DESC, id`, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []event.Finding
	for rows.Next() {
		f, err := scanFinding(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, f)
	}
	return list, rows.Err()
}

func scanFinding(rows *sql.Rows) (f event.Finding, err error) {
	var source []byte
	var first, last, at, n int64
	var evidence string
	if err := rows.Scan(&f.ID, &f.Rule, &f.Severity, &source, &f.Door, &f.Client, &first, &last, &n,
		&f.Explanation, &f.Advice, &evidence, &f.Acknowledged, &f.By, &at); err != nil {
		return f, err
	}
	f.Source, f.First, f.Last, f.At, f.Count = sourceOf(source), fromMicros(first), fromMicros(last), fromMicros(at), uint64(n)
	if err := json.Unmarshal([]byte(evidence), &f.Evidence); err != nil {
		return f, fmt.Errorf("evidence of finding %q: %w", f.ID, err)
	}
	return f, nil
}

// Acknowledge marks a finding as seen by a user, and returns it. It works while a
// daemon writes, and returns false if there is no such finding. Who was the first
// to see it stays so, unless it has become more severe since.
func Acknowledge(ctx context.Context, path, id, user string, now time.Time) (f event.Finding, found bool, err error) {
	switch _, err := os.Stat(path); {
	case errors.Is(err, fs.ErrNotExist):
		return f, false, fmt.Errorf("%w at %q", ErrNoJournal, path)
	case err != nil:
		return f, false, fmt.Errorf("acknowledge finding %q: %w", id, err)
	}
	db, err := sql.Open("sqlite", address(path, "mode=rw", "_txlock=immediate", "_pragma=busy_timeout(5000)", "_pragma=synchronous(FULL)"))
	if err != nil {
		return f, false, fmt.Errorf("acknowledge finding %q: %w", id, err)
	}
	f, found, err = acknowledge(ctx, db, id, user, now)
	if c := code(err); c == codeReadOnly || c == codeCantOpen { // a file that is there
		err = &fs.PathError{Op: "write to", Path: path, Err: fs.ErrPermission}
	}
	if err = errors.Join(err, db.Close()); err != nil {
		return f, false, fmt.Errorf("acknowledge finding %q: %w", id, err)
	}
	return f, found, nil
}

func acknowledge(ctx context.Context, db *sql.DB, id, user string, now time.Time) (f event.Finding, found bool, err error) {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return f, false, err
	}
	defer func() { _ = tx.Rollback() }() // after a commit there is nothing to undo
	if _, err := tx.ExecContext(ctx, acknowledgements); err != nil {
		return f, false, err
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO acknowledgements SELECT id, ?, ? FROM findings WHERE id = ? AND NOT acknowledged
		ON CONFLICT (finding) DO UPDATE SET user = excluded.user, time = excluded.time`, cut(user, maxWord), micros(now), id); err != nil {
		return f, false, err
	}
	if _, err := tx.ExecContext(ctx, "UPDATE findings SET acknowledged = 1 WHERE id = ?", id); err != nil {
		return f, false, err
	}
	list, err := selectFindings(ctx, tx, "id = ?", id)
	if err != nil || len(list) == 0 {
		return f, false, err
	}
	return list[0], true, tx.Commit()
}
