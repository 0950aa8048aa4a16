package journal

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"sallyport/internal/event"
)

// tamper runs a statement on a journal, as someone with an SQLite shell does.
func tamper(t *testing.T, path, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", address(path))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(statement); err != nil {
		t.Fatal(err)
	}
}

func TestVerify(t *testing.T) {
	for _, tt := range []struct{ name, statement, want string }{
		{"untouched", "SELECT 1", ""},
		{"a row deleted in between", "DELETE FROM events WHERE id = 5", "row 6 "},
		{"the first row deleted", "DELETE FROM events WHERE id = 1", "row 2 "},
		{"the last rows deleted", "DELETE FROM events WHERE id > 8", "row 10 was written, the last of its kind here is 8"},
		{"all rows deleted", "DELETE FROM events", "the last rows are missing"},
		{"a source changed", "UPDATE events SET source = x'00000000000000000000ffff0a000001' WHERE id = 3", "row 3 "},
		{"a time changed", "UPDATE events SET time = time + 1 WHERE id = 3", "row 3 "},
		{"a text moved from one field to the next", "UPDATE events SET kind = 'grants', door = 'sh' WHERE id = 3", "row 3 "},
		{"a hash removed", "UPDATE events SET hash = NULL, detail = 'x' WHERE id = 3", "row 4 "},
		{"a row put in", "INSERT INTO events SELECT 100, time, class, kind, door, 'mallory', source, reason, detail, progress, packets, ports, first, last, hash FROM events WHERE id = 10", "row 100 "},
		{"a class invented", "UPDATE events SET class = 7 WHERE id = 3", "no known class"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var events []event.Event
			for i := range 10 {
				events = append(events, granted(noon.Add(time.Duration(i)*time.Second), fmt.Sprint(i)))
			}
			path := write(t, Options{Chain: true}, events...)
			tamper(t, path, tt.statement)
			v, err := open(t, path).Verify(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(v.Faults, "\n"); (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
				t.Errorf("faults %q, want %q", got, tt.want)
			}
		})
	}
}

// Deleting what is old, or too much, leaves chains whole; so does switching
// chains off for a while.
func TestVerifyAfterDeletion(t *testing.T) {
	now := noon
	o := Options{Chain: true, Now: func() time.Time { return now }, Keep: time.Hour}
	path := write(t, o, granted(noon, "old"), broken(noon, mole), granted(noon, "old too"))
	now = noon.Add(2 * time.Hour)
	again := func(o Options, e ...event.Event) {
		t.Helper()
		j := begin(t, path, o)
		for _, e := range e {
			j.Put(e)
		}
		if err := j.stop(); err != nil {
			t.Fatal(err)
		}
	}
	again(o, granted(now, "young"), broken(now, mole))
	again(o, granted(now, "another")) // the reference clock has caught up: rows that are too old go
	off := o
	off.Chain = false
	again(off, granted(now, "outside"))
	again(o, granted(now, "inside"))
	if got := details(read(t, path, Query{})); strings.Contains(got, "old") || !strings.Contains(got, "young") {
		t.Errorf("kept:\n%s", got)
	}
	v, err := open(t, path).Verify(t.Context())
	if err != nil || len(v.Faults) > 0 || v.Outside != 1 || v.Rows != 4 {
		t.Errorf("%+v, %v; want 4 rows in the chain, 1 outside, no fault", v, err)
	}
}
