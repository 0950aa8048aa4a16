package journal

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
)

// Readers come while the daemon makes its journal, and while it ends: there is none
// yet, or it can be read. That it were no journal, or locked, would be untrue.
func TestOpenedWhileItIsMade(t *testing.T) {
	dir := t.TempDir()
	var at atomic.Pointer[string]
	at.Store(new(filepath.Join(dir, "none")))
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				r, err := OpenReader(*at.Load())
				if err == nil {
					_, err = r.Findings(t.Context(), true)
					r.Close()
				}
				if err != nil && !errors.Is(err, ErrNoJournal) {
					t.Error(err)
				}
			}
		})
	}
	for i := range 20 {
		path := filepath.Join(dir, fmt.Sprint(i))
		at.Store(&path)
		db, err := openWriter(t.Context(), path)
		if err != nil {
			t.Error(err)
			break
		}
		db.Close()
	}
	close(done)
	readers.Wait()
}

// What locks a journal, or is none, is said without SQLite's words.
func TestLockedAndOtherFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	if err := os.WriteFile(path, bytes.Repeat([]byte("no journal\n"), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenReader(path); !errors.Is(err, errNoJournal) {
		t.Errorf("another file: %v", err)
	}
	path += ".new"
	db, err := sql.Open("sqlite", address(path))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	if _, err := db.Exec("CREATE TABLE events (id); BEGIN EXCLUSIVE"); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenReader(path); !errors.Is(err, errBusy) {
		t.Errorf("locked: %v", err)
	}
}
