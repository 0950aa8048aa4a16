package journal

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"time"

	"sallyport/internal/event"
)

// Query says which events are asked for. What is zero does not restrict.
type Query struct {
	Since, Until time.Time // Since ≤ time < Until
	Source       netip.Prefix
	Door, Client string
	Kinds        []event.Kind
	Reasons      []event.Reason
	Limit        int   // the newest so many
	After        int64 // rows written after the one with this ID
}

// where returns the condition and its values. Values never become part of the
// statement. Some conditions say what others imply: SQLite uses a partial index
// only where the statement itself shows that it may.
func (q Query) where() (string, []any) {
	terms, values := []string{"1"}, []any{}
	add := func(term string, v ...any) {
		terms = append(terms, term)
		values = append(values, v...)
	}
	if !q.Since.IsZero() {
		add("time >= ?", micros(q.Since))
	}
	if !q.Until.IsZero() {
		add("time < ?", micros(q.Until))
	}
	if q.After > 0 {
		add("id > ?", q.After)
	}
	if q.Source.IsValid() {
		first, last := bounds(q.Source)
		if q.Source.IsSingleIP() {
			add("source = ? AND source <> x''", first)
		} else {
			add("source BETWEEN ? AND ? AND source <> x''", first, last)
		}
	}
	if q.Door != "" {
		add("door = ? AND door <> ''", q.Door)
	}
	if q.Client != "" {
		add("client = ? AND client <> ''", q.Client)
	}
	if len(q.Kinds) > 0 {
		add(in("kind", q.Kinds, &values))
	}
	if len(q.Reasons) > 0 {
		if len(q.Kinds) == 0 {
			// Every kind there is, so that the index on kind and reason serves.
			add(in("kind", event.Kinds(), &values))
		}
		add(in("reason", q.Reasons, &values))
	}
	return strings.Join(terms, " AND "), values
}

func in[T ~string](column string, list []T, values *[]any) string {
	marks := make([]string, len(list))
	for i, v := range list {
		marks[i] = "?"
		*values = append(*values, string(v))
	}
	return column + " IN (" + strings.Join(marks, ", ") + ")"
}

// bounds returns the first and the last address of a prefix, as the file has
// them.
func bounds(p netip.Prefix) (first, last []byte) {
	p = p.Masked()
	first, last = sourceBytes(p.Addr()), sourceBytes(p.Addr())
	bits := p.Bits()
	if p.Addr().Is4() {
		bits += 96
	}
	for i := bits; i < 128; i++ {
		last[i/8] |= 0x80 >> (i % 8)
	}
	return first, last
}

// Entry is an event with its place in the journal: entries that were written
// later have higher IDs.
type Entry struct {
	ID int64
	event.Event
}

// order is by time; what has the same time, as it was written.
func order(a, b Entry) int { return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.ID, b.ID)) }

func inOrder(list []Entry) { slices.SortFunc(list, order) }
