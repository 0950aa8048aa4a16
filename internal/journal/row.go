package journal

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"net/netip"
	"strings"
	"time"

	"sallyport/internal/event"
)

// How much of a text is kept. An attacker has a hand in some of them.
const (
	maxDetail = 2000
	maxWord   = 255
)

// classes of rows. Each is deleted from its oldest end only, so that the rest
// stays one chain.
const (
	classOwn       = 0 // what only the authorised cause
	classHostile   = 1 // what strangers cause as they like, summed up
	classProvoked  = 2 // what strangers have a hand in
	classAnonymous = 3 // grants of no client: anyone who has overheard a sequence has any number of them
	classes        = 4
)

// givenUp are the classes in the order in which they make room: whatever
// strangers do, grants go last.
var givenUp = [classes]int{classHostile, classProvoked, classAnonymous, classOwn}

func classOf(e event.Event) int {
	switch {
	case e.Hostile():
		return classHostile
	case e.Provoked():
		return classProvoked
	case e.Anonymous():
		return classAnonymous
	}
	return classOwn
}

// roomOf is how much of the room for what waits a class may fill: anyone who fills
// it leaves some to those whom he must not push out.
func roomOf(class, room int) int {
	switch class {
	case classHostile, classProvoked:
		return room / 2
	case classAnonymous:
		return room / 4 * 3
	}
	return room
}

// The column progress holds, beside that of a broken sequence, what is proved.
// In rows of earlier versions these bits are zero.
const (
	bitAuthenticated = 1 << (16 + iota)
	bitBound
)

func progressOf(e event.Event) int64 {
	n := int64(e.Right&0xff)<<8 | int64(e.Of&0xff)
	if e.Authenticated {
		n |= bitAuthenticated
	}
	if e.Bound {
		n |= bitBound
	}
	return n
}

const columns = "id, time, class, kind, door, client, source, reason, detail, progress, packets, ports, first, last, hash"

const columnCount = 15

// row is an event as the file has it.
type row struct {
	id                         int64
	time                       int64
	class                      int
	kind, door, client, reason string
	source                     []byte
	detail                     string
	progress                   int64
	packets, ports             int64
	first, last                int64
	hash                       []byte // empty: the row is in no chain
}

func newRow(e event.Event) row {
	r := row{
		time: micros(e.Time), kind: cut(string(e.Kind), maxWord), door: cut(e.Door, maxWord), client: cut(e.Client, maxWord),
		reason: cut(string(e.Reason), maxWord), detail: cut(e.Detail, maxDetail), source: sourceBytes(e.Source),
		class: classOf(e), progress: progressOf(e),
		packets: int64(min(e.Count.Packets, 1<<62)), ports: int64(e.Count.Ports), first: micros(e.Count.First), last: micros(e.Count.Last),
	}
	if e.Ended && r.last == 0 {
		r.last = r.time
	}
	return r
}

// event returns what a row holds. A use or a ban that has ended is one that
// says when.
func (r *row) event() event.Event {
	kind := event.Kind(r.kind)
	return event.Event{
		Ended: r.last != 0 && (kind == event.KindUse || kind == event.KindBan),
		Time:  fromMicros(r.time), Kind: kind, Door: r.door, Client: r.client, Source: sourceOf(r.source),
		Reason: event.Reason(r.reason), Detail: r.detail, Right: int(r.progress >> 8 & 0xff), Of: int(r.progress & 0xff),
		Authenticated: r.progress&bitAuthenticated != 0, Bound: r.progress&bitBound != 0,
		Count: event.Contacts{Packets: uint64(r.packets), Ports: uint32(r.ports), First: fromMicros(r.first), Last: fromMicros(r.last)},
	}
}

// digest returns the hash of the row behind the one whose hash is before. Every
// field goes in with its length, so that nothing can move from one to another.
func (r *row) digest(before []byte) []byte {
	b := make([]byte, 0, 512)
	for _, n := range []int64{r.id, r.time, int64(r.class), r.progress, r.packets, r.ports, r.first, r.last} {
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	for _, text := range []string{r.kind, r.door, r.client, string(r.source), r.reason, r.detail} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(text)))
		b = append(b, text...)
	}
	b = append(b, before...)
	hash := sha256.Sum256(b)
	return hash[:]
}

func (r *row) values(to []any) []any {
	return append(to, r.id, r.time, r.class, r.kind, r.door, r.client, r.source, r.reason, r.detail, r.progress,
		r.packets, r.ports, r.first, r.last, r.hash)
}

func (r *row) scan(rows *sql.Rows) error {
	return rows.Scan(&r.id, &r.time, &r.class, &r.kind, &r.door, &r.client, &r.source, &r.reason, &r.detail, &r.progress,
		&r.packets, &r.ports, &r.first, &r.last, &r.hash)
}

// rowsPerStatement keeps the cost of a statement away from the single row.
const rowsPerStatement = 64

// inserter holds the prepared statements of an open file.
type inserter struct{ many, one *sql.Stmt }

func newInserter(ctx context.Context, db *sql.DB) (inserter, error) {
	tuple := "(" + strings.Repeat("?,", columnCount-1) + "?)"
	insert := "INSERT INTO events (" + columns + ") VALUES "
	one, err := db.PrepareContext(ctx, insert+tuple)
	if err != nil {
		return inserter{}, err
	}
	many, err := db.PrepareContext(ctx, insert+strings.Repeat(tuple+",", rowsPerStatement-1)+tuple)
	return inserter{many, one}, err
}

func (i inserter) insert(ctx context.Context, tx *sql.Tx, rows []row) error {
	values := make([]any, 0, rowsPerStatement*columnCount)
	many, one := tx.StmtContext(ctx, i.many), tx.StmtContext(ctx, i.one)
	for len(rows) > 0 {
		n, statement := 1, one
		if len(rows) >= rowsPerStatement {
			n, statement = rowsPerStatement, many
		}
		values = values[:0]
		for k := range rows[:n] {
			values = rows[k].values(values)
		}
		if _, err := statement.ExecContext(ctx, values...); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

// cut bounds a text and makes it valid UTF-8.
func cut(s string, most int) string {
	if len(s) > most {
		s = s[:most-len("…")] + "…"
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func fromMicros(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMicro(n)
}

// sourceBytes writes an address so that those of a prefix are neighbours.
func sourceBytes(a netip.Addr) []byte {
	if !a.IsValid() {
		return []byte{}
	}
	b := a.As16()
	return b[:]
}

func sourceOf(b []byte) netip.Addr {
	a, ok := netip.AddrFromSlice(b)
	if !ok {
		return netip.Addr{}
	}
	return a.Unmap()
}
