package inforce

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sallyport/internal/config"
)

// kept is a store in which a configuration with alice is in force, whose file is
// at the path.
func kept(t *testing.T) (s Store, main string, alice func()) {
	t.Helper()
	s, main = open(filepath.Join(t.TempDir(), "state")), filepath.Join(t.TempDir(), "sallyport.toml")
	alice = func() {
		text := "[[door]]\nname = \"ssh\"\nports = [\"tcp/22\"]\n[[client]]\nname = \"alice\"\ndoors = [\"ssh\"]\nrotating = \"" + strings.Repeat("A", 32) + "\"\n"
		if err := os.WriteFile(main, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	alice()
	s.keep(t, main)
	return s, main, alice
}

func (s Store) keep(t *testing.T, main string) {
	t.Helper()
	cfg, files, err := s.Load(main)
	if err == nil {
		_, err = s.Keep(cfg, files, time.Now())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// brings reports whether the copy brings alice back.
func (s Store) brings(t *testing.T) bool {
	t.Helper()
	r, err := s.Read()
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := s.LastGood(r)
	if err != nil {
		t.Fatal(err)
	}
	return len(cfg.Clients) > 0
}

func nothing() error { return nil }

// Whenever a configuration is read and kept, a removal that it has not seen is not
// lost by that.
func TestRemovalDuringALoad(t *testing.T) {
	for _, tt := range []struct {
		name string
		what func(s Store, load, keep func(), again func()) error
		back bool
	}{
		{"before the load", func(s Store, load, keep, _ func()) error {
			err := s.Remove("alice", nothing)
			load()
			keep()
			return err
		}, true}, // what is in the file then is in force, as it is
		{"between load and keeping", func(s Store, load, keep, _ func()) error {
			load()
			err := s.Remove("alice", nothing)
			keep()
			return err
		}, false},
		{"the load during the removal", func(s Store, load, keep, _ func()) error {
			return s.Remove("alice", func() error { load(); keep(); return nil })
		}, false},
		{"the load during the removal, kept after it", func(s Store, load, keep, _ func()) error {
			err := s.Remove("alice", func() error { load(); return nil })
			keep()
			return err
		}, false},
		{"once more after a removal that had ended", func(s Store, load, keep, again func()) error {
			err := s.Remove("alice", nothing)
			again()
			load()
			err = errors.Join(err, s.Remove("alice", nothing))
			keep()
			return err
		}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, main, again := kept(t)
			var cfg *config.Config
			var files Files
			load := func() {
				var err error
				if cfg, files, err = s.Load(main); err != nil {
					t.Fatal(err)
				}
			}
			keep := func() {
				if _, err := s.Keep(cfg, files, time.Now()); err != nil {
					t.Fatal(err)
				}
			}
			if err := tt.what(s, load, keep, again); err != nil {
				t.Fatal(err)
			}
			if got := s.brings(t); got != tt.back {
				t.Errorf("the copy brings alice back: %t, want %t", got, tt.back)
			}
		})
	}
}

// The list ends, and holds nothing of a removal that failed but until then.
func TestRemovalsEnd(t *testing.T) {
	s, main, _ := kept(t)
	failed := errors.New("the file is write-protected")
	if err := s.Remove("alice", func() error { return failed }); !errors.Is(err, failed) {
		t.Fatal(err)
	}
	if s.brings(t) {
		t.Error("half removed, and brought back")
	}
	s.keep(t, main)
	if _, err := os.Stat(s.path(removedName)); err == nil || !s.brings(t) {
		t.Errorf("a removal outlives the configuration that was read after it: %v", err)
	}
	list := strings.Repeat("bob\n", maxRemoved/4)
	if err := os.WriteFile(s.path(removedName), []byte(list), 0o600); err != nil {
		t.Fatal(err)
	}
	called := false
	if err := s.Remove("alice", func() error { called = true; return nil }); err == nil || called {
		t.Error("the list has no bound")
	}
	// Without a folder there is no copy.
	if err := open("/proc/none").Remove("alice", nothing); err != nil {
		t.Error(err)
	}
}

// Processes that write at the same time lose nothing of each other's.
func TestRemovalsAtTheSameTime(t *testing.T) {
	s, main, _ := kept(t)
	const each = 20
	done := make(chan error, 2)
	for _, name := range []string{"a", "b"} {
		go func() {
			var err error
			for range each {
				err = errors.Join(err, s.Remove(name, nothing))
			}
			done <- err
		}()
	}
	cfg, files, err := s.Load(main)
	for range each {
		if err == nil {
			_, err = s.Keep(cfg, Files{files.Snapshot, ""}, time.Now())
		}
	}
	if err := errors.Join(err, <-done, <-done); err != nil {
		t.Fatal(err)
	}
	if list, err := s.removals(); err != nil || len(strings.Fields(list)) != 4*each {
		t.Errorf("%d of %d removals, %v", len(strings.Fields(list)), 4*each, err)
	}
}
