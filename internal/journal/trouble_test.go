package journal

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sallyport/internal/event"
)

const childVariable = "SALLYPORT_JOURNAL_TEST_CHILD"

// TestMain lets the test binary be the process that is killed while it writes.
func TestMain(m *testing.M) {
	if path := os.Getenv(childVariable); path != "" {
		writeForEver(path)
	}
	os.Exit(m.Run())
}

func writeForEver(path string) {
	j := New(path, Options{Chain: true}, slog.New(slog.DiscardHandler))
	go func() {
		for i := 0; ; i++ {
			j.Put(granted(time.Now(), fmt.Sprint(i)))
			if i%100 == 0 {
				time.Sleep(time.Millisecond)
			}
		}
	}()
	_ = j.Run(context.Background())
}

func rows(t *testing.T, path string) int {
	t.Helper()
	r, err := OpenReader(path)
	if err != nil {
		return 0
	}
	defer r.Close()
	n, err := r.Last(t.Context())
	if err != nil {
		return 0
	}
	return int(n)
}

// What was written before the process died is there, in one unbroken chain,
// and writing goes on behind it.
func TestKilledWhileWriting(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	for round := range 3 {
		before := rows(t, path)
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), childVariable+"="+path)
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "a thousand more rows", func() bool { return rows(t, path) > before+1000 })
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = child.Wait()
		v, err := open(t, path).Verify(t.Context())
		if err != nil || len(v.Faults) > 0 || v.Rows < 1000 {
			t.Fatalf("round %d: %d rows, %v, %v", round, v.Rows, v.Faults, err)
		}
	}
}

func details(events []event.Event) string {
	var b strings.Builder
	for _, e := range events {
		fmt.Fprintln(&b, e.Kind, e.Client, e.Detail)
	}
	return b.String()
}

func TestRemovedWhileInUse(t *testing.T) {
	j := begin(t, filepath.Join(t.TempDir(), "journal.db"), Options{})
	j.Put(granted(noon, "before"))
	eventually(t, "a first row", func() bool { return rows(t, j.path) == 1 })
	if err := os.Remove(j.path); err != nil {
		t.Fatal(err)
	}
	j.Put(granted(noon, "after"))
	eventually(t, "a fresh file", func() bool { return rows(t, j.path) >= 2 })
	if got := details(read(t, j.path, Query{})); !strings.Contains(got, "after") || !strings.Contains(got, "removed or replaced while in use") {
		t.Errorf("the fresh journal says\n%s", got)
	}
	if err := j.Stats().Problem; err != nil {
		t.Errorf("there is a problem left: %v", err)
	}
}

// A damaged file is kept aside, at the start and under way.
func TestDamagedFile(t *testing.T) {
	path := write(t, Options{}, granted(noon, "before"))
	spoil(t, path)
	j := begin(t, path, Options{})
	j.Put(granted(noon, "after"))
	eventually(t, "a fresh file", func() bool { return rows(t, path) == 2 })
	if got := details(read(t, path, Query{})); !strings.Contains(got, "journal was damaged") || !strings.Contains(got, "after") {
		t.Errorf("the fresh journal says\n%s", got)
	}
	aside, err := filepath.Glob(filepath.Join(filepath.Dir(path), "journal-*.db"))
	if err != nil || len(aside) != 1 {
		t.Errorf("kept aside: %v, %v; want one file", aside, err)
	}
}

func TestDamagedWhileInUse(t *testing.T) {
	j := begin(t, filepath.Join(t.TempDir(), "journal.db"), Options{})
	for i := range 5000 {
		j.Put(granted(noon, fmt.Sprint(i)))
	}
	eventually(t, "rows", func() bool { return rows(t, j.path) >= 4000 })
	spoil(t, j.path)
	spoil(t, j.path+"-wal")
	spoil(t, j.path+"-shm")
	told := func() bool {
		j.Put(granted(noon, "after"))
		r, err := OpenReader(j.path)
		if err != nil {
			return false
		}
		defer r.Close()
		for e, err := range r.Events(t.Context(), Query{Kinds: []event.Kind{event.KindFailure}}) {
			return err == nil && strings.Contains(e.Detail, "damaged")
		}
		return false
	}
	eventually(t, "a fresh file that tells", told)
}

// spoil overwrites a file with junk, in place.
func spoil(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if os.IsNotExist(err) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(bytes.Repeat([]byte("junk"), int(info.Size())/4), 0); err != nil {
		t.Fatal(err)
	}
}

// A place that cannot be written costs rows and nothing else; when it can be
// written again, the journal says what is missing.
func TestPlaceThatComesLater(t *testing.T) {
	var log bytes.Buffer
	dir := filepath.Join(t.TempDir(), "later")
	if err := os.WriteFile(dir, []byte("a file in the way"), 0o600); err != nil {
		t.Fatal(err)
	}
	j := New(filepath.Join(dir, "journal.db"), Options{Now: func() time.Time { return noon }}, slog.New(slog.NewTextHandler(&log, nil)))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- j.Run(ctx) }()
	eventually(t, "a problem", func() bool { return j.Stats().Problem != nil })
	for i := range maxPending + 500 {
		j.Put(granted(noon, fmt.Sprint(i)))
	}
	eventually(t, "a loss", func() bool { return j.Stats().Lost == 500 })
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	eventually(t, "everything written", func() bool { return j.Stats().Problem == nil && j.Stats().Written >= maxPending })
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	got := details(read(t, j.path, Query{Kinds: []event.Kind{event.KindFailure}}))
	if !strings.Contains(got, "500 events since") {
		t.Errorf("the journal says\n%s", got)
	}
	if n := strings.Count(log.String(), "cannot be written"); n != 1 {
		t.Errorf("the log says %d times that the journal cannot be written, want once:\n%s", n, log.String())
	}
}

func TestClockJumps(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "journal.db")
	now := noon
	visit := func(at time.Time) {
		t.Helper()
		now = at
		j := begin(t, path, Options{Chain: true, Now: func() time.Time { return now }})
		j.Put(granted(at, at.Format(time.DateOnly)))
		if err := j.stop(); err != nil {
			t.Fatal(err)
		}
	}
	visit(noon)
	visit(noon.AddDate(20, 0, 0)) // a wrong clock
	visit(noon.AddDate(0, 0, 1))  // and the right one again
	if got := details(read(t, path, Query{})); strings.Count(got, "grant") != 3 {
		t.Errorf("a clock that jumped has cost rows:\n%s", got)
	}
	visit(noon.AddDate(0, 0, 100)) // the one of the 20 years does not keep others from growing old
	if v, err := open(t, path).Verify(t.Context()); err != nil || len(v.Faults) > 0 {
		t.Errorf("%v, %v", v.Faults, err)
	}
}

// What cannot be written waits, and the figures say so.
func TestWhatWaitsIsCounted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	j := begin(t, path, Options{})
	j.Put(granted(noon, "waits"))
	eventually(t, "it waits for longer and longer", func() bool { return j.Stats().Queued == 1 && j.Stats().Lag > 100*time.Millisecond })
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is written", func() bool { return j.Stats().Queued == 0 && j.Stats().Problem == nil && rows(t, path) == 1 })
}
