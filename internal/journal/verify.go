package journal

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// Verification is what Verify has found.
type Verification struct {
	Rows     int64    `json:"rows"`      // in a chain, and looked at
	Outside  int64    `json:"outside"`   // rows without a hash: written while chaining was off
	Faults   []string `json:"faults"`    // what does not fit, in words; empty: nothing was changed
	Last     int64    `json:"last"`      // the latest row
	LastHash string   `json:"last_hash"` // and its hash: note it elsewhere to know the journal again
}

// maxFaults is how many faults are told one by one.
const maxFaults = 20

// Verify recomputes all hashes. Rows that were changed, deleted in between or
// cut off at the end show. Anyone who may write the file can also compute all
// hashes again; against that, compare LastHash with a copy kept elsewhere.
func (r *Reader) Verify(ctx context.Context) (Verification, error) {
	tx, err := r.db.BeginTx(ctx, nil) // one view of rows and heads
	if err != nil {
		return Verification{}, r.wrap(err)
	}
	defer tx.Rollback() //nolint:errcheck // it has only read
	v := verifier{}
	if err := v.heads(ctx, tx); err != nil {
		return v.Verification, r.wrap(err)
	}
	rows, err := tx.QueryContext(ctx, "SELECT "+columns+" FROM events ORDER BY id")
	if err != nil {
		return v.Verification, r.wrap(err)
	}
	defer rows.Close()
	for rows.Next() {
		var one row
		if err := one.scan(rows); err != nil {
			return v.Verification, r.wrap(err)
		}
		v.check(&one)
	}
	if err := rows.Err(); err != nil {
		return v.Verification, r.wrap(err)
	}
	v.ends()
	return v.Verification, nil
}

type verifier struct {
	Verification
	before [classes][]byte // hash of the row before
	head   [classes]head   // where the chain ends, as recorded
	seen   [classes]int64  // id of the last row
	more   int
}

func (v *verifier) heads(ctx context.Context, tx *sql.Tx) error {
	rows, err := tx.QueryContext(ctx, "SELECT class, before, last, hash FROM heads")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var class int
		var before []byte
		var h head
		if err := rows.Scan(&class, &before, &h.last, &h.hash); err != nil {
			return err
		}
		if class >= 0 && class < classes {
			v.before[class], v.head[class] = before, h
		}
	}
	return rows.Err()
}

func (v *verifier) check(r *row) {
	if r.class < 0 || r.class >= classes {
		v.fault("row %d is of no known class", r.id)
		return
	}
	v.seen[r.class] = r.id
	if r.id >= v.Last {
		v.Last, v.LastHash = r.id, fmt.Sprintf("%x", r.hash)
	}
	if len(r.hash) == 0 {
		v.Outside++
		return
	}
	v.Rows++
	if !bytes.Equal(r.digest(v.before[r.class]), r.hash) {
		v.fault("row %d (%s) was changed, or rows before it were deleted", r.id, fromMicros(r.time).UTC().Format("2006-01-02 15:04:05"))
	}
	v.before[r.class] = r.hash
}

// ends finds rows that are missing at the end.
func (v *verifier) ends() {
	for class, h := range v.head {
		whole := h.last == v.seen[class] || v.seen[class] == 0 && bytes.Equal(v.before[class], h.hash)
		if !whole || !bytes.Equal(v.before[class], h.hash) {
			v.fault("the last rows are missing: row %d was written, the last of its kind here is %d", h.last, v.seen[class])
		}
	}
	if v.more > 0 {
		v.Faults = append(v.Faults, fmt.Sprintf("%d more like these", v.more))
	}
}

func (v *verifier) fault(format string, args ...any) {
	if len(v.Faults) >= maxFaults {
		v.more++
		return
	}
	v.Faults = append(v.Faults, fmt.Sprintf(format, args...))
}

// Hash returns the hash of one row, nil if there is no such row or it has none.
func (r *Reader) Hash(ctx context.Context, id int64) ([]byte, error) {
	var hash []byte
	err := r.db.QueryRowContext(ctx, "SELECT hash FROM events WHERE id = ?", id).Scan(&hash)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return hash, r.wrap(err)
}
